// What an image's tag means here is noted beside the plan, with a real container runtime. Skipped where there is none.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { pinImages } from "../../src/engine/images.ts";
import { outputOf, planOf, scratch } from "./rig.ts";

const works = spawnSync("podman", ["--version"]).status === 0 && process.getuid?.() === 0;
const skip = works ? false : "needs podman, as root";

/** An image store of the test's own, and an image in it. */
function podman(t: TestContext): { env: NodeJS.ProcessEnv; make(name: string, content: string): void } {
  const dir = scratch(t);
  const conf = join(dir, "storage.conf");
  writeFileSync(conf, `[storage]\ndriver = "vfs"\ngraphroot = "${dir}/storage"\nrunroot = "${dir}/run"\n`);
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: conf, TMPDIR: dir };
  return {
    env,
    make(name, content) {
      mkdirSync(join(dir, "root"), { recursive: true });
      writeFileSync(join(dir, "root", "file"), content);
      assert.equal(spawnSync("tar", ["-C", join(dir, "root"), "-cf", join(dir, "root.tar"), "."]).status, 0);
      const made = spawnSync("podman", ["import", "-q", join(dir, "root.tar"), name], {
        env,
        encoding: "utf8",
      });
      assert.equal(made.status, 0, made.stderr);
    },
  };
}

const plan = planOf({
  tagged: [{ image: "localhost/base:1", command: "true" }],
  twin: [{ image: "localhost/base:1", command: "false" }],
  absent: [{ image: "localhost/absent:1", command: "true" }],
  exact: [{ image: `localhost/base@sha256:${"0".repeat(64)}`, command: "true" }],
});

test("an image named by tag is pinned in meta by its digest, and no ID changes", { skip }, async (t) => {
  const { env, make } = podman(t);
  make("localhost/base:1", "one");
  const pinned = await pinImages(plan, env);
  const images = pinned.plan.meta["images"] as Record<string, string>;
  assert.deepEqual(Object.keys(images), ["localhost/base:1"]);
  assert.match(images["localhost/base:1"]!, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(pinned.moved, []);
  for (const task of Object.keys(plan.tasks)) assert.equal(outputOf(pinned.plan, task), outputOf(plan, task));
  assert.deepEqual((await pinImages(pinned.plan, env)).plan, pinned.plan);
});

test("a tag that means another image by now is told, and what was planned stays", { skip }, async (t) => {
  const { env, make } = podman(t);
  make("localhost/base:1", "one");
  const planned = (await pinImages(plan, env)).plan;
  make("localhost/base:1", "two");
  const again = await pinImages(planned, env);
  assert.deepEqual(again.plan, planned);
  assert.equal(again.moved.length, 1);
  assert.equal(
    again.moved[0]!.planned,
    (planned.meta["images"] as Record<string, string>)["localhost/base:1"],
  );
  assert.notEqual(again.moved[0]!.here, again.moved[0]!.planned);
});

test("without images, or without a container runtime, the plan stays as it is", async (t) => {
  const none = planOf({ a: "true" });
  assert.equal((await pinImages(none)).plan, none);
  assert.equal((await pinImages(plan, { PATH: scratch(t) })).plan, plan);
});

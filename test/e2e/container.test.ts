// Containers through the CLI, as root and as another user: what they write is the caller's, and nothing outlives a run that is
// killed. With a real podman; skipped, with the reason, where there is none that works.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { lstatSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { cliMain, cliNode } from "../cli-runner.ts";
import { noPodman, openImages } from "../container-images.ts";
import { until } from "../engine/rig.ts";
import { isRoot, NOBODY, pipeline, project } from "./project.ts";

function cliRuns(uid: number): boolean {
  return spawnSync(cliNode, [cliMain, "--version"], { uid, gid: uid }).status === 0;
}

for (const uid of isRoot ? [0, NOBODY] : [process.getuid!()]) {
  const who = uid === 0 ? "root" : "a user without rights";
  const skip = noPodman(uid) ?? (cliRuns(uid) ? false : "this clone cannot be read by others");

  test(`what a container of ${who} writes is the caller's, and a killed run leaves none running`, {
    skip,
  }, async (t) => {
    const images = openImages(uid);
    t.after(() => images.remove());
    images.make("localhost/base:1", "marker\n");
    const here = project(
      t,
      {
        "pipeline.ts": pipeline(`
          const image = "localhost/base:1";
          const a = dag.task("a", { image, command: "cat /marker > $OUTPUT" });
          dag.task("b", { image, command: "mkdir $OUTPUT; cat inputs/a > $OUTPUT/x" }).after(a);
          dag.task("long", { image, command: "sleep 3600" }).after(a);`),
        "alamode.config.ts": 'export default { sandbox: "container" };\n',
      },
      uid === process.getuid!() ? {} : { uid },
    );
    const options = { env: images.env };
    await here.done(["run", "b"], options);
    const path = (await here.done(["path", "b"], options)).trim();
    for (const made of [path, join(path, "x")]) assert.equal(lstatSync(made).uid, uid);
    assert.match(await here.done(["show", "b"], options), /container:sha256:[0-9a-f]{64}/);
    assert.match((await here.alamode(["verify", "b"], options)).stdout, /1 same|same/);
    const { stdout } = await here.alamode(["shell", "a"], { ...options, input: "cat /marker; exit 7\n" });
    assert.match(stdout, /marker/);

    const running = here.start(["run", "long"], options);
    await until(() => images.containers().length === 1);
    running.child.kill("SIGKILL");
    await until(() => images.containers().length === 0);
  });
}

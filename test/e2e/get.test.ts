// alamode get: what it refuses to copy, and to replace.
import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { jsonLines, pipeline, project } from "./project.ts";

const made = pipeline(`dag.task("lone", { command: "echo 1 > $OUTPUT" });
  dag.task("folder", { command: "echo 1 > $OUTPUT/in; echo 2 > $OUTPUT/other", produces: ["in", "other"] });
  dag.task("plot", { command: "echo 1 > $OUTPUT", produces: "plot.txt" });`);

test("what was changed in the store is not copied, and get marks nothing", async (t) => {
  const here = project(t, { "pipeline.ts": made });
  await here.done(["run"]);
  for (const [task, file] of [
    ["lone", ""],
    ["folder", "other"],
    ["plot", ""],
  ] as const) {
    const path = join((await here.done(["path", task])).trim(), file);
    chmodSync(dirname(path), 0o755);
    rmSync(path);
    here.write(path.slice(here.dir.length + 1), "9\n");
    const { code, stderr, stdout } = await here.alamode(["get", task, "copy"]);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, new RegExp(`^${task} was changed in the store since it was made\n {2}changed  `));
    assert.match(stderr, new RegExp(`alamode verify --stored ${task}\n`));
    assert.ok(!existsSync(join(here.dir, "copy")));
    assert.equal((await here.alamode(["path", task])).code, 0, "it still stands");
  }
  const [error] = jsonLines((await here.alamode(["get", "lone", "--json"])).stdout);
  assert.deepEqual([error?.["event"], error?.["code"]], ["error", "output-damaged"]);
  assert.equal((await here.alamode(["verify", "--stored"])).code, 1);
  assert.equal((await here.alamode(["get", "lone"])).code, 1);
  await here.done(["run"]);
  await here.done(["get", "folder", "copy"]);
  assert.equal(here.read("copy/other"), "2\n");
});

test("of a copied store, where times are other but bytes the same, copies are made", async (t) => {
  const here = project(t, { "pipeline.ts": made });
  await here.done(["run"]);
  cpSync(join(here.dir, ".alamode"), join(here.dir, "moved"), { recursive: true });
  const there = ["--store", "moved", "--record", "moved/record.db"];
  await here.done(["get", ...there, "folder"]);
  assert.equal(here.read("folder/in"), "1\n");
});

test("a copy never takes the place of the folder one is in, of one above it, or of the store, even by force", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`for (const name of [".", "..", "a/..", "", "b", ".alamode"])
      dag.task(name, { command: "echo $NAME > $OUTPUT", env: { NAME: "n" + name } });`),
    "b/here": "",
    "b/sub/here": "",
  });
  await here.done(["run"]);
  for (const name of [".", "..", "a/..", ""]) {
    for (const dest of [[], ["."], ["b/sub"]]) {
      const { code, stderr } = await here.alamode(["get", "--force", name, ...dest]);
      assert.deepEqual([name, dest, code], [name, dest, 2], stderr);
      assert.match(stderr, /is no name that a copy can have\n.* DEST\n/);
    }
  }
  for (const [cwd, task, ...dest] of [
    ["b", "b", ".."],
    ["b/sub", "b", "../.."],
    [".", ".alamode"],
  ] as const) {
    const { code, stderr } = await here.alamode(["get", "--force", task, ...dest], {
      cwd: join(here.dir, cwd),
    });
    assert.deepEqual([task, code], [task, 2], stderr);
    assert.match(stderr, /must not take the place of/);
  }
  assert.equal((await here.alamode(["get", ".."])).code, 2);
  assert.ok(existsSync(join(here.dir, "b/sub/here")) && existsSync(join(here.dir, ".alamode/record.db")));
  await here.done(["get", "", "empty.txt"]);
  assert.equal(here.read("empty.txt"), "n\n");
});

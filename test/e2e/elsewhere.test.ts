// Results in a store that a project does not name: told, never made again behind anybody's back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pipeline, project } from "./project.ts";

const files = {
  "pipeline.ts": pipeline(`const a = dag.task("a", { command: "echo one > $OUTPUT" });
  dag.task("b", { command: "cat inputs/a > $OUTPUT" }).after(a);`),
};

test("who shares a record and not the store is told whose it is, and how to name it", async (t) => {
  const here = project(t, files);
  await here.done(["run", "--store", "theirs"]);
  const id = readFileSync(join(here.dir, "theirs/id"), "utf8").trim();
  for (const call of [["run"], ["path", "b"], ["get", "b"], ["exec", "b"]]) {
    const { code, stderr } = await here.alamode(call);
    assert.equal(code, 2, call.join(" "));
    assert.match(stderr, /^(b|a) lies in a store that this project does not name\n/, call.join(" "));
    assert.match(stderr, new RegExp(`\n  store +${id}\n  made by +\\S+ on \\S+, run 1\n`));
    assert.match(stderr, new RegExp(`\n  Name it in alamode.config.ts.*\n.*forget-store ${id}\n$`));
  }
  assert.match(await here.done(["ls"]), /b .* run 1 +unknown\n/);
  assert.match(await here.done(["show", "b"]), new RegExp(`store +${id}, which this project does not name`));
  assert.match(await here.done(["status"]), new RegExp(`b +is made, in a store .*\\(${id}\\)`));
  here.write("alamode.config.ts", "export default { stores: { theirs: 'theirs' } };\n");
  assert.match(await here.done(["run"]), /2 reused/);
  assert.match((await here.alamode(["record", "forget-store", id])).stderr, /^that is the store theirs, /);
});

test("a store that is gone for good is forgotten by a command, and its results are made again", async (t) => {
  const here = project(t, files);
  await here.done(["run", "--store", "theirs"]);
  const id = readFileSync(join(here.dir, "theirs/id"), "utf8").trim();
  const wrong = await here.alamode(["record", "forget-store", "0123456789abcdef"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, new RegExp(`There is: ${id}\n`));
  assert.equal(await here.done(["record", "forget-store", id]), "2 results will be made again when needed\n");
  assert.match(await here.done(["run"]), /2 ran/);
});

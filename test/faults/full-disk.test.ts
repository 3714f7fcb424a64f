// A disk that is full, under the store or under the record: told as no space, nothing recorded that is not there, and once
// there is room the run goes on. Needs root, to mount a small disk.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contentOf, isRoot, pipeline, project } from "../e2e/project.ts";
import { recorded } from "./record-copy.ts";
import { smallDisk } from "./small-disk.ts";

const skip = isRoot && process.platform === "linux" ? false : "only root on Linux can mount a small disk";

const TASKS = 6;
const CHAIN = pipeline(`let last;
for (let n = 0; n < ${TASKS}; n++) {
  const task = dag.task("t" + n, { command: \`mkdir $OUTPUT; echo \${n} > $OUTPUT/n; cat inputs/*/n >> $OUTPUT/n || true\` });
  if (last) task.addDep(last);
  last = task;
}`);

/** Room left on the disk at each try, in KiB. */
const ROOM = [0, 4, 8, 12, 20, 36, 68, 100, 132, 196, 260];

/** What the record calls done is there, with the content that a run on a large disk gives it. */
function intact(record: string, store: string, expected?: ReadonlyMap<string, string>) {
  const { successes, successful } = recorded(record);
  const trees = new Map(
    [...successes.values()].map(({ task, location }) => [task, contentOf(join(store, "outputs", location))]),
  );
  if (expected) for (const [task, tree] of trees) assert.equal(tree, expected.get(task), task);
  return { trees, successful };
}

test("a task that fills the disk is told so; with room, the run goes on", { skip }, async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`const small = dag.task("small", { command: "echo small > $OUTPUT" });
      dag.task("large", { command: "head -c 3000000 /dev/zero > $OUTPUT" }).after(small);`),
  });
  const disk = smallDisk(t, 5);
  if (!disk) return t.skip("mount was refused");
  const places = ["--store", join(disk.dir, "store"), "--record", "record.db"];
  disk.fill(1_500_000);
  const result = await here.alamode(["run", ...places]);
  assert.equal(result.code, 1);
  assert.match(result.stdout, /large ran out of disk space/);
  assert.match(result.stdout, /Free some space/);
  assert.match(result.stdout, /^2 tasks: 1 ran, 1 failed/m);
  assert.deepEqual(
    [...recorded(join(here.dir, "record.db")).successes.values()].map(({ task }) => task),
    ["small"],
  );

  disk.free();
  await here.done(["run", ...places]);
  const large = (await here.done(["path", "large", ...places])).trim();
  assert.equal(readFileSync(large).length, 3_000_000);
});

for (const [what, on] of [
  ["store", { store: true, record: false }],
  ["record", { store: false, record: true }],
  ["store and record", { store: true, record: true }],
] as const) {
  test(`a ${what} on a disk with next to no room: told, nothing forgotten, and it goes on`, {
    skip,
  }, async (t) => {
    const calm = project(t, { "pipeline.ts": CHAIN });
    await calm.done(["run"]);
    const expected = intact(join(calm.dir, ".alamode/record.db"), join(calm.dir, ".alamode")).trees;

    const disk = smallDisk(t, 5);
    if (!disk) return t.skip("mount was refused");
    const here = project(t, { "pipeline.ts": CHAIN });
    const store = join(on.store ? disk.dir : here.dir, "store");
    const record = join(on.record ? disk.dir : here.dir, "record.db");
    const places = ["--store", store, "--record", record];
    let refused = 0;
    let before = new Map<string, number>();
    for (const kibibytes of ROOM) {
      disk.fill(kibibytes * 1024);
      const { code, signal, stdout, stderr } = await here.alamode(["run", ...places]);
      const said = stdout + stderr;
      assert.equal(signal, null);
      assert.doesNotMatch(said, /error of its own|node:internal|^ +at /m);
      const { successful } = intact(record, store, expected);
      for (const output of before.keys()) assert.ok(successful.has(output), `${output} was forgotten`);
      before = new Map(successful);
      if (code === 0) break;
      refused++;
      assert.ok(code === 1 || code === 2, said);
      assert.match(said, /[Nn]o space|disk space/, `with ${kibibytes} KiB`);
    }
    assert.ok(refused > 0);
    disk.free();
    await here.done(["run", ...places]);
    const after = intact(record, store, expected);
    assert.equal(after.trees.size, TASKS);
    assert.deepEqual([...after.successful.values()], Array(TASKS).fill(1), "a success was made twice");
  });
}

// Promise 7, early cut-off: what was made from the same bytes before is not made again, whatever it is called now.
import assert from "node:assert/strict";
import { chmodSync, lstatSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { removeTree } from "../../src/store/remove.ts";
import { openRig, outputOf, planOf } from "./rig.ts";

const make = (comment: string, bytes = "one") =>
  planOf({
    a: `echo ${bytes} > $OUTPUT # ${comment}`,
    b: ["cat inputs/a > $OUTPUT; echo b >> $OUTPUT", "a"],
    c: ["cat inputs/b > $OUTPUT; echo c >> $OUTPUT", "b"],
  });

test("a comment that changes no byte runs its own task, and nothing below it", async (t) => {
  const rig = await openRig(t);
  await rig.run(make("first"));
  const plan = make("second");
  const told = await rig.run(plan);
  assert.deepEqual(told.ranTasks, ["a"]);
  assert.deepEqual(
    told.of("task.same").map(({ task }) => task),
    ["b", "c"],
  );
  assert.deepEqual(told.counts, { ran: 1, same: 2, reused: 0, failed: 0, notStarted: 0 });
  assert.equal(await rig.text(plan, "c"), "one\nb\nc\n");
  const again = await rig.run(plan);
  assert.deepEqual(again.counts, { ran: 0, same: 0, reused: 3, failed: 0, notStarted: 0 });
});

test("bytes that change run everything below, and going back runs nothing", async (t) => {
  const rig = await openRig(t);
  await rig.run(make("x", "one"));
  assert.deepEqual((await rig.run(make("x", "two"))).ranTasks, ["a", "b", "c"]);
  assert.equal((await rig.run(make("x", "one"))).counts.reused, 3);
});

test("the event tells whose bytes stand for a task, and its folder shows them to people", async (t) => {
  const rig = await openRig(t);
  const before = make("first");
  await rig.run(before);
  const [made] = await rig.record.executions(outputOf(before, "b"));
  const plan = make("second");
  const told = await rig.run(plan);
  assert.equal(told.of("task.same")[0]?.execution, made?.id);
  const output = outputOf(plan, "b");
  const view = join(rig.storeDir, "outputs", output.slice(0, 2), output);
  assert.ok(lstatSync(view).isSymbolicLink());
  assert.equal(realpathSync(view), await rig.place(before, "b"));
  assert.equal(readFileSync(view, "utf8"), "one\nb\n");
});

test("status tells what need not run, as far as it can be known, and writes nothing", async (t) => {
  const rig = await openRig(t);
  await rig.run(make("first"));
  const plan = make("second");
  assert.deepEqual(
    (await rig.status(plan)).due.map(({ task }) => task),
    ["a", "b", "c"],
  );
  await rig.run(plan, { goals: ["a"] });
  const { due, same } = await rig.status(plan);
  assert.deepEqual(due, []);
  assert.deepEqual(
    same.map(({ task }) => task),
    ["b", "c"],
  );
  assert.equal((await rig.record.successes([outputOf(plan, "c")])).size, 0);
  assert.deepEqual((await rig.run(plan)).counts, { ran: 0, same: 2, reused: 1, failed: 0, notStarted: 0 });
});

test("it works across pipelines and names, and between two tasks of one plan", async (t) => {
  const rig = await openRig(t);
  await rig.run(planOf({ raw: "echo one > $OUTPUT", fit: [{ command: "cat inputs/* > $OUTPUT" }, "raw"] }), {
    jobs: 1,
  });
  const twins = planOf({
    left: "echo one > $OUTPUT # left",
    right: "echo one > $OUTPUT # right",
    x: ["cat inputs/left > $OUTPUT; echo x >> $OUTPUT", "left"],
  });
  await rig.run(twins);
  const plan = planOf({ raw: "echo one > $OUTPUT # newer", fit: ["cat inputs/* > $OUTPUT", "raw"] });
  const told = await rig.run(plan, { pipeline: "another" });
  assert.deepEqual(told.ranTasks, ["raw"]);
  assert.deepEqual(
    told.of("task.same").map(({ task }) => task),
    ["fit"],
  );
});

test("a candidate whose bytes are gone or damaged stands for nothing", async (t) => {
  const rig = await openRig(t);
  const first = make("first");
  await rig.run(first);
  await removeTree(await rig.place(first, "b"));
  const told = await rig.run(make("second"));
  assert.deepEqual(told.ranTasks, ["a", "b"], "b's bytes are gone, c's are there");
  assert.deepEqual(
    told.of("task.same").map(({ task }) => task),
    ["c"],
  );
});

test("an input that rests on another's bytes is checked like any, and made again when they were changed", async (t) => {
  const rig = await openRig(t);
  const first = make("first");
  await rig.run(first);
  const plan = make("second");
  await rig.run(plan, { goals: ["b"] });
  const place = await rig.place(first, "b");
  chmodSync(place, 0o644);
  writeFileSync(place, "changed by hand\n");
  chmodSync(place, 0o444);
  const other = planOf({
    a: "echo one > $OUTPUT # second",
    b: ["cat inputs/a > $OUTPUT; echo b >> $OUTPUT", "a"],
    d: ["cat inputs/b > $OUTPUT; echo d >> $OUTPUT", "b"],
  });
  const told = await rig.run(other);
  assert.deepEqual(told.ranTasks, ["b", "d"]);
  assert.equal(await rig.text(other, "d"), "one\nb\nd\n");
  assert.equal(
    (await rig.record.successes([outputOf(first, "b")])).size,
    0,
    "the original is known as damaged too",
  );
});

test("--force runs a task again; what it makes is kept beside what there is, and the first goes on standing", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ n: "date +%s%N > $OUTPUT", below: ["cat inputs/n > $OUTPUT", "n"] });
  await rig.run(plan);
  const first = await rig.text(plan, "n");
  const told = await rig.run(plan, { goals: ["n"], force: ["n"] });
  assert.deepEqual(told.ranTasks, ["n"]);
  assert.deepEqual(told.warned, ["not-deterministic"]);
  assert.equal(await rig.text(plan, "n"), first);
  assert.deepEqual(
    (await rig.record.history(outputOf(plan, "n"))).map(({ state }) => state),
    ["other", "current"],
  );
  assert.equal((await rig.run(plan)).counts.ran, 0);
});

test("of 1,001 tasks, one below the rest, only the one runs when its bytes stay the same", async (t) => {
  const rig = await openRig(t);
  const many = (comment: string, bytes: string, count: number) =>
    planOf({
      root: `echo ${bytes} > $OUTPUT # ${comment}`,
      ...Object.fromEntries(
        Array.from({ length: count }, (_, n) => [
          `t${n}`,
          [`cat inputs/root > $OUTPUT; echo ${n} >> $OUTPUT`, "root"] as const,
        ]),
      ),
    });
  const count = process.env["ALAMODE_LONG"] ? 1000 : 100;
  await rig.run(many("first", "one", count));
  const told = await rig.run(many("second", "one", count));
  assert.deepEqual(told.counts, { ran: 1, same: count, reused: 0, failed: 0, notStarted: 0 });
  if (count === 1000) assert.equal((await rig.run(many("third", "two", count))).counts.ran, 1001);
});

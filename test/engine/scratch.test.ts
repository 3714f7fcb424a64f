// What dead runs left in the scratch area, and how long what is due will take.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { estimateDueMs, estimateMs } from "../../src/engine/estimate.ts";
import { sweepScratch } from "../../src/engine/scratch.ts";
import { graphOf } from "../../src/plan/graph.ts";
import { openRig, planOf } from "./rig.ts";

test("several runs may sweep what a dead one left at the same time", async (t) => {
  const rig = await openRig(t);
  for (let n = 0; n < 3; n++) {
    const { run } = await rig.run(planOf({}));
    for (const slot of ["0", "1"]) {
      const work = join(rig.store.scratchDir, run, slot, "work");
      mkdirSync(work, { recursive: true });
      writeFileSync(join(work, "half"), "half");
    }
  }
  await Promise.all([1, 2, 3, 4].map(() => sweepScratch(rig.record, rig.store, hostname())));
  assert.deepEqual(readdirSync(rig.store.scratchDir), []);
});

test("a run with nothing due sweeps too", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "echo > $OUTPUT" });
  const { run } = await rig.run(plan);
  mkdirSync(join(rig.store.scratchDir, run, "0", "work"), { recursive: true });
  assert.deepEqual((await rig.run(plan)).ranTasks, []);
  assert.deepEqual(readdirSync(rig.store.scratchDir), []);
});

test("what cannot be swept is no run's failure", async (t) => {
  const rig = await openRig(t);
  const old = join(rig.store.scratchDir, "verify-0123456789abcdef");
  writeFileSync(old, "no folder, and so nothing in which a slot could be looked for");
  utimesSync(old, 1, 1);
  assert.deepEqual((await rig.run(planOf({ a: "echo > $OUTPUT" }))).ranTasks, ["a"]);
  assert.deepEqual(readdirSync(rig.store.scratchDir), ["verify-0123456789abcdef"]);
});

test("folders that this record knows nothing of are left alone", async (t) => {
  const rig = await openRig(t);
  for (const name of ["0123456789abcdef", "failed", "mine"]) mkdirSync(join(rig.store.scratchDir, name));
  await rig.run(planOf({ a: "echo > $OUTPUT" }));
  assert.deepEqual(readdirSync(rig.store.scratchDir).sort(), ["0123456789abcdef", "failed", "mine"]);
});

test("an estimate spreads the known means over the slots, and is never below the longest", () => {
  const durations = new Map([
    ["a", 100],
    ["b", 300],
  ]);
  assert.equal(estimateMs(["x"], durations, 2), undefined);
  assert.equal(estimateMs(["a", "b"], durations, 1), 400);
  assert.equal(estimateMs(["a", "b"], durations, 2), 300);
  assert.equal(estimateMs(["a", "b", "x", "y"], durations, 2), 400);
  const many = Array.from({ length: 300_000 }, (_, n) => `t${n}`);
  assert.equal(estimateMs(many, new Map(many.map((task) => [task, 2])), 4), 150_000);
});

test("an estimate for a chain is that of the whole chain, as far as it is due", () => {
  const plan = planOf({ a: "1", b: ["2", "a"], c: ["3", "b"], d: "4" });
  const graph = graphOf(plan);
  const due = (...tasks: string[]) => new Map(tasks.map((task) => [graph.nodeOf(task), task]));
  const durations = new Map([
    ["a", 100],
    ["b", 300],
    ["d", 200],
  ]);
  const estimate = (jobs: number, ...tasks: string[]) => estimateDueMs(graph, due(...tasks), durations, jobs);
  assert.equal(estimate(8, "a", "b", "c", "d"), 600); // c takes as long as the mean of the others
  assert.equal(estimate(8, "b", "d"), 300);
  assert.equal(estimate(1, "a", "b", "d"), 600);
  assert.equal(estimate(8, "c"), undefined);
});

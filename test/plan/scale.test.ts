// Deep, wide and large pipelines: time in proportion to tasks and dependencies, no recursion on depth, and memory that the
// plan's own size explains. ALAMODE_LONG=1 takes a million tasks instead of 20,000 for the latter.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { diff } from "../../src/plan/diff.ts";
import { graphOf } from "../../src/plan/graph.ts";
import { loadPlan, verifyPlan } from "../../src/plan/load.ts";
import { chain, type Task } from "../../src/plan/task.ts";

const LONG = process.env["ALAMODE_LONG"] === "1";

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "alamode-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Encodes, saves, loads, verifies and walks it. */
async function wholeLife(t: TestContext, dag: Dag, tasks: number): Promise<void> {
  const path = join(scratch(t), "plan.dag");
  await dag.save(path);
  const plan = await loadPlan(path);
  verifyPlan(plan);
  assert.equal(Object.keys(plan.tasks).length, tasks);
  assert.equal(graphOf(plan).order.length, tasks);
  assert.deepEqual(diff(dag.encode(), plan).values, []);
}

test("a ladder of 10,000 layers, where each task depends on both of the layer before", async (t) => {
  const dag = new Dag();
  let layer: Task[] = [];
  for (let i = 0; i < 10_000; i++) {
    layer = ["left", "right"].map((side) => dag.task(`${side}-${i}`, { side, i }).after(...layer));
  }
  await wholeLife(t, dag, 20_000);
});

test("a chain of 100,000, described from its end", async (t) => {
  const dag = new Dag();
  const tasks = Array.from({ length: 100_000 }, (_, i) => dag.task(`t${i}`, { i }));
  chain(...tasks.toReversed());
  await wholeLife(t, dag, 100_000);
});

test("a task with 30,000 dependencies, and 30,000 that depend on it", async (t) => {
  const dag = new Dag();
  const parts = Array.from({ length: 30_000 }, (_, i) => dag.task(`part-${i}`, { i }));
  const merge = dag.task("merge", { command: "merge" });
  const plots = Array.from({ length: 30_000 }, (_, i) => dag.task(`plot-${i}`, { plot: i }));
  chain(parts, merge, plots);
  await wholeLife(t, dag, 60_001);
});

test("100,000 tasks that are all the same", () => {
  const dag = new Dag();
  const first = dag.task("first", {});
  for (let i = 0; i < 100_000; i++) dag.task(`same-${i}`, { command: "x" }).after(first);
  const plan = dag.encode();
  const graph = graphOf(plan);
  assert.equal(graph.outputs.length, 2);
  assert.equal(graph.names(1).length, 100_000);
  assert.equal(graphOf(plan).goals().length, 100_000);
});

test("memory is at most 200 MB and three times the plan's file, or four with the dag or the graph held beside the plan", {
  timeout: 600_000,
}, (t) => {
  const path = join(scratch(t), "many.dag");
  const tasks = LONG ? 1_000_000 : 20_000;
  for (const phase of ["save", "encode", "load", "verify", "graph"]) {
    const script = new URL("one-phase.ts", import.meta.url).pathname;
    const peak = Number(
      execFileSync(process.execPath, [script, phase, path, String(tasks)], { encoding: "utf8" }),
    );
    const { size } = statSync(path);
    const allowed = (["encode", "graph"].includes(phase) ? 4 : 3) * size + 200e6;
    t.diagnostic(
      `${phase}: peak ${Math.round(peak / 1e6)} MB of ${Math.round(allowed / 1e6)} MB, file ${Math.round(size / 1e6)} MB`,
    );
    assert.ok(peak <= allowed, `${phase} took ${peak} bytes for a file of ${size}`);
  }
});

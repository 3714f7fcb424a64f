import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Dag } from "../../src/plan/dag.ts";
import { graphOf } from "../../src/plan/graph.ts";
import { selectTasks } from "../../src/plan/select.ts";
import { chain } from "../../src/plan/task.ts";
import type { OutputId, Plan } from "../../src/plan/types.ts";

function family(): Plan {
  const other = new Dag();
  const orders = other.task("orders", { command: "get" });
  const dag = new Dag();
  const raw = dag.task("raw", { command: "raw" });
  const twins = ["align/S1", "align/S2"].map((name) => dag.task(name, { command: "align" }).after(raw));
  dag.task("join", { command: "join" }).after(...twins, { orders, again: orders });
  return dag.encode();
}

test("tasks of one output are one node with several names", () => {
  const graph = graphOf(family());
  const twin = graph.nodeOf("align/S1");
  assert.equal(graph.nodeOf("align/S2"), twin);
  assert.deepEqual(graph.names(twin), ["align/S1", "align/S2"]);
  assert.deepEqual([...graph.inputs(twin)], [graph.nodeOf("raw")]);
  assert.deepEqual([...graph.dependents(twin)], [graph.nodeOf("join")]);
  assert.throws(() => graph.nodeOf("joyn"), { code: "unknown-task", message: /Near: join/ });
});

test("an external input is a node without a name", () => {
  const plan = family();
  const graph = graphOf(plan);
  const output = plan.tasks["join"]!.inputs["orders"]!;
  const node = graph.node(output)!;
  assert.equal(graph.outputs[node], output);
  assert.deepEqual(graph.names(node), []);
  assert.deepEqual([...graph.inputs(node)], []);
  assert.deepEqual([...graph.dependents(node)], [graph.nodeOf("join")]);
  assert.deepEqual(graph.external, [
    { task: "join", dependency: "again", output },
    { task: "join", dependency: "orders", output },
  ]);
  assert.equal(graph.node("0".repeat(64) as OutputId), undefined);
});

test("goals are what nothing depends on", () => {
  assert.deepEqual(graphOf(family()).goals(), ["join"]);
  assert.deepEqual(graphOf(new Dag().encode()).goals(), []);
});

test("the order has each node once, after all it depends on", () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(), { maxLength: 4 }), { maxLength: 30 }), (wanted) => {
      const dag = new Dag();
      const tasks = wanted.map((_, i) => dag.task(`t${(i * 7919) % 1009}`, { n: i }));
      for (const [i, deps] of wanted.entries())
        for (const dep of deps) if (i > 0) tasks[i]!.addDep(tasks[dep % i]!);
      const plan = dag.encode();
      const graph = graphOf(plan);
      assert.deepEqual(
        [...graph.order].sort((a, b) => a - b),
        tasks.map((_, i) => i),
      );
      const position = new Map([...graph.order].map((node, at) => [node, at]));
      for (const task of tasks) {
        const node = graph.nodeOf(task.name);
        const needed = new Set([...task.dependencies.values()].map((other) => graph.nodeOf(other.name)));
        assert.deepEqual(new Set(graph.inputs(node)), needed);
        for (const input of needed) {
          assert.ok(position.get(input)! < position.get(node)!);
          assert.ok(graph.dependents(input).includes(node));
        }
      }
    }),
  );
});

test("a plan with a circle, whose IDs must be wrong, is refused", () => {
  const dag = new Dag();
  const [a, b] = [dag.task("a", {}), dag.task("b", {})];
  chain(a, b);
  const plan = dag.encode();
  const circle = { ...plan.tasks["a"]!, inputs: { b: plan.tasks["b"]!.output } };
  assert.throws(() => graphOf({ meta: {}, tasks: { a: circle, b: plan.tasks["b"]! } }), {
    code: "plan-mismatch",
  });
});

test("tasks are selected by name first, and by pattern", () => {
  const dag = new Dag();
  for (const name of ["align/S1", "align/S2", "align/a/b", "plot", "odd[1]", "__proto__"])
    dag.task(name, { command: name });
  const plan = dag.encode();
  assert.deepEqual(selectTasks(plan, ["plot", "align/*", "align/S1"]), ["plot", "align/S1", "align/S2"]);
  assert.deepEqual(selectTasks(plan, ["align/**"]), ["align/S1", "align/S2", "align/a/b"]);
  assert.deepEqual(selectTasks(plan, ["odd[1]", "__proto__"]), ["odd[1]", "__proto__"]);
  assert.throws(() => selectTasks(plan, ["plott"]), {
    code: "unknown-task",
    message: 'no task "plott" in this pipeline. Near: plot. All: alamode ls --tasks',
  });
  assert.throws(() => selectTasks(plan, ["toString"]), { code: "unknown-task" });
  assert.throws(() => selectTasks(plan, ["nothing/*"]), { code: "unknown-task" });
});

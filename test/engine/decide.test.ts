// What is due: small cases of each cause, and all of them at once against an evaluator that is plain recursion.
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { type Cause, type Decision, decide, type Fact } from "../../src/engine/decide.ts";
import { graphOf, type PlanGraph } from "../../src/plan/graph.ts";
import type { Success } from "../../src/record/types.ts";
import { planOf } from "./rig.ts";

const success = (id: number, stale = false) => ({ id, stale }) as Success;
const done: Fact = { kind: "done", success: success(1) };
const stale: Fact = { kind: "done", success: success(1, true) };
const none: Fact = { kind: "none" };
const lost: Fact = { kind: "lost", success: success(1) };
const damaged: Fact = { kind: "damaged", success: success(1), path: "a.csv" };

const chainPlan = planOf({ a: "1", b: ["2", "a"], c: ["3", "b"] });

/** Answers a decision's questions from a table of nodes; `asked` collects the questions. */
function decided(
  questions: Generator<readonly number[], Decision, readonly Fact[]>,
  factOf: (node: number) => Fact,
  asked: (readonly number[])[] = [],
): Decision {
  for (let step = questions.next(); ; ) {
    if (step.done) return step.value;
    asked.push(step.value);
    step = questions.next(step.value.map(factOf));
  }
}

/** A decision about tasks of a plan, in their names. */
function causes(
  facts: Readonly<Record<string, Fact>>,
  goals: readonly string[] = ["c"],
  options: { inputsOnly?: boolean } = {},
): { due: Record<string, Cause["kind"]>; done: string[]; asked: string[][] } {
  const graph = graphOf(chainPlan);
  const nameOf = (node: number) => graph.names(node)[0]!;
  const asked: (readonly number[])[] = [];
  const decision = decided(
    decide(
      graph,
      goals.map((goal) => graph.nodeOf(goal)),
      options,
    ),
    (node) => facts[nameOf(node)]!,
    asked,
  );
  return {
    due: Object.fromEntries([...decision.due].map(([node, cause]) => [nameOf(node), cause.kind])),
    done: [...decision.done.keys()].map(nameOf),
    asked: asked.map((nodes) => nodes.map(nameOf)),
  };
}

test("a goal that is done ends the search: what lies above it is not even asked about", () => {
  assert.deepEqual(causes({ a: none, b: lost, c: done }), { due: {}, done: ["c"], asked: [["c"]] });
});

test("a missing intermediate whose dependents are done is not remade", () => {
  assert.deepEqual(causes({ a: none, b: none, c: done }).due, {});
  assert.deepEqual(causes({ a: done, b: none, c: none }).due, { c: "none", b: "none" });
});

test("lost and damaged results are due, each by its own cause", () => {
  assert.deepEqual(causes({ a: done, b: lost, c: none }), {
    due: { c: "none", b: "lost" },
    done: ["a"],
    asked: [["c"], ["b"], ["a"]],
  });
  assert.deepEqual(causes({ a: done, b: done, c: damaged }).due, { c: "damaged" });
  assert.deepEqual(causes({ a: damaged, b: lost, c: lost }).due, { c: "lost", b: "lost", a: "damaged" });
});

test("a stale success is done as a goal, and due as an input", () => {
  assert.deepEqual(causes({ a: done, b: done, c: stale }).due, {});
  assert.deepEqual(causes({ a: done, b: stale, c: none }).due, { c: "none", b: "stale" });
});

test("a stale success that is goal and input at once is due, whatever the order of the goals", () => {
  for (const goals of [
    ["b", "c"],
    ["c", "b"],
  ]) {
    const { due, done: used } = causes({ a: done, b: stale, c: none }, goals);
    assert.deepEqual(due, { c: "none", b: "stale" });
    assert.deepEqual(used, ["a"]);
  }
});

test("asked for as inputs, stale goals are due", () => {
  assert.deepEqual(causes({ a: done, b: stale, c: done }, ["b"], { inputsOnly: true }).due, { b: "stale" });
});

test("a layer is asked about at once, and no node twice", () => {
  const plan = planOf({
    ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`in${n}`, `${n}`])),
    one: ["one", ...Array.from({ length: 20 }, (_, n) => `in${n}`)],
    two: ["two", "one", ...Array.from({ length: 20 }, (_, n) => `in${n}`)],
  });
  const graph = graphOf(plan);
  const asked: (readonly number[])[] = [];
  decided(decide(graph, [graph.nodeOf("two"), graph.nodeOf("two")]), () => none, asked);
  assert.deepEqual(
    asked.map(({ length }) => length),
    [1, 21],
  );
  assert.equal(new Set(asked.flat()).size, 22);
});

test("a chain of 100,000 due tasks is decided without recursion", () => {
  const tasks: Record<string, [string, ...string[]]> = {};
  for (let n = 0; n < 100_000; n++) tasks[`t${n}`] = n === 0 ? ["0"] : [`${n}`, `t${n - 1}`];
  const graph = graphOf(planOf(tasks));
  assert.equal(decided(decide(graph, [graph.nodeOf("t99999")]), () => none).due.size, 100_000);
});

/** The definition, as recursion: a node that is needed is due unless it has bytes that may be used for what needs it. */
function evaluated(graph: PlanGraph, goals: readonly number[], facts: readonly Fact[]) {
  const due = new Map<number, Cause["kind"]>();
  const used = new Set<number>();
  const need = (node: number, asInput: boolean) => {
    const fact = facts[node]!;
    const usable = fact.kind === "done" && !(asInput && fact.success.stale);
    if (usable) used.add(node);
    else {
      due.set(node, fact.kind === "done" ? "stale" : fact.kind);
      for (const input of graph.inputs(node)) need(input, true);
    }
  };
  for (const goal of goals) need(goal, false);
  for (const node of due.keys()) used.delete(node);
  return { due, used };
}

test("on any graph with any facts, the decision is the recursive one", () => {
  const graphs = fc.integer({ min: 1, max: 9 }).chain((size) =>
    fc.record({
      edges: fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 20 }),
      facts: fc.array(fc.constantFrom(none, done, stale, lost, damaged), {
        minLength: size,
        maxLength: size,
      }),
      goals: fc.uniqueArray(fc.nat(size - 1), { minLength: 1 }),
    }),
  );
  fc.assert(
    fc.property(graphs, ({ edges, facts, goals }) => {
      const tasks: Record<string, [string, ...string[]]> = {};
      for (const n of facts.keys()) {
        const above = new Set(edges.filter(([from, to]) => to === n && from < n).map(([from]) => `t${from}`));
        tasks[`t${n}`] = [`${n}`, ...above];
      }
      const graph = graphOf(planOf(tasks));
      const factOf = facts.map((_, node) => facts[Number(graph.names(node)[0]!.slice(1))]!);
      const decision = decided(decide(graph, goals), (node) => factOf[node]!);
      const expected = evaluated(graph, goals, factOf);
      assert.deepEqual(new Map([...decision.due].map(([node, { kind }]) => [node, kind])), expected.due);
      assert.deepEqual(new Set(decision.done.keys()), expected.used);
    }),
    { numRuns: 1000 },
  );
});

// The one loop, with steps that end when the test says so.
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { NodeState } from "../../src/engine/node-state.ts";
import { schedule } from "../../src/engine/scheduler.ts";
import { StartQueue } from "../../src/engine/start-queue.ts";
import { graphOf } from "../../src/plan/graph.ts";
import type { Success } from "../../src/record/types.ts";
import { FakeSteps, failure, held, quiet, slots } from "./fake-steps.ts";
import { outputOf, planOf } from "./rig.ts";

const diamond = planOf({ a: "1", b: ["2", "a"], c: ["3", "a"], d: ["4", "b", "c"] });

test("a task starts when all its inputs are done, and never more at once than there are slots", async () => {
  const steps = new FakeSteps(diamond);
  await quiet();
  assert.deepEqual(steps.running, ["a"]);
  await steps.end("a");
  assert.deepEqual(steps.running, ["b", "c"]);
  await steps.end("c");
  assert.deepEqual(steps.running, ["b"]);
  await steps.end("b");
  await steps.end("d");
  assert.deepEqual(await steps.over, { a: "done", b: "done", c: "done", d: "done" });
  const [b, c] = steps.takes.filter(({ task }) => task === "b" || task === "c");
  assert.notEqual(b!.grant.slot, c!.grant.slot);
});

test("what became ready first starts first", async () => {
  const steps = new FakeSteps(planOf({ p: "1", q: "2", r: "3", s: "4" }), { queue: slots(["only"]) });
  for (const task of ["p", "q", "r", "s"]) {
    await quiet();
    assert.deepEqual(steps.running, [task]);
    await steps.end(task);
  }
  await steps.over;
});

test("inputs that need not run are there from the start", async () => {
  const done = new Map([[graphOf(diamond).nodeOf("a"), { id: 7 } as Success]]);
  const steps = new FakeSteps(diamond, { due: ["b"], done });
  await quiet();
  assert.equal(steps.takes[0]!.success(steps.node("a")).id, 7);
  await steps.end("b");
  assert.deepEqual(await steps.over, { b: "done" });
});

test("after a failure, what runs is let finish and nothing new starts", async () => {
  const steps = new FakeSteps(
    planOf({ bad: "1", good: "2", after: ["3", "good"], below: ["4", "bad"], other: "5" }),
  );
  await quiet();
  assert.deepEqual(steps.running, ["bad", "good"]);
  await steps.end("bad", failure());
  await steps.end("good");
  assert.deepEqual(await steps.over, {
    bad: "failed",
    good: "done",
    after: "notStarted",
    below: "notStarted",
    other: "notStarted",
  });
  const because = (name: string) =>
    steps.changes.find(({ task, state }) => task === name && state === "notStarted");
  assert.equal(because("below")!.details.because, steps.node("bad"));
  assert.equal(because("after")!.details.because, undefined);
});

test("with keepGoing, all that does not need the failed one is done", async () => {
  const plan = planOf({
    bad: "1",
    good: "2",
    below: ["3", "bad"],
    deep: ["4", "below", "good"],
    other: ["5", "good"],
  });
  const steps = new FakeSteps(plan, { keepGoing: true });
  await quiet();
  await steps.end("bad", failure());
  await steps.end("good");
  await steps.end("other");
  assert.deepEqual(await steps.over, {
    bad: "failed",
    good: "done",
    below: "notStarted",
    deep: "notStarted",
    other: "done",
  });
});

test("a failed task is tried again while it has attempts, and its slot is free meanwhile", async () => {
  const steps = new FakeSteps(planOf({ flaky: "1", other: "2" }), {
    queue: slots(["only"]),
    retryInMs: (_, { attempt }) => (attempt < 3 ? 1 : undefined),
  });
  await quiet();
  await steps.end("flaky", failure("exit", 1));
  assert.deepEqual(steps.running, ["other"]);
  await steps.end("other");
  await started(steps, "flaky");
  await steps.end("flaky", failure("exit", 2));
  await started(steps, "flaky");
  await steps.end("flaky");
  assert.deepEqual(await steps.over, { flaky: "done", other: "done" });
  assert.deepEqual(
    steps.takes.filter(({ task }) => task === "flaky").map(({ attempt }) => attempt),
    [1, 2, 3],
  );
});

test("a task that another run makes is asked about again, with the execution waited for, and holds no slot", async () => {
  const steps = new FakeSteps(planOf({ a: "1", b: "2" }), { queue: slots(["only"]) });
  await quiet();
  await steps.end("a", held("theirs-1"));
  assert.deepEqual(steps.running, ["b"]);
  await steps.end("b");
  await started(steps, "a");
  assert.equal(steps.takes.at(-1)!.waitedFor, "theirs-1");
  await steps.end("a", { kind: "reused", success: steps.success() });
  assert.deepEqual(await steps.over, { a: "done", b: "done" });
});

test("a failure elsewhere that was waited for is tried again without waiting for it any more", async () => {
  const steps = new FakeSteps(planOf({ shared: "1" }), {
    retryInMs: (_, { attempt }) => (attempt < 2 ? 1 : undefined),
  });
  await quiet();
  await steps.end("shared", held("theirs-1"));
  await started(steps, "shared");
  await steps.end("shared", failure());
  await started(steps, "shared");
  assert.equal(steps.takes.at(-1)!.waitedFor, undefined);
  await steps.end("shared");
  assert.deepEqual(await steps.over, { shared: "done" });
});

test("stopped in the middle: what runs is waited for, retries are called off, the rest is not started", async () => {
  const steps = new FakeSteps(planOf({ flaky: "1", long: "2", next: ["3", "long"] }), {
    retryInMs: () => 1e6,
  });
  await quiet();
  await steps.end("flaky", failure());
  steps.stop.abort();
  await quiet();
  assert.deepEqual(steps.running, ["long"]);
  await steps.end("long", failure("interrupted"));
  assert.deepEqual(await steps.over, { flaky: "failed", long: "failed", next: "notStarted" });
});

test("stopped before it began, nothing starts", async () => {
  const steps = new FakeSteps(diamond, { stop: AbortSignal.abort() });
  assert.deepEqual(await steps.over, { a: "notStarted", b: "notStarted", c: "notStarted", d: "notStarted" });
});

test("an error of the engine's own ends the loop with it, once what runs has ended", async () => {
  const steps = new FakeSteps(planOf({ a: "1", b: "2", c: "3" }));
  await quiet();
  await steps.end("a", new Error("the record has gone"));
  assert.deepEqual(steps.running, ["b"]);
  await steps.end("b");
  await assert.rejects(steps.over, /the record has gone/);
  assert.deepEqual(steps.taken, ["a", "b"]);
});

const pair = planOf({ a: "1", b: ["2", "a"], c: ["3", "a"] });

test("an input whose bytes have gone is made again, and its dependent waits for it", async () => {
  const graph = graphOf(pair);
  const a = graph.nodeOf("a");
  const steps = new FakeSteps(pair, {
    due: ["b"],
    done: new Map([[a, { id: 7 } as Success]]),
    again: async (node) => ({ due: [node], done: new Map() }),
  });
  await quiet();
  await steps.end("b", { kind: "input-lost", outputs: [outputOf(pair, "a")] });
  assert.deepEqual(steps.running, ["a"]);
  await steps.end("a");
  assert.deepEqual(steps.running, ["b"]);
  assert.notEqual(steps.takes.at(-1)!.success(a).id, 7);
  await steps.end("b");
  assert.deepEqual(await steps.over, { a: "done", b: "done" });
});

test("a success is let go when the last that waits for it has ended, and is there again for what is made again", async () => {
  const chain = planOf({ a: "1", b: ["2", "a"], c: ["3", "b"] });
  const again = { id: 70 } as Success;
  const steps = new FakeSteps(chain, {
    again: async (node) => ({ due: [node], done: new Map([[graphOf(chain).nodeOf("a"), again]]) }),
  });
  await quiet();
  await steps.end("a");
  const [, b] = steps.takes;
  assert.equal(b!.success(steps.node("a")).id, 1);
  await steps.end("b");
  assert.equal(b!.success(steps.node("a")), undefined);
  await steps.end("c", { kind: "input-lost", outputs: [outputOf(chain, "b")] });
  assert.deepEqual(steps.running, ["b"]);
  assert.equal(b!.success(steps.node("a")), again);
  await steps.end("b");
  assert.deepEqual(steps.running, ["c"]);
  assert.equal(b!.success(steps.node("a")), undefined);
  await steps.end("c");
  assert.equal(b!.success(steps.node("b")), undefined);
  assert.deepEqual(await steps.over, { a: "done", b: "done", c: "done" });
});

test("a lost input that somebody else has made again meanwhile is used as it is now", async () => {
  const a = graphOf(pair).nodeOf("a");
  const remade = { id: 99 } as Success;
  const steps = new FakeSteps(pair, { again: async () => ({ due: [], done: new Map([[a, remade]]) }) });
  await quiet();
  await steps.end("a");
  await steps.end("b", { kind: "input-lost", outputs: [outputOf(pair, "a")] });
  assert.equal(steps.takes.at(-1)!.task, "b");
  assert.equal(steps.takes.at(-1)!.success(a).id, 99);
  await steps.end("b");
  await steps.end("c");
  await steps.over;
});

test("an input that is lost again and again fails its dependent in the end", async () => {
  const steps = new FakeSteps(pair, {
    due: ["a", "b"],
    again: async (node) => ({ due: [node], done: new Map() }),
  });
  await quiet();
  for (let losses = 0; losses < 4; losses++) {
    await steps.end("a");
    await steps.end("b", { kind: "input-lost", outputs: [outputOf(pair, "a")] });
  }
  assert.deepEqual(await steps.over, { a: "done", b: "failed" });
  const { outcome } = steps.changes.findLast(({ task }) => task === "b")!.details;
  assert.match(outcome?.kind === "failed" ? outcome.failure.message : "", /damaged 4 times/);
});

test("a retry does not start while its input is being made again", async () => {
  const steps = new FakeSteps(pair, {
    keepGoing: true,
    again: async (node) => ({ due: [node], done: new Map() }),
    retryInMs: (_, { attempt }) => (attempt === 1 ? 1 : undefined),
  });
  await quiet();
  await steps.end("a");
  await steps.end("c", { kind: "input-lost", outputs: [outputOf(pair, "a")] });
  await steps.end("b", failure());
  assert.deepEqual(steps.running, ["a"]);
  await new Promise((resolve) => setTimeout(resolve, 1)); // at least one turn of timers: the retry's own has passed
  await quiet();
  assert.deepEqual(steps.running, ["a"]);
  await steps.end("a");
  await started(steps, "b");
  await steps.end("c");
  await steps.end("b");
  assert.deepEqual(await steps.over, { a: "done", b: "done", c: "done" });
});

test("a task whose retry waits is not tried again when its input's remaking fails", async () => {
  const steps = new FakeSteps(pair, {
    keepGoing: true,
    again: async (node) => ({ due: [node], done: new Map() }),
    retryInMs: (node, { attempt }) => (node === graphOf(pair).nodeOf("b") && attempt === 1 ? 1e6 : undefined),
  });
  await quiet();
  await steps.end("a");
  await steps.end("c", { kind: "input-lost", outputs: [outputOf(pair, "a")] });
  await steps.end("b", failure());
  await steps.end("a", failure());
  assert.deepEqual(await steps.over, { a: "failed", b: "failed", c: "notStarted" });
});

test("chains and fans of 100,000 run without recursion", async () => {
  const count = 100_000;
  const chain: Record<string, [string, ...string[]]> = { t0: ["0"] };
  for (let n = 1; n < count; n++) chain[`t${n}`] = [`${n}`, `t${n - 1}`];
  const fan: Record<string, [string, ...string[]]> = { root: ["0"], top: ["1", "root"] };
  for (let n = 0; n < count; n++) fan[`t${n}`] = [`t${n}`, "top"];
  fan["end"] = ["end", ...Array.from({ length: count }, (_, n) => `t${n}`)];
  for (const plan of [planOf(chain), planOf(fan)]) {
    const graph = graphOf(plan);
    const due = [...graph.order];
    for (const failing of [undefined, due[0]]) {
      const states = await schedule({
        graph,
        due,
        done: new Map(),
        queue: slots(["0", "1"]),
        asks: () => new Map(),
        rank: () => ({ priority: 0, path: 0 }),
        expand: () => Promise.reject(new Error("never")),
        keepGoing: true,
        stop: new AbortController().signal,
        take: async ({ node }) =>
          node === failing ? failure() : { kind: "ran", success: {} as Success, attempt: 1, durationMs: 0 },
        same: async () => new Map(),
        again: () => Promise.reject(new Error("never")),
        retryInMs: () => undefined,
        pollMs: 250,
        onEnd: () => () => {},
        onState() {},
      });
      const counts = new Map<string, number>();
      for (const state of states.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
      assert.deepEqual(
        Object.fromEntries(counts),
        failing === undefined ? { done: due.length } : { failed: 1, notStarted: due.length - 1 },
      );
    }
  }
});

test("on any graph, in any order of ends: each task once, after its inputs, within the slots, and as little as failures allow", async () => {
  const cases = fc.record({
    size: fc.integer({ min: 1, max: 12 }),
    edges: fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 30 }),
    failing: fc.uniqueArray(fc.nat(11), { maxLength: 3 }),
    retried: fc.uniqueArray(fc.nat(11), { maxLength: 3 }),
    count: fc.integer({ min: 1, max: 4 }),
    keepGoing: fc.boolean(),
    picks: fc.infiniteStream(fc.nat(3)),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ size, edges, failing, retried, count, keepGoing, picks }) => {
      const tasks: Record<string, [string, ...string[]]> = {};
      for (let n = 0; n < size; n++) {
        tasks[`t${n}`] = [
          `${n}`,
          ...new Set(edges.filter(([from, to]) => to === n && from < n).map(([from]) => `t${from}`)),
        ];
      }
      const fails = new Set(failing.map((n) => `t${n}`));
      const flaky = new Set(retried.map((n) => `t${n}`).filter((task) => !fails.has(task)));
      const steps = new FakeSteps(planOf(tasks), {
        queue: slots(Array.from({ length: count }, (_, n) => `${n}`)),
        keepGoing,
        retryInMs: (node, { attempt }) =>
          flaky.has(steps.graph.names(node)[0]!) && attempt === 1 ? 0 : undefined,
      });
      let states: Awaited<typeof steps.over> | undefined;
      void steps.over.then((ended) => {
        states = ended;
      });
      const succeeded = new Set<string>();
      while (states === undefined) {
        await quiet();
        const { running } = steps;
        if (running.length === 0) {
          await new Promise((resolve) => setTimeout(resolve, 1)); // only a retry's timer can be under way
          continue;
        }
        assert.ok(running.length <= count);
        for (const task of running)
          for (const above of tasks[task]!.slice(1)) assert.ok(succeeded.has(above));
        const task = running[picks.next().value % running.length]!;
        const { attempt } = steps.takes.findLast((take) => take.task === task)!;
        if (fails.has(task) || (flaky.has(task) && attempt === 1))
          await steps.end(task, failure("exit", attempt));
        else {
          assert.ok(!succeeded.has(task), "taken once too often");
          succeeded.add(task);
          await steps.end(task);
        }
      }
      const poisoned = new Set<string>();
      for (const [task, [, ...above]] of Object.entries(tasks)) {
        if (above.some((name) => fails.has(name) || poisoned.has(name))) poisoned.add(task);
        const state: NodeState = states[task]!;
        if (succeeded.has(task)) assert.equal(state, "done");
        else if (poisoned.has(task)) assert.equal(state, "notStarted");
        else if (keepGoing) assert.equal(state, "failed");
        else assert.ok(state === "failed" || state === "notStarted");
      }
    }),
    { numRuns: 200 },
  );
});

/** Resolves when the task is under way again. */
async function started(steps: FakeSteps, task: string): Promise<void> {
  while (!steps.running.includes(task)) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Twenty tasks of which sixteen are done, one runs, t16, and one has gone ahead, t17. */
async function hurriedSteps() {
  const queue = new StartQueue(["0", "1"], { amounts: new Map(), gpus: [] }, 1, 1);
  const names = Array.from({ length: 20 }, (_, n) => `t${String(n).padStart(2, "0")}`);
  const plan = planOf(Object.fromEntries(names.map((name) => [name, name])));
  const steps = new FakeSteps(plan, { queue });
  for (const name of names.slice(0, 16)) {
    await quiet();
    steps.takes.at(-1)!.over(1);
    await steps.end(name);
  }
  await quiet();
  assert.deepEqual(steps.running, ["t16", "t17"]);
  return { steps, names, turn: steps.takes.at(-1)!.grant.turn };
}

test("after a failure what went ahead is recalled, and is not started", async () => {
  const { steps, names, turn } = await hurriedSteps();
  await steps.end("t16", failure());
  assert.equal(await turn, false);
  await steps.end("t17", { kind: "look-again" });
  const over = await steps.over;
  assert.deepEqual(
    names.slice(16).map((name) => over[name]),
    ["failed", "notStarted", "notStarted", "notStarted"],
  );
});

test("what went ahead and waits for long is recalled, and starts when there is room, as the others do", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { steps, names, turn } = await hurriedSteps();
  t.mock.timers.tick(1_000);
  assert.equal(await turn, false);
  await steps.end("t17", { kind: "look-again" });
  assert.deepEqual(steps.running, ["t16"], "no other goes ahead");
  for (const name of ["t16", "t18", "t19", "t17"]) {
    assert.deepEqual(steps.running, [name]);
    await steps.end(name);
  }
  const over = await steps.over;
  assert.ok(names.every((name) => over[name] === "done"));
});

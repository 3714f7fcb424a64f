// Promise 8: a task with `expand` writes a plan, which joins the run; what its result is, is the task's.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { encode } from "../../src/bencode/encode.ts";
import type { Bmap } from "../../src/bencode/types.ts";
import { Dag } from "../../src/plan/dag.ts";
import { bencodePlan, outputOf as idOf } from "../../src/plan/encode.ts";
import type { OutputId, Plan } from "../../src/plan/types.ts";
import { removeTree } from "../../src/store/remove.ts";
import { openRig, outputOf, planOf, type Rig } from "./rig.ts";

/** A task that writes this plan: the file lies outside, and its path comes by a variable, so that the ID is the spec's. */
function expander(rig: Rig, inner: Plan, more: Bmap = {}): { spec: Bmap; env: Record<string, string> } {
  const file = join(rig.dir, "inner.dag");
  writeFileSync(file, bencodePlan(inner));
  return { spec: { command: 'cat "$INNER" > $OUTPUT', expand: 1, ...more }, env: { INNER: file } };
}

const pass = { pass: "INNER" };
const inner = planOf({
  one: "echo one > $OUTPUT",
  two: "echo two > $OUTPUT",
  result: ["cat inputs/one inputs/two > $OUTPUT", "one", "two"],
});

test("the tasks of the plan that a task wrote join the run, and its result is the task's output", async (t) => {
  const rig = await openRig(t);
  const { spec, env } = expander(rig, inner);
  const plan = planOf(
    { grow: [spec], after: ["cat inputs/grow > $OUTPUT; echo after >> $OUTPUT", "grow"] },
    { grow: pass },
  );
  const told = await rig.run(plan, { callerEnv: env, jobs: 1 });
  assert.equal(told.status, "done");
  assert.equal(await rig.text(plan, "after"), "one\ntwo\nafter\n");
  assert.deepEqual(
    told.of("task.expanded").map(({ task, tasks, due }) => ({ task, tasks, due })),
    [{ task: "grow", tasks: 3, due: 3 }],
  );
  assert.deepEqual([...told.ranTasks].sort(), ["after", "grow", "grow/one", "grow/result", "grow/two"]);
  assert.deepEqual(told.counts, { ran: 5, same: 0, reused: 0, failed: 0, notStarted: 0 });
  assert.equal(told.tasks, 5);
  const success = (await rig.record.successes([outputOf(plan, "grow")])).get(outputOf(plan, "grow"));
  assert.ok(success?.aliasOf !== undefined, "an alias of the result");

  const again = await rig.run(plan, { callerEnv: env });
  assert.deepEqual(again.counts, { ran: 0, same: 0, reused: 2, failed: 0, notStarted: 0 });
  assert.deepEqual(again.of("task.expanded"), [], "a re-run does not walk what it wrote");
});

test("its plan may use the inputs of the task by the IDs in $INPUT_IDS", async (t) => {
  const rig = await openRig(t);
  const a = { command: "echo data > $OUTPUT" };
  const dag = new Dag();
  const source = new Dag().task("a", a);
  dag.task("result", { command: "cat inputs/a > $OUTPUT; echo inner >> $OUTPUT" }).after(source);
  const { spec, env } = expander(rig, dag.encode(), {
    command:
      'printf %s "$INPUT_IDS" > $HOME/ids; test "$(cat $HOME/ids)" = "$WANTED" && cat "$INNER" > $OUTPUT',
  });
  const plan = planOf({ a: [a], grow: [spec, "a"] }, { grow: { pass: ["INNER", "WANTED"] } });
  const wanted = Buffer.from(encode({ a: idOf(a, {}) })).toString();
  const told = await rig.run(plan, { callerEnv: { ...env, WANTED: wanted } });
  assert.equal(told.status, "done");
  assert.equal(await rig.text(plan, "grow"), "data\ninner\n");
});

test("a folder with plan.dag and sources brings its code along", async (t) => {
  const rig = await openRig(t);
  const code = "echo from code\n";
  const sha256 = hash("sha256", code);
  const made = join(rig.dir, "made");
  mkdirSync(join(made, "sources"), { recursive: true });
  writeFileSync(join(made, "sources", sha256), code);
  const plan = planOf({ result: [{ command: "sh code.sh > $OUTPUT", files: { "code.sh": sha256 } }] });
  writeFileSync(join(made, "plan.dag"), bencodePlan(plan));
  const outer = planOf({ grow: [{ command: 'cp -r "$INNER" $OUTPUT', expand: 1 }] }, { grow: pass });
  await rig.run(outer, { callerEnv: { INNER: made } });
  assert.equal(await rig.text(outer, "grow"), "from code\n");
});

test("plans nest, and one slot is enough for any depth", async (t) => {
  const rig = await openRig(t);
  let plan = planOf({ result: "echo deep > $OUTPUT" });
  const env: Record<string, string> = {};
  for (let depth = 0; depth < 5; depth++) {
    const name = `INNER${depth}`;
    env[name] = join(rig.dir, name);
    writeFileSync(env[name]!, bencodePlan(plan));
    const dag = new Dag();
    dag.task("result", { command: `cat "$${name}" > $OUTPUT`, expand: 1 }, { pass: "INNER*" });
    plan = dag.encode();
  }
  const shallow = await rig.run(plan, { callerEnv: env, jobs: 1, maxDepth: 3 });
  assert.equal(shallow.status, "failed");
  assert.match(shallow.failures[0]!.failure.message, /lies in 3 plans/);
  assert.match(shallow.failures[0]!.failure.hint ?? "", /maxDepth/);
  const told = await rig.run(plan, { callerEnv: env, jobs: 1 });
  assert.equal(told.status, "done");
  assert.equal(await rig.text(plan, "result"), "deep\n");
});

test("what failed in it is told by its name, and a resumed run neither expands again nor repeats what is done", async (t) => {
  const rig = await openRig(t);
  const flag = join(rig.dir, "flag");
  const dag = new Dag();
  const good = dag.task("good", { command: "echo good > $OUTPUT" });
  const bad = dag.task("bad", { command: 'test -e "$FLAG" && echo bad > $OUTPUT' }, { pass: "FLAG" });
  dag.task("result", { command: "cat inputs/* > $OUTPUT" }).after(good, bad);
  const { spec, env } = expander(rig, dag.encode());
  const plan = planOf({ grow: [spec], after: ["cat inputs/grow > $OUTPUT", "grow"] }, { grow: pass });
  const callerEnv = { ...env, FLAG: flag };
  const told = await rig.run(plan, { callerEnv, keepGoing: true });
  assert.deepEqual(
    told.failures.map(({ task }) => task),
    ["grow/bad", "grow"],
  );
  assert.match(told.failures[1]!.failure.message, /grow\/bad of the plan it wrote/);
  assert.equal((await rig.record.successes([outputOf(plan, "grow")])).size, 0);
  writeFileSync(flag, "");
  const again = await rig.run(plan, { callerEnv });
  assert.deepEqual([...again.ranTasks].sort(), ["after", "grow/bad", "grow/result"]);
  assert.equal(again.status, "done");
});

test("an expander that reads the same under another name does not expand again, and its tasks are reused", async (t) => {
  const rig = await openRig(t);
  const { spec, env } = expander(rig, inner);
  const make = (comment: string) =>
    planOf({ a: `echo one > $OUTPUT # ${comment}`, grow: [spec, "a"] }, { grow: pass });
  await rig.run(make("first"), { callerEnv: env });
  const told = await rig.run(make("second"), { callerEnv: env });
  assert.deepEqual(told.ranTasks, ["a"]);
  assert.equal(await rig.text(make("second"), "grow"), "one\ntwo\n");
});

test("of many children one is changed: the expander, that child and the gathering run", async (t) => {
  const rig = await openRig(t);
  const count = process.env["ALAMODE_LONG"] ? 1000 : 40;
  const fan = (changed: string) => {
    const dag = new Dag();
    const children = Array.from({ length: count }, (_, n) =>
      dag.task(`t${n}`, { command: `echo ${n === 7 ? changed : n} > $OUTPUT` }),
    );
    dag.task("result", { command: "cat inputs/* > $OUTPUT" }).after(...children);
    return dag.encode();
  };
  const first = expander(rig, fan("x"), { env: { VERSION: "1" } });
  await rig.run(planOf({ grow: [first.spec] }, { grow: pass }), { callerEnv: first.env });
  const second = expander(rig, fan("y"), { env: { VERSION: "2" } });
  const told = await rig.run(planOf({ grow: [second.spec] }, { grow: pass }), { callerEnv: second.env });
  assert.deepEqual([...told.ranTasks].sort(), ["grow", "grow/result", "grow/t7"]);
  assert.deepEqual(told.counts, { ran: 3, same: 0, reused: count - 1, failed: 0, notStarted: 0 });
});

test("when the result's bytes are gone the expander's are too, and only what is missing is made again", async (t) => {
  const rig = await openRig(t);
  const { spec, env } = expander(rig, inner);
  const plan = planOf({ grow: [spec] }, { grow: pass });
  await rig.run(plan, { callerEnv: env });
  await removeTree(await rig.place(plan, "grow"));
  const told = await rig.run(plan, { callerEnv: env });
  assert.deepEqual(told.ranTasks, ["grow/result"]);
  assert.equal(await rig.text(plan, "grow"), "one\ntwo\n");
});

for (const [what, bytes, said] of [
  ["what is no plan", Buffer.from("hello"), /inner|plan|bencode/i],
  ["several goals without a result", bencodePlan(planOf({ a: "1", b: "2" })), /2 goals and no task "result"/],
  ["no task at all", bencodePlan(planOf({})), /no task/],
] as const) {
  test(`${what} is refused as a failure of the task that wrote it`, async (t) => {
    const rig = await openRig(t);
    const file = join(rig.dir, "inner.dag");
    writeFileSync(file, bytes);
    const told = await rig.run(
      planOf({ grow: [{ command: 'cat "$INNER" > $OUTPUT', expand: 1 }] }, { grow: pass }),
      { callerEnv: { INNER: file } },
    );
    assert.equal(told.status, "failed");
    assert.match(told.failures[0]!.failure.message, said);
  });
}

test("a plan that holds the very task it comes from is refused, instead of going on for ever", async (t) => {
  const rig = await openRig(t);
  const spec = { command: 'cat "$INNER" > $OUTPUT', expand: 1 };
  const plan = planOf({ grow: [spec] }, { grow: pass });
  const file = join(rig.dir, "inner.dag");
  writeFileSync(file, bencodePlan(plan));
  const told = await rig.run(plan, { callerEnv: { INNER: file } });
  assert.match(told.failures[0]!.failure.message, /the task that it comes from/);
  const output: OutputId = outputOf(plan, "grow");
  assert.equal((await rig.record.successes([output])).size, 0);
});

test("plans that share a task make it once, and those who come later wait for it", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const shared = { command: `${gate.command()}; echo shared > $OUTPUT` };
  const env: Record<string, string> = {};
  for (const name of ["LEFT", "RIGHT"]) {
    const dag = new Dag();
    dag
      .task("result", { command: `cat inputs/shared > $OUTPUT; echo ${name} >> $OUTPUT` })
      .after(dag.task("shared", shared));
    env[name] = join(rig.dir, name);
    writeFileSync(env[name]!, bencodePlan(dag.encode()));
  }
  const plan = planOf(
    {
      left: [{ command: 'cat "$LEFT" > $OUTPUT', expand: 1 }],
      right: [{ command: 'cat "$RIGHT" > $OUTPUT', expand: 1 }],
    },
    { left: { pass: "LEFT" }, right: { pass: "RIGHT" } },
  );
  const running = rig.run(plan, { callerEnv: env, jobs: 3 });
  await gate.reached();
  await gate.open();
  const told = await running;
  assert.equal(told.status, "done");
  assert.equal(told.ranTasks.filter((task) => task.endsWith("/shared")).length, 1);
  assert.deepEqual(told.of("task.waiting"), [], "waiting for oneself is nothing to tell");
  assert.equal(await rig.text(plan, "right"), "shared\nRIGHT\n");
});

test("the tasks of a plan that was written use all the jobs there may be", async (t) => {
  const rig = await openRig(t);
  const gates = [rig.gate("one"), rig.gate("two"), rig.gate("three")];
  const dag = new Dag();
  const all = gates.map((gate, n) => dag.task(`t${n}`, { command: `${gate.command()}; echo > $OUTPUT` }));
  dag.task("result", { command: "echo > $OUTPUT" }).after(...all);
  const { spec, env } = expander(rig, dag.encode());
  const running = rig.run(planOf({ grow: [spec] }, { grow: pass }), { callerEnv: env, jobs: 3 });
  await Promise.all(gates.map((gate) => gate.reached())); // all three at once
  for (const gate of gates) await gate.open();
  assert.equal((await running).status, "done");
});

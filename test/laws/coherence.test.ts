// Small cases that random histories found: what a run reads is what stands, and is of one generation.
import assert from "node:assert/strict";
import { chmodSync, utimesSync, writeFileSync } from "node:fs";
import test from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { removeTree } from "../../src/store/remove.ts";
import { openRig, outputOf, planOf, type Rig } from "../engine/rig.ts";

const planted = { command: "echo $TICK > $OUTPUT" };
const pass = { j: { pass: ["TICK"] } };
const tick = (value: number) => ({ callerEnv: { TICK: String(value) }, jobs: 1 });

async function stateOf(rig: Rig, output: ReturnType<typeof outputOf>) {
  const [newest] = await rig.record.history(output);
  return `${newest?.state} ${newest?.stale ? "stale" : "valid"}`;
}

test("what is due below a task that is forced reads what stands for it, and not what it made beside that", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ j: [planted], below: ["cat inputs/j > $OUTPUT", "j"] }, pass);
  await rig.run(plan, { ...tick(1), goals: ["j"] });
  const told = await rig.run(plan, { ...tick(2), goals: ["j", "below"], force: ["j"] });
  assert.deepEqual(told.ranTasks, ["j", "below"]);
  assert.equal(await rig.text(plan, "below"), "1\n");
  assert.equal(await stateOf(rig, outputOf(plan, "below")), "current valid");
});

test("what became stale in this very run is made again before anything reads it beside the new", async (t) => {
  const rig = await openRig(t);
  const make = (comment: string) =>
    planOf(
      {
        j: [planted],
        i: ["cat inputs/j > $OUTPUT", "j"],
        x: [`cat inputs/* > $OUTPUT # ${comment}`, "i", "j"],
      },
      pass,
    );
  await rig.run(make("first"), tick(1));
  await removeTree(await rig.place(make("first"), "j"));
  const plan = make("second");
  const told = await rig.run(plan, tick(2));
  assert.deepEqual(told.ranTasks, ["j", "i", "x"]);
  assert.equal(await rig.text(plan, "x"), "2\n2\n");
  assert.equal(await stateOf(rig, outputOf(plan, "x")), "current valid");
});

test("any number of changed inputs of one task are made again at once", async (t) => {
  const rig = await openRig(t);
  const names = ["a", "b", "c", "d", "e", "f"];
  const above = Object.fromEntries(names.map((name) => [name, `echo ${name} > $OUTPUT`]));
  const make = (comment: string) =>
    planOf({ ...above, all: [`cat inputs/* > $OUTPUT # ${comment}`, ...names] });
  await rig.run(make("first"));
  for (const name of names) {
    const place = await rig.place(make("first"), name);
    chmodSync(place, 0o644);
    writeFileSync(place, "?\n");
    utimesSync(place, 1, 1);
  }
  const told = await rig.run(make("second"));
  assert.equal(told.status, "done");
  assert.deepEqual(told.ranTasks.toSorted(), [...names, "all"].toSorted());
  assert.equal(await rig.text(make("second"), "all"), "a\nb\nc\nd\ne\nf\n");
});

test("bytes that are found changed and stand elsewhere too are told as the same", async (t) => {
  const rig = await openRig(t);
  const make = (comment: string) =>
    planOf({ a: "echo a > $OUTPUT", b: [`cat inputs/a > $OUTPUT # ${comment}`, "a"] });
  await rig.run(make("first"));
  await rig.run(make("first"), { goals: ["a"], force: ["a"] });
  const place = await rig.place(make("first"), "a");
  chmodSync(place, 0o644);
  writeFileSync(place, "?\n");
  utimesSync(place, 1, 1);
  const told = await rig.run(make("second"));
  assert.deepEqual(told.counts, { ran: 1, same: 1, reused: 0, failed: 0, notStarted: 0 });
  assert.deepEqual(
    told.of("task.same").map(({ task }) => task),
    ["a"],
  );
});

test("status tells what --force would run, and why", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "echo a > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
  await rig.run(plan);
  const { due } = await rig.status(plan, { goals: ["b"], force: ["b"] });
  assert.deepEqual(
    due.map(({ task, reasons }) => [task, reasons]),
    [["b", [{ kind: "forced" }]]],
  );
});

test("of tasks that come to the same, only the first runs, however few run at once", async (t) => {
  const rig = await openRig(t);
  const dag = new Dag();
  for (const side of ["left", "right"]) {
    const raw = dag.task(side, { command: `echo one > $OUTPUT # ${side}` });
    dag.task(`fit-${side}`, { command: "cat inputs/raw > $OUTPUT; echo fit >> $OUTPUT" }).after({ raw });
  }
  const told = await rig.run(dag.encode(), { jobs: 1 });
  assert.equal(told.counts.ran, 3);
  assert.equal(told.counts.same, 1);
});

test("where only another output is shown to people, nobody's bytes are there", async (t) => {
  const rig = await openRig(t);
  // Of j and k, o and p make the same whenever j is 2.
  const make = (comment: number) => {
    const dag = new Dag();
    const j = dag.task("j", planted, pass.j);
    const k = dag.task("k", { command: "echo 2 > $OUTPUT" });
    const o = dag.task("o", { command: "cat inputs/raw > $OUTPUT" }).after({ raw: j });
    dag.task("p", { command: "cat inputs/raw > $OUTPUT" }).after({ raw: k });
    dag.task("x", { command: `cat inputs/o > $OUTPUT # ${comment}` }).after(o);
    return dag.encode();
  };
  let comment = 0;
  const remake = async (value: number) => {
    await removeTree(await rig.place(make(0), "j"));
    await rig.run(make(0), { ...tick(value), goals: ["j"] });
    return rig.run(make(++comment), { ...tick(value), goals: ["x"] });
  };
  await rig.run(make(0), tick(1));
  const first = await rig.place(make(0), "o");
  await remake(2); // o stands on p's bytes
  await removeTree(first);
  await remake(3); // o has a new tree, at a location of its own
  await remake(2); // and p's again, which o's folder shows now, where its first tree was
  const told = await remake(1);
  assert.deepEqual(told.ranTasks, ["o", "x"]);
  assert.equal(await rig.text(make(comment), "x"), "1\n");
  assert.equal(await rig.text(make(comment), "o"), "1\n");
});

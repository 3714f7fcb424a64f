// Plans that are not self-contained, or not ours: external inputs, single steps, the reference's plan files.
import assert from "node:assert/strict";
import { unlinkSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { decodePlan, loadPlan } from "../../src/plan/load.ts";
import { openRig, outputOf, planOf } from "./rig.ts";

const upstream = new Dag();
const orders = upstream.task("orders", { command: "echo orders > $OUTPUT" });
const downstream = new Dag();
downstream.task("join", { command: "cat inputs/orders > $OUTPUT" }).after(orders);
downstream.task("other", { command: "echo other > $OUTPUT" });

test("an input of another pipeline is used where the record holds it", async (t) => {
  const rig = await openRig(t);
  await rig.run(upstream.encode());
  const plan = downstream.encode();
  const { status, counts, of } = await rig.run(plan);
  assert.deepEqual([status, counts.ran], ["done", 2]);
  assert.equal(await rig.text(plan, "join"), "orders\n");
  assert.deepEqual(of("task.reused"), [], "what is not of this plan is not told as a task of it");
});

test("an input that no record holds is told before anything runs, with who needs it", async (t) => {
  const rig = await openRig(t);
  const plan = downstream.encode();
  await assert.rejects(rig.run(plan), {
    code: "external-missing",
    message: `input "orders" of task "join" is output ${outputOf(upstream.encode(), "orders").slice(0, 8)}, which no task of this plan makes and no record holds.`,
    hint: "Run the pipeline that makes it first, or point --record at the one that did.",
  });
  assert.deepEqual(await rig.record.runs(9), []);
  assert.equal((await rig.run(plan, { goals: ["other"] })).status, "done");
});

test("an input of another pipeline whose bytes are gone is told as that", async (t) => {
  const rig = await openRig(t);
  await rig.run(upstream.encode());
  unlinkSync(await rig.place(upstream.encode(), "orders"));
  await assert.rejects(rig.run(downstream.encode()), {
    code: "external-missing",
    message: /, which no task of this plan makes and is gone from the store\.$/,
  });
});

const steps = planOf({
  a: "echo a > $OUTPUT",
  b: ["cat inputs/a > $OUTPUT", "a"],
  c: ["cat inputs/b > $OUTPUT", "b"],
});

test("only: a step is taken alone, once its inputs are done, and is idempotent", async (t) => {
  const rig = await openRig(t);
  await assert.rejects(rig.run(steps, { goals: ["b"], only: true }), {
    code: "input-not-done",
    message: 'task "b" needs a, not made yet',
  });
  for (const task of ["a", "b", "c"]) {
    assert.deepEqual((await rig.run(steps, { goals: [task], only: true })).ranTasks, [task]);
    assert.deepEqual((await rig.run(steps, { goals: [task], only: true })).ranTasks, []);
  }
  assert.equal((await rig.run(steps)).counts.reused, 3);
});

test("an unknown goal is told with the one that is near", async (t) => {
  const rig = await openRig(t);
  await assert.rejects(rig.run(planOf({ blur: "true" }), { goals: ["blurr"] }), { code: "unknown-task" });
});

test("goals limit what runs, and a run for nothing is done", async (t) => {
  const rig = await openRig(t);
  assert.deepEqual((await rig.run(steps, { goals: ["b"] })).ranTasks, ["a", "b"]);
  const empty = await rig.run(planOf({}));
  assert.deepEqual([empty.status, empty.tasks], ["done", 0]);
});

test("a run tells in order: started, what is reused, what runs, finished, with the counts", async (t) => {
  const rig = await openRig(t);
  await rig.run(steps, { goals: ["a"] });
  const { events, run, number } = await rig.run(steps);
  assert.deepEqual(
    events.map(({ event }) => event),
    ["run.started", "task.reused", "task.started", "task.ran", "task.started", "task.ran", "run.finished"],
  );
  const [started] = events;
  assert.ok(started?.event === "run.started");
  assert.deepEqual([started.run, started.number, started.tasks, started.due], [run, number, 3, 2]);
  const noted = await rig.record.run(run);
  assert.deepEqual([noted!.status, noted!.counts.ran, noted!.counts.reused], ["done", 2, 1]);
});

test("a plan that the reference wrote runs as it is", async (t) => {
  const rig = await openRig(t);
  const { vectors } = JSON.parse(
    await readFile(join(import.meta.dirname, "../compat/reference.json"), "utf8"),
  );
  const readme = vectors.find(({ name }: { name: string }) => name === "readme");
  const plan = decodePlan(Buffer.from(readme.plan, "base64"), "readme.dag");
  // The programs it names: one that says what it was called for, and with which inputs.
  const python = '#!/bin/sh\n(echo "$@"; ls inputs) > "$OUTPUT"\n';
  writeFileSync(join(rig.dir, "python"), python, { mode: 0o755 });
  const path = `${rig.dir}:/usr/bin:/bin`;
  const { ranTasks, status, run } = await rig.run(plan, { path, jobs: 1 });
  assert.equal(status, "done");
  assert.deepEqual(ranTasks, ["download_images", "blur", "edge_enhance", "collage"]);
  assert.equal(await rig.text(plan, "collage"), "collage.py\nblur\nedge_enhance\n");
  for (const execution of await rig.record.executionsOf(run)) {
    assert.equal(execution.output, readme.outputs[execution.task]);
  }
  assert.equal((await rig.run(plan, { path })).counts.reused, 4);
});

test("a .dag file that the reference wrote, with real commands, runs as it is and is then a no-op", async (t) => {
  const rig = await openRig(t);
  const plan = await loadPlan(join(import.meta.dirname, "../compat/reference-run.dag"));
  assert.deepEqual([(await rig.run(plan)).counts.ran, (await rig.run(plan)).counts.ran], [4, 0]);
  const made = join(await rig.place(plan, "together"), "all.txt");
  assert.equal(await readFile(made, "utf8"), "hello, world\nHELLO, WORLD\n");
});

test("status refuses what a run would refuse: an input that nobody made", async (t) => {
  const rig = await openRig(t);
  await assert.rejects(rig.status(downstream.encode()), { code: "external-missing" });
});

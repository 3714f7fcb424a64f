// Promise 3: of runs that need one output, one makes it; the others wait, reuse it, and take over from the dead.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import type { Plan } from "../../src/plan/types.ts";
import { otherRun } from "./other-run.ts";
import { alive, openRig, outputOf, planOf, type Rig } from "./rig.ts";

/** A command that counts how often it is run, in a file of its own. */
const counted = (rig: Rig, name: string) => `echo x >> '${rig.dir}/${name}.count'; echo ${name} > $OUTPUT`;
const countOf = (rig: Rig, name: string) => {
  const file = join(rig.dir, `${name}.count`);
  return existsSync(file) ? readFileSync(file, "utf8").length / 2 : 0;
};

function wide(rig: Rig, names: readonly string[], goal: string): Plan {
  const tasks = Object.fromEntries(names.map((name) => [name, counted(rig, name)]));
  return planOf({ ...tasks, [goal]: [counted(rig, goal), ...names] });
}

test("two tasks of one plan with the same ID run once, and are two tasks all the same", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    one: counted(rig, "same"),
    two: counted(rig, "same"),
    end: ["cat inputs/* > $OUTPUT", "one", "two"],
  });
  const first = await rig.run(plan);
  assert.equal(countOf(rig, "same"), 1);
  assert.deepEqual([first.tasks, first.counts.ran, first.counts.reused], [3, 2, 1]);
  assert.equal(await first.path("one"), await first.path("two"));
  assert.equal((await rig.run(plan)).counts.reused, 3);
});

test("two tasks with the same ID fail both", async (t) => {
  const rig = await openRig(t);
  const { counts } = await rig.run(planOf({ one: "exit 3", two: "exit 3" }));
  assert.deepEqual(counts, { ran: 0, same: 0, reused: 0, failed: 2, notStarted: 0 });
});

test("two runs at once in one process make each output once", async (t) => {
  const rig = await openRig(t);
  const names = ["a", "b", "c", "d", "e", "f"];
  const plan = wide(rig, names, "end");
  const [one, two] = await Promise.all([rig.run(plan), rig.run(plan)]);
  assert.deepEqual([one.status, two.status], ["done", "done"]);
  assert.equal(one.counts.ran + two.counts.ran, 7);
  for (const name of [...names, "end"]) assert.equal(countOf(rig, name), 1);
});

test("two processes with one plan, and with plans that share tasks, make each output once", async (t) => {
  const rig = await openRig(t);
  const shared = ["a", "b", "c", "d"];
  const runs = [
    otherRun(t, rig, wide(rig, shared, "end")),
    otherRun(t, rig, wide(rig, shared, "end")),
    otherRun(t, rig, wide(rig, [...shared, "more"], "other")),
  ];
  const results = await Promise.all(runs.map(({ over }) => over));
  assert.deepEqual(
    results.map(({ status }) => status),
    ["done", "done", "done"],
  );
  for (const name of [...shared, "end", "more", "other"]) assert.equal(countOf(rig, name), 1, name);
  assert.equal(runs.flatMap(({ ran }) => ran).length, 7);
});

test("who waits for another says so, and reuses what that one makes", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const plan = planOf({ slow: `${gate.command()}; echo x > $OUTPUT` });
  const maker = otherRun(t, rig, plan);
  await gate.reached();
  const waiter = otherRun(t, rig, plan);
  const { holder } = await waiter.tells("task.waiting");
  assert.equal(holder.run, (await maker.tells("run.started")).run);
  assert.equal(holder.pid, maker.pid);
  await gate.open();
  const [made, reused] = await Promise.all([maker.over, waiter.over]);
  assert.deepEqual([made.counts.ran, reused.counts.ran, reused.counts.reused], [1, 0, 1]);
});

test("a failure there is taken over by those who waited; their own retries are theirs", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const command = `echo x >> '${rig.dir}/tries'; ${gate.command()}; echo why; exit 3`;
  const plan = planOf({ bad: command });
  const maker = otherRun(t, rig, plan);
  await gate.reached();
  const waiter = otherRun(t, rig, plan);
  const retrying = otherRun(t, rig, planOf({ bad: command }, { bad: { retries: 1, backoff: "1ms" } }));
  await Promise.all([waiter.tells("task.waiting"), retrying.tells("task.waiting")]);
  await gate.open();
  const makerRun = (await maker.tells("run.started")).run;
  const taken = await waiter.over;
  assert.equal(taken.status, "failed");
  const { failure } = taken.failures[0]!;
  assert.deepEqual([failure.message, failure.failedIn, failure.logTail], ["exit 3", makerRun, ["why"]]);
  await gate.reached(); // the second attempt of the one that has one
  await gate.open();
  const tried = await retrying.over;
  assert.deepEqual([tried.failures[0]!.failure.attempt, tried.failures[0]!.failure.attempts], [2, 2]);
  assert.equal(readFileSync(join(rig.dir, "tries"), "utf8"), "x\nx\n");
});

test("an interruption there is not taken over: one of those who waited makes it", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const plan = planOf({ slow: `${gate.command()}; echo x > $OUTPUT` });
  const stop = new AbortController();
  const maker = rig.run(plan, { signal: stop.signal });
  await gate.reached();
  const waiter = otherRun(t, rig, plan);
  await waiter.tells("task.waiting");
  stop.abort();
  assert.equal((await maker).status, "interrupted");
  await gate.reached();
  await gate.open();
  assert.deepEqual((await waiter.over).counts.ran, 1);
});

const unshare = ["unshare", "--pid", "--fork", "--kill-child"];
const canUnshare = spawnSync(unshare[0]!, [...unshare.slice(1), "true"]).status === 0;

for (const [where, prefix] of [
  ["", []],
  [" in a process-id namespace of its own", unshare],
] as const) {
  test(`the maker${where} is killed: the waiter takes over at once, when nothing of the dead one is left`, {
    skip: prefix.length > 0 && !canUnshare ? "process-id namespaces cannot be made here" : false,
  }, async (t) => {
    const rig = await openRig(t);
    const gate = rig.gate("gate");
    // In its second life it looks whether the first one's process is gone (numbers of another namespace say nothing).
    const gone = `state=$(sed -n 's/^State:.\\(.\\).*/\\1/p' /proc/$(cat '${rig.dir}/first')/status || echo X)`;
    const look = prefix.length === 0 ? `${gone}; test "$state" = X -o "$state" = Z` : "true";
    const first = `echo $$ > '${rig.dir}/first'; ${gate.command("$$")}; sleep 1000 & wait`;
    const plan = planOf({
      slow: `if test -e '${rig.dir}/again'; then ${look}; else ${first}; fi; echo made > $OUTPUT`,
    });
    const maker = otherRun(t, rig, plan, {}, prefix);
    const pid = Number(await gate.reached());
    await gate.open();
    const waiter = otherRun(t, rig, plan);
    await waiter.tells("task.waiting");
    writeFileSync(join(rig.dir, "again"), "");
    await maker.kill();
    const { counts, status } = await waiter.over;
    assert.deepEqual([status, counts.ran], ["done", 1]);
    if (prefix.length === 0) assert.ok(!alive(pid));
    const [execution, dead] = await rig.record.executions(outputOf(plan, "slow"));
    assert.equal(execution!.outcome, "success");
    assert.equal(dead!.failure!.kind, "abandoned");
  });
}

test("what dead runs left in the scratch area goes with the next run", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const maker = otherRun(t, rig, planOf({ slow: `echo half > $OUTPUT; ${gate.command()}; sleep 1000` }));
  await gate.reached();
  const { run } = await maker.tells("run.started");
  assert.ok(existsSync(join(rig.store.scratchDir, run)));
  await maker.kill();
  // Its task may live for a moment yet, and then its folder does too.
  for (let n = 0; existsSync(join(rig.store.scratchDir, run)); n++)
    await rig.run(planOf({ other: `echo ${n} > $OUTPUT` }));
  assert.equal((await rig.record.run(run))!.status, "abandoned");
});

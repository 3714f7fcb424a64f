// If the engine dies, its tasks die; if the supervisor dies, the run goes on and has another.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { otherRun } from "./other-run.ts";
import { alive, openRig, planOf, until } from "./rig.ts";

const linux = process.platform === "linux";

/** Pids of the supervisors of a run. */
function supervisorsOf(run: string): number[] {
  return readdirSync("/proc")
    .filter((name) => {
      if (!/^\d+$/.test(name)) return false;
      try {
        const argv = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
        return argv.includes("alamode-supervisor") && argv.includes(run);
      } catch {
        return false;
      }
    })
    .map(Number);
}

test("the engine is killed: its tasks end, those in sessions of their own too, and its supervisor", {
  skip: !linux && "needs /proc",
}, async (t) => {
  const rig = await openRig(t);
  const [plain, session] = [rig.gate("plain"), rig.gate("session")];
  const stubborn = "trap '' TERM HUP INT";
  const other = otherRun(
    t,
    rig,
    planOf({
      plain: `${stubborn}; ${plain.command("$$")}; sleep 1000 & wait`,
      session: `mkfifo on; setsid sh -c '${stubborn}; echo $$ > on; exec sleep 1000' & read pid < on; ${session.command("$pid")}; wait`,
    }),
  );
  const pids = await Promise.all([plain.reached(), session.reached()]);
  await Promise.all([plain.open(), session.open()]);
  const { run } = await other.tells("run.started");
  const [supervisor, ...more] = supervisorsOf(run);
  assert.ok(supervisor && more.length === 0);
  await other.kill();
  await until(() => pids.every((pid) => !alive(Number(pid))));
  await until(() => !alive(supervisor));
});

test("a task that has ended is of no concern to the supervisor any more", {
  skip: !linux && "needs /proc",
}, async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const running = rig.run(planOf({ a: "echo x > $OUTPUT", b: [`${gate.command()}; echo x > $OUTPUT`, "a"] }));
  await gate.reached();
  await gate.open();
  const { run, status } = await running;
  assert.equal(status, "done");
  assert.deepEqual(supervisorsOf(run), []);
});

test("the supervisor is killed: the run goes on, and a new one guards what runs and what comes", {
  skip: !linux && "needs /proc",
}, async (t) => {
  const rig = await openRig(t);
  const [first, long, last] = [rig.gate("first"), rig.gate("long"), rig.gate("last")];
  const other = otherRun(
    t,
    rig,
    planOf({
      a_long: `${long.command("$$")}; sleep 1000 & wait`,
      b_first: `${first.command()}; echo x > $OUTPUT`,
      c_last: [`${last.command("$$")}; sleep 1000 & wait`, "b_first"],
    }),
  );
  const longPid = Number(await long.reached());
  await first.reached();
  const { run } = await other.tells("run.started");
  const [supervisor] = supervisorsOf(run);
  process.kill(supervisor!, "SIGKILL");
  await until(() => !alive(supervisor!));
  await first.open();
  const lastPid = Number(await last.reached());
  assert.deepEqual(other.ran, ["b_first"]);
  const [second, ...more] = supervisorsOf(run).filter((pid) => pid !== supervisor);
  assert.ok(second !== undefined && more.length === 0);
  await Promise.all([long.open(), last.open()]);
  await other.kill();
  await until(() => !alive(longPid) && !alive(lastPid) && !alive(second));
});

test("stopped gently: TERM first; at a second request, KILL at once; and the run says it was interrupted", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const [stop, kill] = [new AbortController(), new AbortController()];
  const plan = planOf({
    a: `trap 'echo heard; ${gate.command()}' TERM; ${gate.command()}; while :; do sleep 1000 & wait; done`,
    b: ["true", "a"],
  });
  const running = rig.run(plan, { signal: stop.signal, kill: kill.signal });
  await gate.reached();
  await gate.open();
  stop.abort();
  await gate.reached(); // the trap
  kill.abort();
  const { status, counts, failures, of } = await running;
  assert.equal(status, "interrupted");
  assert.deepEqual([counts.failed, counts.notStarted], [0, 2]);
  assert.deepEqual([failures[0]!.failure.kind, failures[0]!.failure.message], ["interrupted", "was stopped"]);
  assert.deepEqual(failures[0]!.failure.logTail, ["heard"]);
  assert.deepEqual(
    of("task.notStarted").map(({ task }) => task),
    ["b"],
  );
});

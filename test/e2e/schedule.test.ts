// Backfills and schedules, as typed: what is missing is made once, however many look and whoever is killed meanwhile.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { RunningCli } from "../cli-runner.ts";
import { eventsOf, jsonLines, type Project, project } from "./project.ts";

/** Tasks write which of them ran for which date into a journal. */
function daily(meta: string, body = ""): string {
  return `import { bash, Dag, day, time, flag, pipeline } from "a-la-mode";
const journal = import.meta.dirname + "/journal";
export default pipeline({ date: ${meta.includes("* * * *") ? "time()" : "day()"}, loud: flag() }, ({ date, loud }) => {
  const dag = new Dag({ name: "daily", ${meta} });
  const base = dag.task("base", bash\`echo base >> \${journal}; echo base > $OUTPUT\`);
  const load = dag.task("load", bash\`echo load \${date} >> \${journal}; cat \${base} > $OUTPUT; echo \${date} >> $OUTPUT\`);
  dag.task("sum", bash\`wc -l < \${load} > $OUTPUT\`);
  ${body}
  return dag;
});
`;
}

function journal(here: Project): string[] {
  const path = join(here.dir, "journal");
  return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
}

/** Ends it at once; what it started holds its output open, and goes on. */
async function killed({ child }: RunningCli): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

test("a backfill makes what is missing, a run for each slot, and nothing twice", async (t) => {
  const here = project(t, { "pipeline.ts": daily('schedule: "@daily"') });
  await here.done(["run", "--date", "2026-11-03"]);
  const status = await here.done(["status", "--date", "2026-11-01..2026-11-04"]);
  assert.match(status, /^2026-11-02 {2}2 of 3 tasks are due$/m);
  assert.match(status, /^2026-11-03 {2}all 3 tasks are done$/m);
  const printed = await here.done(["run", "--date", "2026-11-01..2026-11-06", "--jobs", "3"]);
  assert.match(printed, /^6 slots: 6 done; 18 tasks: 10 ran, (\d+ same, )?\d+ reused, 0 failed, /m);
  const loads = journal(here).filter((line) => line.startsWith("load"));
  assert.deepEqual(
    loads.sort(),
    [1, 2, 3, 4, 5, 6].map((day) => `load 2026-11-0${day}`),
  );
  assert.equal(journal(here).filter((line) => line === "base").length, 1, "what all share is made once");
  const runs = jsonLines(await here.done(["runs", "--json"]));
  const dates = runs.map(({ params }) => (params as { date: string }).date);
  assert.deepEqual(
    dates.slice(0, 6).sort(),
    [1, 2, 3, 4, 5, 6].map((day) => `2026-11-0${day}`),
  );
  const again = await here.done(["run", "--date", "2026-11-01..2026-11-06", "--json"]);
  assert.equal(eventsOf(again, "task.ran").length, 0);
  assert.equal(eventsOf(again, "run.finished").length, 6);
  assert.deepEqual(new Set(eventsOf(again, "task.reused").map(({ date }) => date)).size, 6);
  assert.equal(eventsOf(again, "slots.finished")[0]?.["slots"], 6);
});

test("a backfill runs no more steps at once than --jobs says", async (t) => {
  const body = `dag.task("turn", bash\`exec 9> \${journal}.lock; flock -n 9 || { echo two at once >&2; exit 1; }; echo \${date} > $OUTPUT; for i in 1 2 3 4 5 6 7 8 9; do :; done\`);`;
  const here = project(t, { "pipeline.ts": daily('schedule: "@daily"', body) });
  await here.done(["run", "--date", "2026-11-01..2026-11-08", "--jobs", "1", "turn"]);
  here.write(
    "alamode.config.ts",
    'export default { pools: { turn: 1 }, options: { turn: { pool: "turn" } } };\n',
  );
  await here.done(["run", "--date", "2026-10-01..2026-10-08", "--jobs", "4", "turn"]);
});

test("a slot that fails is told with its date, and others are begun only with --keep-going", async (t) => {
  const body = `dag.task("check", bash\`test \${date} != 2026-11-02 || { echo no orders >&2; exit 3; }; echo > $OUTPUT\`);`;
  const here = project(t, { "pipeline.ts": daily('schedule: "@daily"', body) });
  const stopped = await here.alamode(["run", "--date", "2026-11-01..2026-11-05", "--jobs", "1"]);
  assert.equal(stopped.code, 1);
  assert.match(stopped.stdout, /^✗ 2026-11-02 check failed: exit 3/m);
  assert.match(stopped.stdout, /alamode log --date 2026-11-02 check/);
  assert.match(stopped.stdout, /^5 slots: 1 done, 1 failed, 3 not started; /m);
  const going = await here.alamode(["run", "--date", "2026-11-01..2026-11-05", "--keep-going"]);
  assert.equal(going.code, 1);
  assert.match(going.stdout, /^5 slots: 4 done, 1 failed; /m);
  assert.match(await here.done(["log", "--date", "2026-11-02", "check"]), /no orders/);
});

test("a backfill that was killed goes on where it was", async (t) => {
  // The fourth slot waits for the gate: three are done when it is killed.
  const body = `dag.task("gate", bash\`if test \${date} = 2026-11-04; then while test ! -e \${journal}.gate; do sleep 0.05; done; fi; echo gate \${date} >> \${journal}; echo > $OUTPUT\`).after(load);`;
  const here = project(t, { "pipeline.ts": daily('schedule: "@daily"', body) });
  const range = ["run", "--date", "2026-11-01..2026-11-06", "--jobs", "1"];
  const first = here.start(range);
  await first.prints("● 2026-11-03");
  await killed(first);
  here.write("journal.gate", "");
  const before = journal(here);
  assert.match(await here.done(range), /^6 slots: 6 done; /m);
  const all = journal(here);
  for (const day of [1, 2, 3]) {
    const line = `gate 2026-11-0${day}`;
    assert.ok(before.includes(line));
    assert.equal(all.filter((one) => one === line).length, 1, "not made again");
  }
});

/** Everything that was run by schedules: the dates of runs that have a slot and were done. */
async function doneSlots(here: Project): Promise<number[]> {
  const runs = jsonLines(await here.done(["runs", "--json", "--limit", "1000"]));
  return runs
    .filter(({ status }) => status === "done")
    .flatMap(({ scheduled }) =>
      scheduled === undefined ? [] : [(scheduled as { startsAt: number }).startsAt],
    )
    .sort((a, b) => a - b);
}

test("--once runs what is due and ends; a slot that was run is not due again", async (t) => {
  const here = project(t, { "pipeline.ts": daily('schedule: "@yearly"') });
  const year = new Date().getUTCFullYear() - 1;
  assert.match(
    await here.done(["schedule", "--once"]),
    new RegExp(`^● ${year}-01-01 {2}3 tasks: 3 ran`, "m"),
  );
  assert.match(
    await here.done(["schedule", "--once"]),
    /nothing is due; the next slot is complete at \d{4}-01-01T00:00:00Z/,
  );
  assert.equal((await doneSlots(here)).length, 1);
  assert.match(
    await here.done(["schedule", "--once", "-p", "loud"]),
    /● /,
    "other parameters are another series",
  );
  await here.done(["run", "--date", `${year - 1}-01-01`]);
  assert.equal((await doneSlots(here)).length, 2, "a run by hand takes no slot");
});

test("a slot that failed is not begun again, and one that was interrupted is", async (t) => {
  const body = `dag.task("end", bash\`test -e \${journal}.good || exit 3; echo > $OUTPUT\`);\n  dag.task("wait", bash\`while test ! -e \${journal}.go; do sleep 0.05; done; echo > $OUTPUT\`);`;
  const here = project(t, { "pipeline.ts": daily('schedule: "@yearly"', body) });
  const interrupted = here.start(["schedule", "--once", "wait", "--json"]);
  await interrupted.prints('"task.started","task":"wait"');
  interrupted.child.kill("SIGTERM");
  assert.equal((await interrupted.ended).code, 130);
  here.write("journal.go", "");
  assert.match(await here.done(["schedule", "--once", "wait"]), /1 ran/);
  assert.equal((await here.alamode(["schedule", "--once", "end"])).code, 1);
  here.write("journal.good", "");
  assert.match(await here.done(["schedule", "--once", "end"]), /nothing is due/);
});

test("two schedules at once, one of them killed and started again, run every slot exactly once", async (t) => {
  const here = project(t, { "pipeline.ts": daily('schedule: "* * * * * *", catchup: 100') });
  const one = here.start(["schedule", "load"]);
  let other = here.start(["schedule", "load"]);
  stopAfter(t, here, () => [one, other]);
  await one.prints("●").catch(() => other.prints("●"));
  for (let kills = 1; kills <= 2; kills++) {
    await killed(other);
    other = here.start(["schedule", "load"]);
    // Whichever comes first to a slot has it.
    await Promise.any([one.prints(slotsTold(2 * kills)), other.prints(slotsTold(2))]);
  }
  for (const running of [one, other]) running.child.kill("SIGTERM");
  await Promise.all([one.ended, other.ended]);
  await nobodyIn(here); // what a killed one had begun goes on without it
  await here.done(["schedule", "load", "--once"]); // what was interrupted
  const slots = await doneSlots(here);
  assert.ok(slots.length >= 4, `${slots.length} slots`);
  assert.equal(new Set(slots).size, slots.length, "none twice");
  for (const [i, slot] of slots.entries())
    if (i > 0) assert.equal(slot - slots[i - 1]!, 1000, "none left out");
});

test("a run that is killed together with its schedule is taken up by the next", async (t) => {
  const body = `dag.task("wait", bash\`while test ! -e \${journal}.go; do sleep 0.05; done; echo > $OUTPUT\`);`;
  const here = project(t, { "pipeline.ts": daily('schedule: "@yearly"', body) });
  t.after(() => here.write("journal.go", ""));
  const first = here.start(["schedule", "wait", "--json"]);
  await first.prints('"task.started"');
  const [{ pid = 0 } = {}] = jsonLines(await here.done(["runs", "--json"])) as { pid?: number }[];
  await killed(first);
  assert.match(await here.done(["schedule", "wait", "--once"]), /1 slot being run elsewhere/);
  process.kill(pid, "SIGKILL");
  await nobodyIn(here);
  here.write("journal.go", "");
  assert.match(await here.done(["schedule", "wait", "--once"]), /1 ran/);
  assert.match(await here.done(["schedule", "wait", "--once"]), /nothing is due/);
});

/** So many slots were told of. */
function slotsTold(count: number): RegExp {
  return new RegExp(`(?:●[^●]*){${count}}`);
}

/** Waits until no process is left in the project's folder. Where the system does not tell, it is taken for so. */
async function nobodyIn(here: Project): Promise<void> {
  if (!existsSync("/proc/self/cwd")) return;
  const isIn = (pid: string) => {
    try {
      const at = readlinkSync(`/proc/${pid}/cwd`);
      return at === here.dir || at.startsWith(`${here.dir}/`);
    } catch {
      return false; // it has ended, or is another user's
    }
  };
  while (readdirSync("/proc").some((name) => /^\d+$/.test(name) && isIn(name))) await setImmediate();
}

function stopAfter(t: Pick<TestContext, "after">, here: Project, running: () => readonly RunningCli[]): void {
  t.after(async () => {
    for (const { child } of running()) child.kill("SIGTERM");
    await Promise.all(running().map(({ ended }) => ended));
    await nobodyIn(here);
  });
}

test("a schedule that stays takes up a changed pipeline, and lives through one that does not load", async (t) => {
  const good = daily('schedule: "* * * * * *"');
  const here = project(t, { "pipeline.ts": good });
  const running = here.start(["schedule", "load"]);
  stopAfter(t, here, () => [running]);
  await running.prints("●");
  here.write("pipeline.ts", good.replace("echo load", "echo LOAD"));
  await running.prints(slotsTold(3));
  here.write("pipeline.ts", "export default ;");
  await running.prints("pipeline.ts:1");
  assert.ok(journal(here).some((line) => line.startsWith("LOAD")));
  running.child.kill("SIGTERM");
  assert.equal((await running.ended).code, 0);
});

test("a schedule of tasks that there are not ends at once", async (t) => {
  const here = project(t, { "pipeline.ts": daily('schedule: "@daily"') });
  const { code, stderr } = await here.alamode(["schedule", "laod"]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /^no task "laod" in this pipeline. Near: load\./);
  assert.equal(stderr.split("\n").length, 2, "told once");
});

test("the schedule is told as a unit and as a crontab line, and none where there is none", async (t) => {
  const here = project(t, {
    "pipeline.ts": daily('schedule: "@daily"'),
    "plain.ts": 'import { Dag } from "a-la-mode";\nexport default new Dag({ name: "plain" });\n',
  });
  assert.match(await here.done(["schedule", "--systemd"]), /^OnCalendar=\*-\*-\* 0:0:0 UTC$/m);
  assert.match(
    await here.done(["schedule", "--cron", "-p", "loud"]),
    /^0 0 \* \* \* cd .* schedule -p loud --once$/m,
  );
  const none = await here.alamode(["schedule", "-f", "plain.ts"]);
  assert.match(none.stderr, /plain has no schedule/);
  assert.equal((await here.alamode(["schedule", "--once", "--date", "2026-11-01"])).code, 2);
});

test("parameters and timers are told though the last slot's data is not there yet", async (t) => {
  const missing = (least: number) =>
    daily('schedule: "0 4 * * *"').replace(
      "const dag =",
      `if (Date.now() - Date.parse(date) < ${least} * 86_400_000) throw new Error("no data of " + date);\n  const dag =`,
    );
  const here = project(t, { "pipeline.ts": missing(3) });
  const { code, stdout, stderr } = await here.alamode(["params"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^date .* \d{4}-\d\d-\d\d$/m);
  assert.match(stdout, /^schedule "0 4 \* \* \*", UTC/m);
  assert.match(stderr, /no data of/);
  assert.match(await here.done(["schedule", "--cron"]), /^0 4 \* \* \* /m);
  assert.match(await here.done(["schedule", "--systemd"]), /OnCalendar=/);
  here.write("pipeline.ts", missing(1000));
  const never = await here.alamode(["params"]);
  assert.equal(never.code, 0, never.stderr);
  assert.match(never.stdout, /^loud /m);
  assert.match(never.stderr, /its schedule is not known: .*no data of/);
  const cron = await here.alamode(["schedule", "--cron"]);
  assert.equal(cron.code, 2);
  assert.match(cron.stderr, /no data of/);
});

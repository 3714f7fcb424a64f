// A team's record under fire: many engines on one plan, some of them killed; a database that restarts and that crashes; an
// engine that sleeps past its lease. Seeded: ALAMODE_SEED repeats one; ALAMODE_LONG=1 has the full thousand tasks.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { RunningCli } from "../cli-runner.ts";
import { eventsOf, jsonLines, type Project, project, random } from "../e2e/project.ts";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { sharedRecord } from "./shared-record.ts";

const LONG = Boolean(process.env["ALAMODE_LONG"]);
const TASKS = LONG ? 1000 : 80;
const ENGINES = 8;
const KILLS = 5;
const HANG_MS = LONG ? 900_000 : 240_000;
const seed = Number(process.env["ALAMODE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const chance = random(seed);
const skip = whyNoPostgres() ?? false;

let server: Postgres;
before(async () => {
  // What is committed has to survive a crash, as in earnest.
  if (!skip) server = await startPostgres({ durable: true });
});
after(() => server?.stop());

/** Layers of ten, each task made from two of the layer above. */
function layers(tasks: number): string {
  return `import { Dag } from "a-la-mode";
const dag = new Dag({ name: "shared" });
const command = 'cat inputs/* /dev/null | sha256sum > $OUTPUT; echo $NAME >> $OUTPUT';
for (let n = 0; n < ${tasks}; n++) {
  const task = dag.task("t" + n, { command, env: { NAME: "t" + n } });
  const layer = n - (n % 10);
  if (layer > 0) for (const above of new Set([layer - 1 - (n % 7), layer - 1 - ((n * 3) % 10)])) task.addDep(dag.tasks["t" + above]);
}
export default dag;
`;
}

function onRecord(here: Project, schema: string, leaseSeconds: number): Record<string, string> {
  const url = new URL(server.url);
  url.searchParams.set("schema", schema);
  url.searchParams.set("lease_seconds", String(leaseSeconds));
  return { ALAMODE_RECORD: url.href, ALAMODE_STORE: join(here.dir, ".alamode") };
}

/** Resolves when so many lines were printed, or it has ended. */
function atLine(run: RunningCli, lines: number): Promise<unknown> {
  const reached = new Promise<void>((resolve) => {
    const look = () => {
      if (run.stdout().split("\n").length > lines) resolve();
    };
    run.child.stdout!.on("data", look);
    look();
  });
  return Promise.race([reached, run.ended]);
}

/** Everything was made, by one execution each, and nothing is left of anyone. */
async function allMadeOnce(here: Project, env: Record<string, string>, schema: string, tasks: number) {
  const record = sharedRecord(server, schema);
  assert.deepEqual(
    [...record.successful].filter(([, n]) => n !== 1),
    [],
    "outputs made more than once",
  );
  assert.equal(record.successful.size, tasks);
  assert.equal(record.successes, tasks);
  assert.equal(record.locations.size, tasks);
  assert.equal(record.leases, 0);
  for (const location of record.locations.values())
    assert.ok(existsSync(join(here.dir, ".alamode/outputs", location)), `${location} is not there`);
  await here.done(["verify", "--stored"], { env });
  const last = jsonLines(await here.done(["run", "--json"], { env })).at(-1);
  assert.deepEqual([last?.["ran"], last?.["reused"]], [0, tasks]);
  return record;
}

test(`${ENGINES} engines run one plan of ${TASKS} tasks, ${KILLS} of them killed and begun again (ALAMODE_SEED=${seed})`, {
  skip,
}, async (t) => {
  const here = project(t, { "pipeline.ts": layers(TASKS) });
  const env = onRecord(here, "eight", 2);
  const start = () => here.start(["run", "--json", "--jobs", "2"], { env, detached: true, hangMs: HANG_MS });
  let killed = 0;
  const engine = async (doomed: boolean) => {
    const run = start();
    if (doomed) {
      await atLine(run, 1 + Math.floor((chance() * 2 * TASKS) / ENGINES));
      const whole = chance() < 0.5;
      try {
        process.kill(whole ? -run.pid : run.pid, "SIGKILL");
      } catch {
        // It has ended.
      }
      if ((await run.ended).signal === "SIGKILL") {
        killed++;
        return start().ended;
      }
    }
    return run.ended;
  };
  const results = await Promise.all(Array.from({ length: ENGINES }, (_, n) => engine(n < KILLS)));
  for (const { code, stderr } of results) assert.equal(code, 0, stderr);
  assert.ok(killed > 0, "nobody was killed in time");
  const record = await allMadeOnce(here, env, "eight", TASKS);
  assert.equal(record.unfinishedRuns, killed, "only the killed have not ended");
  t.diagnostic(`${killed} killed`);
});

for (const how of ["fast", "immediate"] as const) {
  test(`a database that ${how === "fast" ? "restarts" : "crashes"} in the middle of two runs is waited for`, {
    skip,
  }, async (t) => {
    const tasks = 100;
    const here = project(t, { "pipeline.ts": layers(tasks) });
    const env = onRecord(here, `restart_${how}`, 5);
    const runs = [1, 2].map(() => here.start(["run", "--json", "--jobs", "2"], { env, hangMs: HANG_MS }));
    await Promise.all(runs.map((run) => run.prints("run.started")));
    await Promise.race(runs.map((run) => atLine(run, 20)));
    server.shut(how);
    await Promise.any(runs.map((run) => run.prints("record-away")));
    server.start();
    for (const { code, stdout, stderr } of await Promise.all(runs.map(({ ended }) => ended))) {
      assert.equal(code, 0, stderr);
      const away = eventsOf(stdout, "warning").filter(({ code }) => code === "record-away");
      assert.ok(away.length <= 1, "told once");
      assert.equal(stderr.match(/cannot be reached/g)?.length ?? 0, away.length);
    }
    const record = await allMadeOnce(here, env, `restart_${how}`, tasks);
    assert.deepEqual([record.unfinishedRuns, record.unfinishedExecutions, record.living], [0, 0, 0]);
  });
}

test("an engine that sleeps past its lease commits nothing of it, says so, and takes what another made", {
  skip,
}, async (t) => {
  const here = project(t, {
    "pipeline.ts": `import { Dag } from "a-la-mode";
const dag = new Dag({ name: "sleep" });
dag.task("slow", { command: 'until [ -e "$GATE" ]; do sleep 0.02; done; date +%s%N > $OUTPUT' }, { pass: ["GATE"] });
export default dag;
`,
  });
  const gate = join(here.dir, "gate");
  const env = { ...onRecord(here, "sleep", 1), GATE: gate };
  const asleep = here.start(["run", "--json"], { env });
  await asleep.prints('"task.started"');
  asleep.child.kill("SIGSTOP");
  const awake = here.start(["run", "--json"], { env });
  await awake.prints('"task.started"'); // once the other's lease has run out
  writeFileSync(gate, "");
  const made = await awake.ended;
  assert.equal(made.code, 0, made.stderr);
  asleep.child.kill("SIGCONT");
  const woken = await asleep.ended;
  assert.equal(woken.code, 0, woken.stderr);
  assert.match(woken.stderr, /lease ran out/);
  assert.equal(eventsOf(woken.stdout, "task.ran").length, 0);
  assert.equal(eventsOf(woken.stdout, "task.reused").length, 1);
  assert.equal(sharedRecord(server, "sleep").successes, 1);
});

test("what runs of other hosts left in the scratch area goes once they have ended, or have been away for a week", {
  skip,
}, async (t) => {
  const here = project(t, { "pipeline.ts": layers(2) });
  const env = onRecord(here, "scratch", 30);
  const scratch = join(here.dir, ".alamode/tmp");
  const runs: string[] = [];
  for (let n = 0; n < 3; n++) {
    const [first] = jsonLines(await here.done(["run", "--json"], { env }));
    runs.push(String(first!["run"]));
  }
  for (const run of runs) mkdirSync(join(scratch, run, "1/work"), { recursive: true });
  const [, away, gone] = runs as [string, string, string];
  for (const [run, since] of [
    [away, "6 days"],
    [gone, "8 days"],
  ])
    server.sql(`SET search_path = scratch; UPDATE runs SET status = 'running', ended_at = NULL WHERE run = '${run}';
      INSERT INTO live SELECT id, now() - interval '${since}', '0' FROM runs WHERE run = '${run}'`);
  server.sql("UPDATE scratch.runs SET host = 'elsewhere'");
  await here.done(["run"], { env });
  assert.deepEqual(readdirSync(scratch), [away]);
});

test("a record that was moved to a server, and back, has all been done already", { skip }, async (t) => {
  const here = project(t, { "pipeline.ts": layers(20) });
  const { ALAMODE_RECORD: url } = onRecord(here, "moved", 30) as { ALAMODE_RECORD: string };
  await here.done(["run"]);
  await here.done(["record", "copy", ".alamode/record.db", url]);
  const reused = async (...at: string[]) =>
    jsonLines(await here.done(["run", "--json", ...at])).at(-1)?.["reused"];
  assert.equal(await reused("--record", url), 20);
  assert.match(await here.done(["record", "copy", url, "back.db"]), /^copied 2 runs, 1 plan, 20 successes$/m);
  assert.equal(await reused("--record", "back.db"), 20);
  const refused = await here.alamode(["record", "copy", ".alamode/record.db", "back.db"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /is no earlier state of/);
});

test("a run that waits for a database that does not come back ends at the second ^C", { skip }, async (t) => {
  const here = project(t, { "pipeline.ts": layers(300) });
  const run = here.start(["run", "--json", "--jobs", "1"], { env: onRecord(here, "gone", 5) });
  await atLine(run, 5);
  server.shut("fast");
  try {
    await run.prints("record-away");
    run.child.kill("SIGINT");
    await run.prints("once more to kill it");
    run.child.kill("SIGINT");
    const { code, stderr } = await run.ended;
    assert.equal(code, 2, stderr);
    assert.match(stderr, /cannot be reached/);
  } finally {
    server.start();
  }
});

// What a run says: to files and pipes, to programs, to a terminal; and what it does when it is interrupted.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stepsOf } from "../faults/processes.ts";
import { eventsOf, jsonLines, type Project, pipeline, project, ranIn } from "./project.ts";
import { noScript, screenOf, TERMINAL } from "./screen.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
const ESCAPE = /\x1b/;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
const CURSOR = /\x1b\[\d*[AJ]/;

/** `slow` says that it waits, until the test writes to the FIFO that GATE names. */
const GATED =
  pipeline(`const quick = dag.task("quick", { command: "echo quick >> $JOURNAL; echo 1 > $OUTPUT" }, { pass: ["JOURNAL"] });
dag.task("slow", { command: 'echo slow >> $JOURNAL; echo it waits; [ -z "\${GATE:-}" ] || cat "$GATE" > /dev/null; echo 2 > $OUTPUT' },
  { pass: ["GATE", "JOURNAL"] }).after(quick);`);

function gated(t: Parameters<typeof project>[0]) {
  const here = project(t, { "pipeline.ts": GATED });
  const gate = join(here.dir, "gate");
  assert.equal(spawnSync("mkfifo", [gate]).status, 0);
  const env = { GATE: gate, JOURNAL: join(here.dir, "journal") };
  return { here, env, free: { ...env, GATE: undefined }, open: () => writeFileSync(gate, "go") };
}

const journalOf = (here: Project) => here.read("journal").trim().split("\n");

test("to a pipe a run is plain lines, one a task, and a summary", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`const a = dag.task("a", { command: "echo 1 > $OUTPUT" });
      dag.task("b", { command: "echo 2 > $OUTPUT" }).after(a);`),
  });
  const first = await here.done(["run"]);
  assert.doesNotMatch(first, ESCAPE);
  assert.match(
    first,
    /^● a {11} +[\d.]+ s\n● b {11} +[\d.]+ s\n2 tasks: 2 ran, [\d.]+ s\nb → \.alamode\/outputs\/\w\w\/\w{64}\n$/,
  );
  assert.match(await here.done(["run"]), /^2 tasks: 2 reused, [\d.]+ s\n$/);
  here.write("pipeline.ts", here.read("pipeline.ts").replace("echo 2", "echo 3"));
  assert.match(await here.done(["run"]), /^2 tasks: 1 ran, 1 reused, 0 failed, [\d.]+ s$/m);
  const coloured = await here.done(["run"], { env: { FORCE_COLOR: "1" } });
  assert.match(coloured, /2 tasks: 2 reused/);
});

test("--json is one event a line, begins with run.started and ends with the numbers", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`const a = dag.task("a", { command: "echo 1 > $OUTPUT" });
      const b = dag.task("b", { command: "echo told; exit 3" }).after(a);
      dag.task("c", { command: "cp inputs/b $OUTPUT" }).after(b);
      dag.task("d", { command: "echo 4 > $OUTPUT" }).after(a);`),
  });
  const { code, stdout, stderr } = await here.alamode(["run", "--json", "--keep-going"]);
  assert.equal(code, 1);
  assert.match(stderr, /✗ b failed: exit 3/, "people's words go to stderr");
  const events = jsonLines(stdout);
  assert.equal(events[0]?.["event"], "run.started");
  assert.deepEqual(
    {
      tasks: events[0]?.["tasks"],
      due: events[0]?.["due"],
      number: events[0]?.["number"],
      pipeline: events[0]?.["pipeline"],
    },
    { tasks: 4, due: 4, number: 1, pipeline: "test" },
  );
  const last = events.at(-1)!;
  const { event, status, ran, same, reused, failed, notStarted, tasks } = last;
  assert.deepEqual(
    { event, status, ran, same, reused, failed, notStarted, tasks },
    {
      event: "run.finished",
      status: "failed",
      ran: 2,
      same: 0,
      reused: 0,
      failed: 1,
      notStarted: 1,
      tasks: 4,
    },
  );
  assert.equal(typeof last["durationMs"], "number");
  const order = events.map(({ event: kind, task }) => `${kind} ${task ?? ""}`.trim());
  for (const task of ["a", "d"]) {
    assert.ok(order.indexOf(`task.started ${task}`) < order.indexOf(`task.ran ${task}`));
    assert.match(
      String(eventsOf(stdout, "task.ran").find((told) => told["task"] === task)?.["treeDigest"]),
      /^[0-9a-f]{64}$/,
    );
  }
  const [{ failure } = {}] = eventsOf(stdout, "task.failed") as { failure?: Record<string, unknown> }[];
  assert.equal(failure?.["kind"], "exit");
  assert.equal(failure?.["exitCode"], 3);
  assert.deepEqual(failure?.["logTail"], ["told"]);
  assert.deepEqual(
    eventsOf(stdout, "task.notStarted").map(({ task, because }) => [task, because]),
    [["c", "b"]],
  );

  const again = jsonLines((await here.alamode(["run", "d", "--json"])).stdout);
  assert.deepEqual(again.at(-1)?.["reused"], 2);
  assert.deepEqual(again.at(-1)?.["ran"], 0);
});

test("--logs shows what tasks print, each line under its task's name", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`for (const name of ["one", "two/x"])
      dag.task(name, { command: "echo out; echo err >&2; printf unfinished; echo x > $OUTPUT", env: { NAME: name } });
      dag.task("many", { command: "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i; done; echo x > $OUTPUT" });`),
  });
  const lines = (await here.done(["run", "--logs"])).split("\n");
  for (const name of ["one", "two/x"]) {
    const own = lines
      .filter((line) => line.startsWith(`${name} | `))
      .map((line) => line.slice(name.length + 3));
    assert.deepEqual(own, ["out", "err", "unfinished"]);
  }
  const many = lines.filter((line) => line.startsWith("many | ")).map((line) => line.slice(7));
  assert.deepEqual(
    many,
    Array.from({ length: 500 }, (_, i) => `line ${i + 1}`),
  );
});

test("--logs shows every line of a task that prints hundreds of thousands at once", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`dag.task("chatty", { command: "seq 1 200000; echo x > $OUTPUT" });`),
  });
  const lines = (await here.done(["run", "--logs"]))
    .split("\n")
    .filter((line) => line.startsWith("chatty | "));
  assert.equal(lines.length, 200_000);
  assert.equal(lines.at(-1), "chatty | 200000");
});

test("log --follow waits for a task that its run has not started, and goes with it to its end", async (t) => {
  const here = project(t, {
    "pipeline.ts":
      pipeline(`const first = dag.task("first", { command: 'cat "$GATE" > /dev/null; echo 1 > $OUTPUT' }, { pass: ["GATE"] });
        dag.task("second", { command: "echo said; printf 'the end'; echo 2 > $OUTPUT" }).after(first);`),
  });
  const gate = join(here.dir, "gate");
  assert.equal(spawnSync("mkfifo", [gate]).status, 0);
  const running = here.start(["run", "--json"], { env: { GATE: gate } });
  await running.prints('"task.started"');
  const following = here.start(["log", "--follow", "second"]);
  await following.prints("second has not started yet in run 1");
  writeFileSync(gate, "go");
  const { code, stdout } = await following.ended;
  assert.deepEqual([code, stdout.trimEnd()], [0, "said\nthe end"]);
  assert.equal((await running.ended).code, 0);
  assert.equal((await here.done(["log", "--follow", "second"])).trimEnd(), "said\nthe end");
});

test("a failure says what, shows the end of the log, and where to look", async (t) => {
  const here = project(t, {
    "pipeline.ts":
      pipeline(`const fit = dag.task("fit/lr 0.1", { command: "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; done; exit 4" });
      dag.task("plot", { command: "cp inputs/* $OUTPUT" }).after(fit);
      dag.task("nothing", { command: "echo x > result.txt" });`),
  });
  const { code, stdout } = await here.alamode(["run", "plot"]);
  assert.equal(code, 1);
  assert.match(stdout, /^✗ fit\/lr 0\.1 failed: exit 4 after [\d.]+ s \(attempt 1 of 1\)\n\n {4}line 41\n/m);
  assert.match(
    stdout,
    /\n {4}line 60\n\n {2}log {6}alamode log 'fit\/lr 0\.1'\n {2}look in {2}alamode shell 'fit\/lr 0\.1'\n/,
  );
  assert.match(stdout, /^2 tasks: 1 failed, 1 not started, [\d.]+ s$/m);
  assert.equal((await here.done(["log", "fit/lr 0.1"])).split("\n").length, 61);
  assert.equal(readdirSync(join(here.dir, ".alamode/tmp/failed")).length, 1);

  const lost = await here.alamode(["run", "nothing"]);
  assert.equal(lost.code, 1);
  assert.match(
    lost.stdout,
    /✗ nothing made nothing at \$OUTPUT \(exit 0\)\. In its working directory lies result\.txt\n/,
  );
});

test("two tasks of one ID are one step, and both are done", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`for (const name of ["one", "two"])
      dag.task(name, { command: "echo made >> $JOURNAL; echo x > $OUTPUT" }, { pass: ["JOURNAL"] });`),
  });
  const out = await here.done(["run"], { env: { JOURNAL: join(here.dir, "journal") } });
  assert.match(out, /^2 tasks: 1 ran, 1 reused, 0 failed, [\d.]+ s$/m);
  assert.deepEqual(journalOf(here), ["made"]);
  assert.equal(await here.done(["path", "one"]), await here.done(["path", "two"]));
});

test("after a failure the run stops, or goes on where --keep-going is said", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`dag.task("a-bad", { command: "exit 1" });
      for (let n = 0; n < 4; n++) dag.task("b" + n, { command: \`echo \${n} > $OUTPUT\` });`),
  });
  const stopped = await here.alamode(["run", "--jobs", "1", "--json"]);
  assert.equal(stopped.code, 1);
  assert.deepEqual(ranIn(stopped.stdout), []);
  assert.equal(jsonLines(stopped.stdout).at(-1)?.["notStarted"], 4);
  const went = await here.alamode(["run", "--jobs", "1", "--keep-going", "--json"]);
  assert.equal(went.code, 1);
  assert.deepEqual(ranIn(went.stdout), ["b0", "b1", "b2", "b3"]);
});

test("an attempt that fails is told, and the next one's success is a success", async (t) => {
  const here = project(t, {
    "pipeline.ts":
      pipeline(`dag.task("flaky", { command: "echo try >> $JOURNAL; [ $(wc -l < $JOURNAL) -ge 3 ]; echo x > $OUTPUT" },
      { retries: 3, backoff: "10ms", pass: ["JOURNAL"] });`),
  });
  const env = { JOURNAL: join(here.dir, "journal") };
  const first = await here.done(["run"], { env });
  assert.match(
    first,
    /^↻ flaky failed: exit 1 .*\(attempt 1 of 4\); again now\n↻ flaky .*\(attempt 2 of 4\)/m,
  );
  assert.match(first, /^1 task: 1 ran, /m);
  assert.match(await here.done(["run"], { env }), /^1 task: 1 reused/m);
  assert.equal(journalOf(here).length, 3);
});

test("a finished plan is asked for again: no task runs", async (t) => {
  const { here, free } = gated(t);
  await here.done(["run"], { env: free });
  for (const args of [["run"], ["run", "slow"], ["exec", "slow"], ["run", "--jobs", "1", "--keep-going"]])
    assert.match(await here.done(args, { env: free }), /^\d tasks?: \d reused, [\d.]+ s\n$/);
  assert.deepEqual(journalOf(here), ["quick", "slow"]);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal}: what runs is ended, the exit code is 130, and the next run goes on from there`, async (t) => {
    const { here, env, free } = gated(t);
    const run = here.start(["run", "--json", "--logs"], { env });
    await run.prints("it waits");
    process.kill(run.pid, signal);
    const { code, stdout, stderr } = await run.ended;
    assert.equal(code, 130);
    assert.match(stderr, /stopping/);
    const last = jsonLines(stdout).at(-1)!;
    assert.equal(last["event"], "run.finished");
    assert.equal(last["status"], "interrupted");
    assert.equal(last["ran"], 1);
    assert.deepEqual(stepsOf([String(last["run"])]), []);
    assert.match(await here.done(["runs"]), /interrupted/);
    assert.deepEqual(ranIn(await here.done(["run", "--json"], { env: free })), ["slow"]);
    assert.deepEqual(journalOf(here), ["quick", "slow", "slow"]);
  });
}

test("a second SIGINT kills at once what does not hear the first", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(
      `dag.task("deaf", { command: 'trap "" TERM; echo it waits; cat "$GATE"; cat "$GATE"' }, { pass: ["GATE"] });`,
    ),
  });
  const gate = join(here.dir, "gate");
  assert.equal(spawnSync("mkfifo", [gate]).status, 0);
  const run = here.start(["run", "--logs"], { env: { GATE: gate } });
  await run.prints("it waits");
  process.kill(run.pid, "SIGINT");
  await run.prints(/stopping.*once more/);
  const asked = performance.now();
  process.kill(run.pid, "SIGINT");
  const { code } = await run.ended;
  assert.equal(code, 130);
  assert.ok(performance.now() - asked < 4_000, "it waited for the grace of the first");
});

test("whoever stops reading ends the run, and nothing is lost", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(
      `for (let n = 0; n < 60; n++) dag.task("t" + n, { command: \`echo \${n} > $OUTPUT\` });`,
    ),
  });
  const first = await here.alamode(["run", "--json"], { under: ["/bin/sh", "-c", '"$@" | head -n 3', "sh"] });
  assert.equal(first.stdout.trim().split("\n").length, 3);
  assert.doesNotMatch(first.stderr, /EPIPE|error of its own/);
  const [finished] = jsonLines(await here.done(["run", "--json"])).slice(-1);
  assert.equal(Number(finished?.["ran"]) + Number(finished?.["reused"]), 60);
});

for (const colour of [true, false]) {
  test(`on a terminal${colour ? "" : " without colours"} a block shows what runs, and is gone at the end`, {
    skip: noScript,
  }, async (t) => {
    const { here, env, open } = gated(t);
    const given = {
      ...env,
      TERM: "xterm-256color",
      CI: undefined,
      NO_COLOR: colour ? undefined : "1",
      COLUMNS: undefined,
    };
    const run = here.start(["run"], { env: given, under: TERMINAL });
    await run.prints(/[◐◓◑◒]\S* slow/);
    const before = screenOf(run.stdout());
    assert.match(before.join("\n"), /^● quick +[\d.]+ s\n[◐◓◑◒] slow +[\d.]+ s\n2 tasks: 1 ran/m);
    open();
    const { code, stdout } = await run.ended;
    assert.equal(code, 0);
    assert.match(
      screenOf(stdout).join("\n"),
      /^● quick +[\d.]+ s\n● slow +[\d.]+ s\n2 tasks: 2 ran, [\d.]+ s\nslow → \.alamode\S+$/,
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are looked for
    assert.equal(/\x1b\[[1-9][0-9;]*m/.test(stdout), colour);
  });
}

test("a terminal that cannot redraw, and CI, get plain lines", { skip: noScript }, async (t) => {
  const { here, free } = gated(t);
  for (const variable of [{ TERM: "dumb" }, { TERM: "xterm", CI: "true" }]) {
    assert.doesNotMatch(await here.done(["run"], { env: { ...free, ...variable }, under: TERMINAL }), CURSOR);
  }
});

// A task that has written half of its output is stopped there, in every way a task can be: half is never told as done,
// and never given to a dependent.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { CliResult, RunningCli } from "../cli-runner.ts";
import { type Project, pipeline, project } from "../e2e/project.ts";
import { goneWithin, stepsOf, supervisorsOf } from "./processes.ts";
import { recorded } from "./record-copy.ts";

interface Shape {
  readonly name: string;
  readonly first: string;
  readonly second: string;
  /** What the dependent does with it. */
  readonly read: string;
  readonly spec?: string;
}

const SHAPES: readonly Shape[] = [
  { name: "file", first: "echo half > $OUTPUT", second: "echo whole >> $OUTPUT", read: "cat inputs/half" },
  {
    name: "folder",
    first: "mkdir $OUTPUT; echo half > $OUTPUT/a",
    second: "echo whole > $OUTPUT/b",
    read: "cat inputs/half/a inputs/half/b",
  },
  {
    name: "named file",
    first: "echo half > $OUTPUT",
    second: "echo whole >> $OUTPUT",
    read: "cat inputs/half/deep/r.txt",
    spec: ', produces: "deep/r.txt"',
  },
];

/** The task tells its pid, and then waits on a FIFO that nobody opens, while the variable GATE names one. */
function files({ first, second, read, spec = "" }: Shape, options = ""): Record<string, string> {
  const command = `${first}; echo "half is written by $$."; if [ -n "\${GATE:-}" ]; then cat "$GATE"; fi; ${second}`;
  return {
    "pipeline.ts":
      pipeline(`const half = dag.task("half", { command: ${JSON.stringify(command)}${spec} }, { pass: ["GATE"]${options} });
      dag.task("next", { command: "echo next >> $JOURNAL; ${read} > $OUTPUT" }, { pass: ["JOURNAL"] }).after(half);`),
  };
}

interface Halted {
  readonly here: Project;
  readonly run: RunningCli;
  /** Process group of the task. */
  readonly task: number;
}

/** Starts a run and returns when its first task hangs with half of its output written. */
async function halfWay(t: TestContext, shape: Shape, options?: string): Promise<Halted> {
  const here = project(t, files(shape, options));
  const gate = join(here.dir, "gate");
  assert.equal(spawnSync("mkfifo", [gate]).status, 0);
  const run = here.start(["run", "--logs"], { env: { ...journal(here), GATE: gate }, detached: true });
  await run.prints(/half is written by \d+\./);
  return { here, run, task: Number(/half is written by (\d+)\./.exec(run.stdout() + run.stderr())![1]) };
}

/** The same of a task that needs nothing but a shell, and so is a copy of one: it turns in circles while the gate is there. */
async function halfWayInShell(t: TestContext, options = ""): Promise<Omit<Halted, "task">> {
  const { first, second, read } = SHAPES[0]!;
  const command = `${first}; echo "half is written."; while [ -e "$GATE" ]; do :; done; ${second}`;
  const here = project(t, {
    gate: "",
    "pipeline.ts":
      pipeline(`const half = dag.task("half", { command: ${JSON.stringify(command)} }, { pass: ["GATE"]${options} });
      dag.task("next", { command: "echo next >> $JOURNAL; ${read} > $OUTPUT" }, { pass: ["JOURNAL"] }).after(half);`),
  });
  const env = { ...journal(here), GATE: join(here.dir, "gate") };
  const run = here.start(["run", "--logs"], { env, detached: true });
  await run.prints(/half is written\./);
  return { here, run };
}

/** Nothing of the half is anywhere to be had, and the next run makes the whole. */
async function neverDone(here: Project): Promise<void> {
  const env = journal(here);
  const record = join(here.dir, ".alamode/record.db");
  const { successes, runs } = recorded(record);
  assert.equal(successes.size, 0);
  assert.equal((await here.alamode(["path", "half"])).code, 1);
  assert.match(await here.done(["ls"]), /^half +[0-9a-f]{8} +not made$/m);
  assert.equal(existsSync(join(here.dir, "journal")), false, "the dependent was started on half an input");

  await here.done(["run"], { env });
  assert.deepEqual(stepsOf(runs), [], "the task that was halted is gone");
  const path = (await here.done(["path", "next"])).trim();
  assert.equal(readFileSync(path, "utf8"), "half\nwhole\n");
  assert.equal(here.read("journal"), "next\n");
  assert.deepEqual(await goneWithin(() => supervisorsOf(runs)), []);
}

for (const shape of SHAPES) {
  test(`half a ${shape.name}: the engine is killed`, async (t) => {
    const { here, run } = await halfWay(t, shape);
    process.kill(run.pid, "SIGKILL");
    assert.equal((await run.ended).signal, "SIGKILL");
    await neverDone(here);
  });
}

test("half a file: engine, supervisor and their groups are killed, the task lives on", async (t) => {
  const { here, run, task } = await halfWay(t, SHAPES[0]!);
  const [supervisor] = supervisorsOf(recorded(join(here.dir, ".alamode/record.db")).runs);
  if (supervisor !== undefined) process.kill(supervisor.pid, "SIGKILL");
  process.kill(-run.pid, "SIGKILL");
  await run.ended;
  if (supervisor !== undefined) process.kill(task, 0); // throws if it is gone
  await neverDone(here);
});

test("half a file, by a shell's copy: the engine is killed", async (t) => {
  const { here, run } = await halfWayInShell(t);
  process.kill(run.pid, "SIGKILL");
  assert.equal((await run.ended).signal, "SIGKILL");
  await neverDone(here);
});

test("half a file, by a shell's copy: engine, supervisor and their groups are killed, the task lives on", async (t) => {
  const { here, run } = await halfWayInShell(t);
  for (const { pid } of supervisorsOf(recorded(join(here.dir, ".alamode/record.db")).runs))
    process.kill(pid, "SIGKILL");
  process.kill(-run.pid, "SIGKILL");
  await run.ended;
  await neverDone(here);
});

test("half a file, by a shell's copy: the run is interrupted", async (t) => {
  const { here, run } = await halfWayInShell(t);
  process.kill(run.pid, "SIGINT");
  assert.equal((await run.ended).code, 130);
  await neverDone(here);
});

test("half a file, by a shell's copy: its time is over", async (t) => {
  const { here, run } = await halfWayInShell(t, ', timeout: "1500ms"');
  failed(await run.ended, /half ran longer than its timeout of 1\.5 s/);
  await neverDone(here);
});

test("half a file: the task is killed", async (t) => {
  const { here, run, task } = await halfWay(t, SHAPES[0]!);
  process.kill(-task, "SIGKILL");
  failed(await run.ended, /half was killed by SIGKILL/);
  await neverDone(here);
});

test("half a file: the run is interrupted", async (t) => {
  const { here, run } = await halfWay(t, SHAPES[0]!);
  process.kill(run.pid, "SIGINT");
  const { code, stdout } = await run.ended;
  assert.equal(code, 130);
  assert.doesNotMatch(stdout, /● half/);
  await neverDone(here);
});

test("half a file: its time is over", async (t) => {
  const { here, run } = await halfWay(t, SHAPES[0]!, ', timeout: "1500ms"');
  failed(await run.ended, /half ran longer than its timeout of 1\.5 s/);
  await neverDone(here);
});

test("half a file: it fails by itself", async (t) => {
  const here = project(t, files({ ...SHAPES[0]!, second: '[ -z "$GATE" ]; echo whole >> $OUTPUT' }));
  const env = { ...journal(here), GATE: "/dev/null" };
  failed(await here.alamode(["run"], { env }), /half failed: exit 1/);
  await neverDone(here);
});

function failed({ code, stdout }: CliResult, why: RegExp): void {
  assert.equal(code, 1);
  assert.match(stdout, why);
  assert.match(stdout, /1 not started/);
  assert.doesNotMatch(stdout, /● half/);
}

function journal(here: Project): Record<string, string> {
  return { JOURNAL: join(here.dir, "journal") };
}

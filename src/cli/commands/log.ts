// alamode log: what a task printed.
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { pipeline as pipe } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";
import { AlamodeError } from "../../errors.ts";
import { graphOf } from "../../plan/graph.ts";
import type { OutputId, Plan } from "../../plan/types.ts";
import type { Execution, RecordDb, Run, RunId } from "../../record/types.ts";
import { type CommonOptions, contextOf, withExisting } from "../context.ts";
import { EXIT, tell } from "../errors.ts";
import { LogReader } from "../follow.ts";
import { duration } from "../format.ts";
import { findOutput } from "../lookup.ts";

export interface LogFlags extends CommonOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
}

const LOOK_MS = 200;
/** Among so many of the newest runs those that live are looked for. */
const MOST_RUNS = 20;

export async function logCommand(what: string, options: LogFlags): Promise<number> {
  const context = await contextOf(options);
  return withExisting({ ...context, look: true }, async ({ store, record }) => {
    const { output, name, execution: named } = await findOutput(context, record, what, "log");
    const waits = options.follow === true && named === undefined && options.attempt === undefined;
    if (waits) await started(record, output, name);
    const execution = named ?? (await latest(record, output, options.attempt));
    if (execution === undefined) {
      const why =
        options.attempt === undefined
          ? `there is no log of ${name}: it never ran with this spec and these inputs`
          : `${name} has no attempt ${options.attempt} in its last run`;
      tell(new AlamodeError("no-log", why), false);
      return EXIT.failed;
    }
    const file = execution.log ?? `${execution.id}.log`;
    const path = (await store.main.log(file)) ?? join(store.main.logDir, file); // where a running one will write it
    if (options.follow && (await isRunning(record, execution))) await follow(record, execution, path);
    else if (existsSync(path)) await pipe(createReadStream(path), process.stdout, { end: false });
    else process.stderr.write(`${name} printed nothing${tookText(execution)}\n`);
    return EXIT.done;
  });
}

/** The newest execution; with `attempt`, the newest run's execution of that number. */
async function latest(
  record: RecordDb,
  output: OutputId,
  attempt: number | undefined,
): Promise<Execution | undefined> {
  const executions = await record.executions(output);
  const [newest] = executions;
  return attempt === undefined
    ? newest
    : executions.find((execution) => execution.run === newest?.run && execution.attempt === attempt);
}

/**
 * Waits while a living run has the output ahead of it: until the newest execution is that run's, or something else stands for
 * it, or no such run is left.
 */
async function started(record: RecordDb, output: OutputId, name: string): Promise<void> {
  const known = new Map<RunId, boolean>();
  for (let told = false; ; told = true) {
    if ((await record.successes([output])).has(output)) return;
    const run = await runAheadOf(record, output, known);
    const [newest] = await record.executions(output);
    if (run === undefined || newest?.run === run.id) return;
    if (newest !== undefined && (await isRunning(record, newest))) return;
    if (!told) process.stderr.write(`${name} has not started yet in run ${run.number}: waiting\n`);
    await wait(LOOK_MS);
  }
}

/** The newest living run that needs the output. `known` keeps which do: a plan may be large. */
async function runAheadOf(
  record: RecordDb,
  output: OutputId,
  known: Map<RunId, boolean>,
): Promise<Run | undefined> {
  for (const run of await record.runs(MOST_RUNS)) {
    if (run.status !== "running" || !(await record.isLive(run.id))) continue;
    const plan = known.has(run.id) ? undefined : await record.plan(run.planDigest);
    if (plan !== undefined) known.set(run.id, needs(plan, run.goals, output));
    if (known.get(run.id)) return run;
  }
  return undefined;
}

function needs(plan: Plan, goals: readonly string[], output: OutputId): boolean {
  const graph = graphOf(plan);
  const wanted = graph.node(output);
  const ahead = goals.flatMap((goal) => (Object.hasOwn(plan.tasks, goal) ? [graph.nodeOf(goal)] : []));
  const seen = new Set(ahead);
  for (let node = ahead.pop(); node !== undefined; node = ahead.pop()) {
    if (node === wanted) return true;
    for (const input of graph.inputs(node)) {
      if (!seen.has(input)) ahead.push(input);
      seen.add(input);
    }
  }
  return false;
}

/** Prints whole lines as they come, until the execution has ended or its run has died. */
async function follow(record: RecordDb, execution: Execution, path: string): Promise<void> {
  const reader = new LogReader(path);
  for (let running = true; running; ) {
    running = await isRunning(record, execution);
    const lines = reader.read(!running);
    if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
    if (running) await wait(LOOK_MS);
  }
}

async function isRunning(record: RecordDb, { id, run }: Execution): Promise<boolean> {
  return (await record.execution(id))?.outcome === "running" && (await record.isLive(run));
}

function tookText({ startedAt, endedAt }: Execution): string {
  return endedAt === undefined ? " so far" : ` (${duration(endedAt - startedAt)})`;
}

// alamode log: what a task printed.
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { pipeline as pipe } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";
import { AlamodeError } from "../../errors.ts";
import type { OutputId } from "../../plan/types.ts";
import type { Execution, RecordDb } from "../../record/types.ts";
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

export async function logCommand(what: string, options: LogFlags): Promise<number> {
  const context = await contextOf(options);
  return withExisting(context, async ({ store, record }) => {
    const { output, name, execution: named } = await findOutput(context, record, what, "log");
    const execution = named ?? (await latest(record, output, options.attempt));
    if (execution === undefined) {
      const why =
        options.attempt === undefined
          ? `there is no log of ${name}: it never ran with this spec and these inputs`
          : `${name} has no attempt ${options.attempt} in its last run`;
      tell(new AlamodeError("no-log", why), false);
      return EXIT.failed;
    }
    const path = join(store.logDir, execution.log ?? `${execution.id}.log`);
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

/** Prints whole lines as they come, until the execution has ended or its run has died. */
async function follow(record: RecordDb, execution: Execution, path: string): Promise<void> {
  const reader = new LogReader(path);
  for (let running = true; running; ) {
    running = await isRunning(record, execution);
    for (const line of reader.read(!running)) process.stdout.write(`${line}\n`);
    if (running) await wait(LOOK_MS);
  }
}

async function isRunning(record: RecordDb, { id, run }: Execution): Promise<boolean> {
  return (await record.execution(id))?.outcome === "running" && (await record.isLive(run));
}

function tookText({ startedAt, endedAt }: Execution): string {
  return endedAt === undefined ? " so far" : ` (${duration(endedAt - startedAt)})`;
}

// What a step and its verification have in common: performing the command in its sandbox, and judging how it ended.
import { delimiter, dirname } from "node:path";
import type { Failure, Isolation } from "../record/types.ts";
import type { Ended, Executor } from "./executors/types.ts";
import { explain } from "./failure.ts";
import { type CappedLog, lastLines } from "./log.ts";
import type { Limits } from "./options.ts";
import type { Runnable } from "./runnable.ts";
import type { Sandbox } from "./sandbox/types.ts";
import { openMaskedLog } from "./secrets/masked-log.ts";
import type { StepSecrets } from "./secrets/secrets.ts";
import { missingOutput, type Staged } from "./staging.ts";
import { checkedArgv } from "./tools.ts";

/** How many of the log's last lines are looked at for the reason of a failure. */
const JUDGED_LINES = 50;

export interface CommandContext {
  readonly executor: Executor;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** Logs that are growing. */
  readonly logs: Set<CappedLog>;
}

export interface Command {
  /** The value of ALAMODE_STEP. */
  readonly step: string;
  readonly runnable: Runnable;
  readonly limits: Limits;
  readonly staged: Staged;
  readonly sandbox: Sandbox;
  /** What it is shut in. */
  readonly isolation: Isolation;
  /** Absolute paths of the inputs. */
  readonly inputs: readonly string[];
  readonly path: string;
  /** Absolute folder. */
  readonly slot: string;
  readonly log: CappedLog;
  readonly secrets: StepSecrets;
}

/** Performs a staged command; after it the log is finished. */
export async function performCommand(
  { executor, stop, kill, logs }: CommandContext,
  { step, runnable, limits, staged, sandbox, isolation, inputs, path, slot, log, secrets }: Command,
): Promise<Ended> {
  const { image, network, reads, tools } = runnable;
  const { env } = staged;
  const argv = checkedArgv(tools, runnable.argv);
  // What a sandbox lets be seen: folders of PATH, and those of programs that are named by their path.
  const programs = [
    path,
    ...[runnable.argv, ...tools.map(({ command }) => command)].map(([program]) => dirname(program!)),
  ];
  const masked = secrets.mask && openMaskedLog(log.file, slot, secrets.mask());
  logs.add(log);
  try {
    const wrapped = sandbox.wrap({
      argv,
      env,
      isolation,
      image,
      slot,
      inputs: [...inputs, ...reads],
      path: tools.length === 0 ? path : programs.join(delimiter),
      network,
    });
    const where = { cwd: staged.cwd, log: masked?.path ?? log.file, slot };
    return await executor.execute({ step, ...wrapped, ...where, ...limits }, stop, kill);
  } finally {
    masked?.finish();
    logs.delete(log);
    log.finish();
  }
}

/** The failure of a command that ended; undefined when it did what a success needs. */
export function judgeCommand(
  { runnable, limits, staged, sandbox, log }: Command,
  ended: Ended,
): Failure | undefined {
  const tail = log.kept ? lastLines(log.path, JUDGED_LINES) : [];
  const failure = explain({ ended, staged, runnable, limits, tail }) ?? missingOutput(staged, runnable);
  const { hint } = sandbox;
  if (failure === undefined || hint === undefined || ended.stoppedFor !== undefined) return failure;
  return { ...failure, hint: failure.hint === undefined ? hint : `${failure.hint}\n${hint}` };
}

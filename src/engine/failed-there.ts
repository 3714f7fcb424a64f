// A failure that another run had, told as this one's.
import type { Execution } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import type { TaskFailure } from "./events.ts";
import { lastLines, TAIL_LINES } from "./log.ts";
import type { StepRequest } from "./step-types.ts";

/** A failure in the run that this one waited for, as its own: how often it is tried again is this run's to say. */
export async function failedThere(
  stores: Stores,
  { failure, log, scratch, run, ...execution }: Execution,
  { attempt, options }: StepRequest,
): Promise<TaskFailure> {
  const path = log === undefined ? undefined : await stores.main.log(log);
  return {
    ...(failure ?? { kind: "exit", message: "failed" }),
    logTail: path === undefined ? [] : lastLines(path, TAIL_LINES),
    ...(path === undefined ? {} : { log: path }),
    ...(scratch === undefined ? {} : { scratch }),
    durationMs: (execution.endedAt ?? execution.startedAt) - execution.startedAt,
    attempt,
    attempts: options.retries + 1,
    failedIn: run,
  };
}

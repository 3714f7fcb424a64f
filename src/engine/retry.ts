// Whether a failed task is tried again, and when.
import type { TaskFailure } from "./events.ts";
import type { TaskOptions } from "./options.ts";

/** Longest pause between two attempts. */
const MAX_BACKOFF_MS = 60_000;

/** Milliseconds until the next attempt; undefined when there is none. */
export function retryInMs({ retries, backoff }: TaskOptions, failure: TaskFailure): number | undefined {
  if (failure.kind === "interrupted" || failure.attempt > retries) return undefined;
  return Math.min(backoff * 2 ** (failure.attempt - 1), MAX_BACKOFF_MS);
}

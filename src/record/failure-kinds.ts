// Which failures are the task's, and which only the run's.
import type { FailureKind } from "./types.ts";

/** Failures that say nothing about the task: whoever waited makes the output instead. */
export const NOT_THE_TASKS: readonly FailureKind[] = [
  "interrupted",
  "timeout",
  "memory",
  "abandoned",
  "source-changed",
  "source-unavailable",
  "store-unavailable",
];

// How long what is due will take, from what the record remembers.
import { availableParallelism } from "node:os";

/** The default of `--jobs`: the cores this process may use. */
export function defaultJobs(): number {
  return availableParallelism();
}

/**
 * Expected milliseconds for `tasks`, given the median duration of each that has a history; a task without one counts as
 * the mean of the others. Undefined when none has. Dependencies are not looked at, so it is a lower bound for chains.
 */
export function estimateMs(
  tasks: readonly string[],
  durations: ReadonlyMap<string, number>,
  jobs: number,
): number | undefined {
  const known = tasks.flatMap((task) => durations.get(task) ?? []);
  if (known.length === 0) return undefined;
  const sum = known.reduce((a, b) => a + b, 0);
  const longest = known.reduce((a, b) => Math.max(a, b)); // not Math.max(...known): a million arguments are too many
  return Math.max(((sum / known.length) * tasks.length) / Math.min(jobs, tasks.length), longest);
}

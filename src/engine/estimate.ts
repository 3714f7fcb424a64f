// How long what is due will take, from what the record remembers.
import { availableParallelism } from "node:os";
import type { PlanGraph } from "../plan/graph.ts";
import { criticalPaths } from "./critical-path.ts";

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
  const known = knownOf(tasks, durations);
  if (known.length === 0) return undefined;
  const longest = known.reduce((a, b) => Math.max(a, b)); // not Math.max(...known): a million arguments are too many
  return Math.max((meanOf(known) * tasks.length) / Math.min(jobs, tasks.length), longest);
}

/** The same for the due nodes of a plan, whose names are those of their tasks: no less than their longest chain takes. */
export function estimateDueMs(
  graph: PlanGraph,
  due: ReadonlyMap<number, string>,
  durations: ReadonlyMap<string, number>,
  jobs: number,
): number | undefined {
  const tasks = [...due.values()];
  const spread = estimateMs(tasks, durations, jobs);
  if (spread === undefined) return undefined;
  const usual = meanOf(knownOf(tasks, durations));
  const paths = criticalPaths(graph, (node) => {
    const task = due.get(node);
    return task === undefined ? 0 : (durations.get(task) ?? usual);
  });
  return paths.reduce((a, b) => Math.max(a, b), spread);
}

function knownOf(tasks: readonly string[], durations: ReadonlyMap<string, number>): number[] {
  return tasks.flatMap((task) => durations.get(task) ?? []);
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}

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
  const known = tasks.flatMap((task) => durations.get(task) ?? []);
  if (known.length === 0) return undefined;
  const sum = known.reduce((a, b) => a + b, 0);
  const longest = known.reduce((a, b) => Math.max(a, b)); // not Math.max(...known): a million arguments are too many
  return Math.max(((sum / known.length) * tasks.length) / Math.min(jobs, tasks.length), longest);
}

/** The same for the due nodes of a plan, whose names are those of their tasks: no less than their longest chain takes. */
export function estimateDueMs(
  graph: PlanGraph,
  due: ReadonlyMap<number, string>,
  durations: ReadonlyMap<string, number>,
  jobs: number,
): number | undefined {
  const spread = estimateMs([...due.values()], durations, jobs);
  if (spread === undefined) return undefined;
  const known = [...due.values()].flatMap((task) => durations.get(task) ?? []);
  const usual = known.reduce((a, b) => a + b, 0) / known.length;
  const paths = criticalPaths(graph, (node) => {
    const task = due.get(node);
    return task === undefined ? 0 : (durations.get(task) ?? usual);
  });
  return paths.reduce((a, b) => Math.max(a, b), spread);
}

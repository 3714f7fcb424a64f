// How much work hangs on each task: what is first on the longest way to the end should not wait.
import type { PlanGraph } from "../plan/graph.ts";

/**
 * For each node how long the longest chain from it down takes, itself included, if each task takes as long as `durationOf` says; one
 * of which it knows nothing as long as the mean of the others. Without any durations it counts tasks.
 */
export function criticalPaths(
  graph: PlanGraph,
  durationOf: (node: number) => number | undefined,
): Float64Array {
  let sum = 0;
  let known = 0;
  for (const node of graph.order) {
    const ms = graph.isTask(node) ? durationOf(node) : undefined;
    if (ms === undefined) continue;
    sum += ms;
    known++;
  }
  const usual = known === 0 ? 1 : sum / known;
  const paths = new Float64Array(graph.outputs.length);
  for (let at = graph.order.length - 1; at >= 0; at--) {
    const node = graph.order[at]!;
    let longest = 0;
    for (const dependent of graph.dependents(node)) longest = Math.max(longest, paths[dependent]!);
    paths[node] = longest + (graph.isTask(node) ? (durationOf(node) ?? usual) : 0);
  }
  return paths;
}

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
  const known = [...graph.order].flatMap((node) =>
    graph.names(node).length === 0 ? [] : (durationOf(node) ?? []),
  );
  const usual = known.length === 0 ? 1 : known.reduce((sum, ms) => sum + ms, 0) / known.length;
  const paths = new Float64Array(graph.outputs.length);
  for (let at = graph.order.length - 1; at >= 0; at--) {
    const node = graph.order[at]!;
    let longest = 0;
    for (const dependent of graph.dependents(node)) longest = Math.max(longest, paths[dependent]!);
    const made = graph.names(node).length > 0; // else by another pipeline
    paths[node] = longest + (made ? (durationOf(node) ?? usual) : 0);
  }
  return paths;
}

// All that lies above some nodes, without recursion.
import type { PlanGraph } from "../plan/graph.ts";

export interface Closure {
  readonly nodes: ReadonlySet<number>;
  /** How many tasks these are: several may share one output. */
  readonly tasks: number;
}

/** The nodes and everything above them. Linear in nodes and dependencies. */
export function closure(graph: PlanGraph, from: readonly number[]): Closure {
  const nodes = new Set(from);
  let tasks = 0;
  // A Set is walked in the order of insertion, and what is added meanwhile is walked too.
  for (const node of nodes) {
    tasks += graph.names(node).length;
    for (const input of graph.inputs(node)) nodes.add(input);
  }
  return { nodes, tasks };
}

// Early cut-off (promise 7): a due node whose inputs are all done may have been made before, from the same bytes under other
// names. Pure, like decide: it asks, one question a layer, and never looks itself.
import type { PlanGraph } from "../plan/graph.ts";
import type { Success } from "../record/types.ts";
import type { Cause, Decision } from "./decide.ts";

/** "Was this made before?" `inputs`: what each input node would be read as. */
export interface Asked {
  readonly node: number;
  readonly inputs: ReadonlyMap<number, Success>;
}

export interface CutOff extends Decision {
  /** Nodes for which an earlier success stands (in `done` too), in an order in which inputs come first. */
  readonly same: readonly number[];
}

/**
 * Yields the due nodes whose inputs are all done, layer by layer; is answered with the success that stands for each, or
 * undefined. `force`: nodes to run whatever was made before.
 */
export function* cutOff(
  graph: PlanGraph,
  decision: Decision,
  force: ReadonlySet<number> = new Set(),
): Generator<readonly Asked[], CutOff, readonly (Success | undefined)[]> {
  const due = new Map<number, Cause>(decision.due);
  const done = new Map<number, Success>(decision.done);
  const same: number[] = [];
  let layer: readonly number[] = [...due.keys()];
  while (layer.length > 0) {
    const asked = layer.flatMap((node) => {
      const inputs = due.has(node) && !force.has(node) ? inputsOf(graph, node, due, done) : undefined;
      return inputs === undefined ? [] : [{ node, inputs }];
    });
    if (asked.length === 0) break;
    const answers = yield asked;
    const next = new Set<number>();
    for (const [i, { node }] of asked.entries()) {
      const success = answers[i];
      if (success === undefined) continue;
      due.delete(node);
      done.set(node, success);
      same.push(node);
      for (const dependent of graph.dependents(node)) if (due.has(dependent)) next.add(dependent);
    }
    layer = [...next];
  }
  return { due, done, same };
}

function inputsOf(
  graph: PlanGraph,
  node: number,
  due: ReadonlyMap<number, Cause>,
  done: ReadonlyMap<number, Success>,
): ReadonlyMap<number, Success> | undefined {
  if (graph.names(node).length === 0) return undefined; // made elsewhere: its spec is not known here
  const inputs = new Map<number, Success>();
  for (const input of graph.inputs(node)) {
    const success = due.has(input) ? undefined : done.get(input);
    if (success === undefined) return undefined;
    inputs.set(input, success);
  }
  return inputs;
}

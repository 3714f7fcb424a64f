// A plan as the engine walks it: nodes are outputs, numbered, and edges lie in flat arrays, so that a million tasks fit.
import { AlamodeError } from "../errors.ts";
import { unknownTask } from "./task-names.ts";
import type { OutputId, Plan } from "./types.ts";

/** An input that no task of the plan makes. */
export interface ExternalInput {
  readonly task: string;
  readonly dependency: string;
  readonly output: OutputId;
}

export function graphOf(plan: Plan): PlanGraph {
  return new PlanGraph(plan);
}

/**
 * Tasks of one output are one node. Nodes are numbered from 0 by the first task of each, in the plan's order; external
 * inputs are nodes too, without names or inputs, numbered after all others.
 */
export class PlanGraph {
  /** Each node's output. */
  readonly outputs: readonly OutputId[];
  /** All nodes, each after those it depends on. */
  readonly order: Int32Array;
  readonly external: readonly ExternalInput[];
  readonly #plan: Plan;
  readonly #nodes = new Map<OutputId, number>();
  /** The first task of each node that has any; more of them are rare. */
  readonly #names: string[] = [];
  readonly #moreNames = new Map<number, string[]>();
  readonly #inputs: Edges;
  readonly #dependents: Edges;

  constructor(plan: Plan) {
    this.#plan = plan;
    const outputs: OutputId[] = [];
    const external: ExternalInput[] = [];
    for (const name of Object.keys(plan.tasks)) {
      const { output } = plan.tasks[name]!;
      const node = this.#nodes.get(output);
      if (node === undefined) {
        this.#nodes.set(output, outputs.length);
        outputs.push(output);
        this.#names.push(name);
      } else {
        const more = this.#moreNames.get(node);
        if (more === undefined) this.#moreNames.set(node, [name]);
        else more.push(name);
      }
    }
    this.outputs = outputs;
    this.external = external;
    this.#inputs = this.#inputEdges(outputs, external);
    this.#dependents = reversed(this.#inputs);
    this.order = ordered(this.#inputs, this.#dependents);
  }

  /** The node of an output; undefined where the plan does not name it. */
  node(output: OutputId): number | undefined {
    return this.#nodes.get(output);
  }

  /** Names of the tasks that nothing in the plan depends on, in the plan's order: what a run is for unless told otherwise. */
  goals(): string[] {
    const { tasks } = this.#plan;
    const { starts } = this.#dependents;
    return Object.keys(tasks).filter((name) => {
      const node = this.#nodes.get(tasks[name]!.output)!;
      return starts[node] === starts[node + 1];
    });
  }

  /** How many nodes are tasks of the plan. */
  get tasks(): number {
    return this.#names.length;
  }

  /** Whether a task of the plan makes it, and not another pipeline. */
  isTask(node: number): boolean {
    return node < this.#names.length;
  }

  /** The node of a task. Throws `unknown-task`. */
  nodeOf(task: string): number {
    const planned = this.#plan.tasks[task];
    if (planned === undefined) throw unknownTask(task, Object.keys(this.#plan.tasks));
    return this.#nodes.get(planned.output)!;
  }

  /** Names of the tasks whose output the node is; none for an external one. */
  names(node: number): readonly string[] {
    const first = this.#names[node];
    return first === undefined ? [] : [first, ...(this.#moreNames.get(node) ?? [])];
  }

  /** The nodes it depends on, each once, in the order of the dependencies. */
  inputs(node: number): Int32Array {
    return edgesOf(this.#inputs, node);
  }

  /** The nodes that depend on it, each once, in the order of their numbers. */
  dependents(node: number): Int32Array {
    return edgesOf(this.#dependents, node);
  }

  /** Numbers external inputs as it meets them. */
  #inputEdges(outputs: OutputId[], external: ExternalInput[]): Edges {
    const { tasks } = this.#plan;
    let targets = new Int32Array(4 * this.#names.length);
    const starts: number[] = [0];
    const lastSeenBy: number[] = outputs.map(() => -1);
    let count = 0;
    for (const [node, task] of this.#names.entries()) {
      const { inputs } = tasks[task]!;
      for (const dependency of Object.keys(inputs)) {
        const output = inputs[dependency]!;
        let target = this.#nodes.get(output);
        if (target === undefined) {
          target = outputs.length;
          this.#nodes.set(output, target);
          outputs.push(output);
        }
        if (target >= this.#names.length) external.push({ task, dependency, output });
        if (lastSeenBy[target] === node) continue;
        lastSeenBy[target] = node;
        if (count === targets.length) {
          const more = new Int32Array(2 * count + 16);
          more.set(targets);
          targets = more;
        }
        targets[count++] = target;
      }
      starts.push(count);
    }
    while (starts.length <= outputs.length) starts.push(count);
    return { starts: Int32Array.from(starts), targets: targets.subarray(0, count) };
  }
}

/** `targets` of node n lie from `starts[n]` to `starts[n + 1]`. */
interface Edges {
  readonly starts: Int32Array;
  readonly targets: Int32Array;
}

function edgesOf({ starts, targets }: Edges, node: number): Int32Array {
  return targets.subarray(starts[node], starts[node + 1]);
}

function reversed({ starts, targets }: Edges): Edges {
  const size = starts.length - 1;
  const back = new Int32Array(size + 1);
  for (const target of targets) back[target + 1]!++;
  for (let node = 0; node < size; node++) back[node + 1]! += back[node]!;
  const next = back.slice(0, size);
  const sources = new Int32Array(targets.length);
  for (let node = 0; node < size; node++) {
    for (let edge = starts[node]!; edge < starts[node + 1]!; edge++) sources[next[targets[edge]!]!++] = node;
  }
  return { starts: back, targets: sources };
}

function ordered(inputs: Edges, dependents: Edges): Int32Array {
  const size = inputs.starts.length - 1;
  const waitsFor = new Int32Array(size);
  const order = new Int32Array(size);
  let known = 0;
  for (let node = 0; node < size; node++) {
    waitsFor[node] = inputs.starts[node + 1]! - inputs.starts[node]!;
    if (waitsFor[node] === 0) order[known++] = node;
  }
  const { starts, targets } = dependents;
  for (let at = 0; at < known; at++) {
    const node = order[at]!;
    for (let edge = starts[node]!; edge < starts[node + 1]!; edge++) {
      const dependent = targets[edge]!;
      if (--waitsFor[dependent]! === 0) order[known++] = dependent;
    }
  }
  if (known === size) return order;
  throw new AlamodeError(
    "plan-mismatch",
    "tasks of the plan depend on each other in a circle, so its IDs are wrong.",
    {
      hint: "Encode the plan again.",
    },
  );
}

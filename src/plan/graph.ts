// A plan as the engine walks it: nodes are outputs, numbered, and edges lie in flat arrays, so that a million tasks fit.
import { AlamodeError } from "../errors.ts";
import type { OutputId, Plan } from "./types.ts";

/** An input that no task of the plan makes. */
export interface ExternalInput {
  readonly task: string;
  readonly dependency: string;
  readonly output: OutputId;
}

/** Nodes are numbered from 0, by the first task of each output, in the plan's order. */
export class PlanGraph {
  /** Each node's output. */
  readonly outputs: readonly OutputId[];
  /** Each node's first task; others of the same output are in `names`. */
  readonly tasks: readonly string[];
  /** All nodes, each after all it depends on. */
  readonly order: Int32Array;
  readonly external: readonly ExternalInput[];
  readonly #nodes: ReadonlyMap<OutputId, number>;
  readonly #moreNames: ReadonlyMap<number, readonly string[]>;
  readonly #inputs: Edges;
  readonly #dependents: Edges;

  constructor(plan: Plan) {
    const outputs: OutputId[] = [];
    const tasks: string[] = [];
    const nodes = new Map<OutputId, number>();
    const moreNames = new Map<number, string[]>();
    for (const name of Object.keys(plan.tasks)) {
      const { output } = plan.tasks[name]!;
      const node = nodes.get(output);
      if (node === undefined) {
        nodes.set(output, outputs.length);
        outputs.push(output);
        tasks.push(name);
      } else {
        moreNames.set(node, [...(moreNames.get(node) ?? []), name]);
      }
    }
    this.outputs = outputs;
    this.tasks = tasks;
    this.#nodes = nodes;
    this.#moreNames = moreNames;
    const external: ExternalInput[] = [];
    this.#inputs = inputEdges(plan, tasks, nodes, external);
    this.external = external;
    this.#dependents = reversed(this.#inputs);
    this.order = ordered(this.#inputs, this.#dependents);
  }

  /** The node that makes `output`; undefined where no task of the plan does. */
  node(output: OutputId): number | undefined {
    return this.#nodes.get(output);
  }

  /** Names of the tasks whose output the node is. */
  names(node: number): readonly string[] {
    return [this.tasks[node]!, ...(this.#moreNames.get(node) ?? [])];
  }

  /** The nodes it depends on, each once. External inputs are not among them. */
  inputs(node: number): Int32Array {
    return edgesOf(this.#inputs, node);
  }

  /** The nodes that depend on it, each once, in their order. */
  dependents(node: number): Int32Array {
    return edgesOf(this.#dependents, node);
  }
}

export function graphOf(plan: Plan): PlanGraph {
  return new PlanGraph(plan);
}

/** Names of the tasks that nothing in the plan depends on, in the plan's order: what a run is for unless told otherwise. */
export function goalsOf(plan: Plan): string[] {
  const needed = new Set<OutputId>();
  for (const name of Object.keys(plan.tasks)) {
    const { inputs } = plan.tasks[name]!;
    for (const dependency of Object.keys(inputs)) needed.add(inputs[dependency]!);
  }
  return Object.keys(plan.tasks).filter((name) => !needed.has(plan.tasks[name]!.output));
}

/** `targets` of node n lie from `starts[n]` to `starts[n + 1]`. */
interface Edges {
  readonly starts: Int32Array;
  readonly targets: Int32Array;
}

function edgesOf({ starts, targets }: Edges, node: number): Int32Array {
  return targets.subarray(starts[node], starts[node + 1]);
}

function inputEdges(
  plan: Plan,
  tasks: readonly string[],
  nodes: ReadonlyMap<OutputId, number>,
  external: ExternalInput[],
): Edges {
  let most = 0;
  for (const task of tasks) most += Object.keys(plan.tasks[task]!.inputs).length;
  const starts = new Int32Array(tasks.length + 1);
  const targets = new Int32Array(most);
  const lastSeenBy = new Int32Array(tasks.length).fill(-1);
  let count = 0;
  for (let node = 0; node < tasks.length; node++) {
    const task = tasks[node]!;
    const { inputs } = plan.tasks[task]!;
    for (const dependency of Object.keys(inputs)) {
      const output = inputs[dependency]!;
      const target = nodes.get(output);
      if (target === undefined) {
        external.push({ task, dependency, output });
      } else if (lastSeenBy[target] !== node) {
        lastSeenBy[target] = node;
        targets[count++] = target;
      }
    }
    starts[node + 1] = count;
  }
  return { starts, targets: targets.slice(0, count) };
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
  for (let at = 0; at < known; at++) {
    for (const dependent of edgesOf(dependents, order[at]!)) {
      if (--waitsFor[dependent]! === 0) order[known++] = dependent;
    }
  }
  if (known < size) {
    throw new AlamodeError("plan-mismatch", "the plan's tasks depend on each other in a circle, which true IDs cannot.", {
      hint: "Encode the plan again.",
    });
  }
  return order;
}

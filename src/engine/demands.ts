// The isolation that each task of a plan is made in, and what a success of it must have to count (promise 1): its own, and
// that of all above it.
import type { PlanGraph } from "../plan/graph.ts";
import type { OutputId, Plan, PlanTask } from "../plan/types.ts";
import { containerIsolation, DATA, isolationOver } from "../record/isolation.ts";
import type { Isolation, RecordDb } from "../record/types.ts";
import { plannedDigest } from "./images.ts";
import type { PlanSandboxes } from "./sandbox/sandboxes.ts";

export class Demands {
  readonly #plan: Plan;
  readonly #graph: PlanGraph;
  readonly #sandboxes: PlanSandboxes;
  readonly #external: ReadonlyMap<OutputId, Isolation>;
  #demanded: Isolation[] | undefined;

  /** `external`: what there is of inputs that no task of the plan makes. */
  constructor(
    plan: Plan,
    graph: PlanGraph,
    sandboxes: PlanSandboxes,
    external: ReadonlyMap<OutputId, Isolation> = new Map(),
  ) {
    this.#plan = plan;
    this.#graph = graph;
    this.#sandboxes = sandboxes;
    this.#external = external;
  }

  /** What the task's command is shut in. A container whose image is not known here has a name that nothing has. */
  own(task: PlanTask): Isolation {
    if (task["source"] !== undefined) return DATA;
    const { kind } = this.#sandboxes.of(task);
    return kind === "container" ? containerIsolation(plannedDigest(this.#plan, task) ?? "unknown") : kind;
  }

  /** What a success of the output must have, at least. */
  of(output: OutputId): Isolation {
    const { one } = this.#sandboxes;
    if (one !== undefined && one !== "container") return one; // what each has, all above it have
    this.#demanded ??= this.#all();
    return this.#demanded[this.#graph.node(output)!] ?? "container";
  }

  #all(): Isolation[] {
    const demanded: Isolation[] = [];
    for (const node of this.#graph.order) {
      const [name] = this.#graph.names(node);
      const inputs = [...this.#graph.inputs(node)].map((input) => demanded[input]!);
      demanded[node] =
        name === undefined
          ? (this.#external.get(this.#graph.outputs[node]!) ?? "container")
          : isolationOver(this.own(this.#plan.tasks[name]!), inputs);
    }
    return demanded;
  }
}

/** The demands of a plan whose images are pinned. */
export async function demandsOf(
  plan: Plan,
  graph: PlanGraph,
  sandboxes: PlanSandboxes,
  record: RecordDb,
): Promise<Demands> {
  if (sandboxes.one !== undefined && sandboxes.one !== "container")
    return new Demands(plan, graph, sandboxes);
  const found = await record.successes(graph.external.map(({ output }) => output));
  const external = new Map([...found].map(([output, { isolation }]) => [output, isolation]));
  return new Demands(plan, graph, sandboxes, external);
}

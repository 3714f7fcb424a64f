// The sandboxes of a run: each task is shut in the one that was asked for, else in the one that its options name, else in the usual one.
import type { PlanGraph } from "../../plan/graph.ts";
import type { Plan, PlanTask } from "../../plan/types.ts";
import type { ConfiguredOptions } from "../options.ts";
import { openSandbox } from "./open.ts";
import type { Sandbox, SandboxKind } from "./types.ts";

export interface SandboxesOptions {
  /** For all tasks, whatever their options say. */
  readonly sandbox?: string | undefined;
  /** For those whose options say nothing; `none` if absent. */
  readonly usualSandbox?: string | undefined;
}

/** Which sandbox each task of one plan is shut in. */
export interface PlanSandboxes {
  /** The one for all, if it is one. */
  readonly one: SandboxKind | undefined;
  /** Whether any is of that kind. */
  has(kind: SandboxKind): boolean;
  of(task: PlanTask): Sandbox;
}

export class Sandboxes {
  readonly #configured: ConfiguredOptions;
  readonly #options: SandboxesOptions;
  readonly #opened = new Map<string, Promise<Sandbox>>();

  constructor(configured: ConfiguredOptions, options: SandboxesOptions) {
    this.#configured = configured;
    this.#options = options;
  }

  /**
   * Opens those that the tasks of a plan are shut in. `prefix`: what the tasks' names begin with where patterns are held against
   * them. Throws `unknown-sandbox`, `sandbox-unavailable`.
   */
  async open(plan: Plan, graph: PlanGraph, prefix = ""): Promise<PlanSandboxes> {
    const { sandbox: demanded, usualSandbox = "none" } = this.#options;
    const usual = await this.#open(demanded ?? usualSandbox);
    const others = new Map<number, Sandbox>();
    if (demanded === undefined) {
      for (const task of this.#configured.tasksWith(plan, "sandbox", prefix)) {
        const node = graph.nodeOf(task);
        if (graph.names(node)[0] !== task) continue; // tasks of one output are run as the first of them
        const { sandbox } = this.#configured.of(plan, task, prefix + task);
        if (sandbox !== undefined) others.set(node, await this.#open(sandbox));
      }
    }
    const kinds = new Set([...others.values()].map(({ kind }) => kind));
    if (others.size < graph.tasks) kinds.add(usual.kind);
    return {
      one: kinds.size === 1 ? [...kinds][0] : undefined,
      has: (kind) => kinds.has(kind),
      of: ({ output }) => others.get(graph.node(output)!) ?? usual,
    };
  }

  #open(kind: string): Promise<Sandbox> {
    const opened = this.#opened.get(kind) ?? openSandbox(kind);
    this.#opened.set(kind, opened);
    return opened;
  }
}

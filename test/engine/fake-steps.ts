// Steps that do nothing until the test says how they end, for the scheduler's tests.
import assert from "node:assert/strict";
import type { TaskFailure } from "../../src/engine/events.ts";
import type { NodeState } from "../../src/engine/node-state.ts";
import { type Schedule, type StateDetails, schedule, type Take } from "../../src/engine/scheduler.ts";
import { StartQueue } from "../../src/engine/start-queue.ts";
import type { StepOutcome } from "../../src/engine/step-types.ts";
import { graphOf, type PlanGraph } from "../../src/plan/graph.ts";
import type { Plan } from "../../src/plan/types.ts";
import type { Holder, Success } from "../../src/record/types.ts";

export interface Change {
  readonly task: string;
  readonly state: NodeState;
  readonly details: StateDetails;
}

/** A schedule that is under way. Tasks are told apart by their names. */
export class FakeSteps {
  readonly graph: PlanGraph;
  readonly plan: Plan;
  /** Tasks in the order in which they were taken, one entry for each time. */
  readonly taken: string[] = [];
  readonly takes: (Take & { readonly task: string })[] = [];
  readonly changes: Change[] = [];
  readonly over: Promise<Record<string, NodeState>>;
  readonly stop = new AbortController();
  readonly #underWay = new Map<string, (outcome: StepOutcome | Error) => void>();
  #successes = 0;

  constructor(
    plan: Plan,
    options: Partial<Omit<Schedule, "graph" | "onState" | "due">> & { due?: string[] } = {},
  ) {
    this.plan = plan;
    this.graph = graphOf(plan);
    const { due = Object.keys(plan.tasks), ...rest } = options;
    this.over = schedule({
      graph: this.graph,
      due: due.map((task) => this.node(task)),
      done: new Map(),
      queue: slots(["slot0", "slot1"]),
      asks: () => new Map(),
      rank: () => ({ priority: 0, path: 0 }),
      expand: () => Promise.reject(new Error("nothing was to be expanded")),
      keepGoing: false,
      stop: this.stop.signal,
      take: (request) => this.#take(request),
      same: async () => new Map(),
      again: () => Promise.reject(new Error("nothing was to be decided again")),
      retryInMs: () => undefined,
      pollMs: 250,
      onEnd: () => () => {},
      onState: (node, state, details) => this.changes.push({ task: this.#name(node), state, details }),
      ...rest,
    }).then((states) => Object.fromEntries([...states].map(([node, state]) => [this.#name(node), state])));
    this.over.catch(() => {}); // whoever awaits it sees the error
  }

  node(task: string): number {
    return this.graph.nodeOf(task);
  }

  /** Tasks under way, in the order in which they were taken. */
  get running(): string[] {
    return [...this.#underWay.keys()];
  }

  /** Ends a task that is under way, and returns when the scheduler has done all that follows. */
  async end(task: string, outcome: StepOutcome | Error = { ...ran, success: this.success() }): Promise<void> {
    const settle = this.#underWay.get(task);
    assert.ok(settle, `${task} is not under way`);
    this.#underWay.delete(task);
    settle(outcome);
    await quiet();
  }

  success(): Success {
    return { id: ++this.#successes } as Success;
  }

  async #take(request: Take): Promise<StepOutcome> {
    const task = this.#name(request.node);
    assert.ok(!this.#underWay.has(task), `${task} is under way already`);
    for (const input of this.graph.inputs(request.node))
      assert.ok(request.success(input), `${task} has no input`);
    this.taken.push(task);
    this.takes.push({ ...request, task });
    const outcome = await new Promise<StepOutcome | Error>((resolve) => this.#underWay.set(task, resolve));
    if (outcome instanceof Error) throw outcome;
    return outcome;
  }

  #name(node: number): string {
    return this.graph.names(node)[0]!;
  }
}

/** A queue in which a task takes its slot and nothing else. */
export function slots(names: readonly string[]): StartQueue {
  return new StartQueue(names, { amounts: new Map(), gpus: [] });
}

const ran = { kind: "ran", attempt: 1, durationMs: 1 } as const;

export function failure(kind: TaskFailure["kind"] = "exit", attempt = 1): StepOutcome & { kind: "failed" } {
  return {
    kind: "failed",
    execution: "e-1",
    failure: { kind, message: kind, logTail: [], durationMs: 1, attempt, attempts: attempt },
  };
}

export function held(execution: string): StepOutcome {
  return { kind: "held", holder: { execution } as Holder };
}

/** Resolves when all that was ready to go on has gone on. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

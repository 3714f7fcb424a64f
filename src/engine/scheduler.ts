// The one loop: start what is ready, wait for something to arrive, take note of it. A node is in exactly one state, and
// one function changes it. Knows no record and no store: what a step does is `take`'s business.
import type { PlanGraph } from "../plan/graph.ts";
import type { ExecutionId, Success } from "../record/types.ts";
import type { TaskFailure } from "./events.ts";
import type { Amounts } from "./machine.ts";
import { DONE, type Entry, FRESH, hasEnded, type NodeState } from "./node-state.ts";
import type { RunQueue } from "./shared-queue.ts";
import type { Grant, Rank } from "./start-queue.ts";
import type { StepOutcome } from "./step-types.ts";

/** What one step needs from the loop. */
export interface Take {
  readonly node: number;
  readonly attempt: number;
  readonly grant: Grant;
  readonly waitedFor?: ExecutionId;
  /** To be told when its command runs no more, and how long it took: another may run while this one's output is committed. */
  over(commandMs: number): void;
  /** Whether another is to start as soon as one runs no more. */
  pressing(): boolean;
  /** Success of each node above it. */
  success(node: number): Success;
}

export interface Schedule {
  readonly graph: PlanGraph;
  /** Nodes to run. */
  readonly due: Iterable<number>;
  /** Nodes that need not be run and are inputs of due ones. */
  readonly done: ReadonlyMap<number, Success>;
  /** Where all plans of the run wait for their turn. */
  readonly queue: RunQueue;
  readonly keepGoing: boolean;
  readonly stop: AbortSignal;
  /** What an attempt (from 1) takes of the machine. */
  asks(node: number, attempt: number): Amounts;
  rank(node: number): Rank;
  take(request: Take): Promise<StepOutcome>;
  /** Performs the plan that a node wrote, which holds no slot meanwhile. Its outcome is the node's. */
  expand(
    node: number,
    expanded: StepOutcome & { readonly kind: "expanded" },
    success: (node: number) => Success,
  ): Promise<StepOutcome>;
  /**
   * Of nodes whose inputs are all done: those for which an earlier success stands. Asked once for all that have become ready
   * since it was last asked.
   */
  same(nodes: readonly number[], success: (node: number) => Success): Promise<ReadonlyMap<number, Success>>;
  /** Decides anew for a node whose bytes turned out to be gone: which nodes must run, and which are there. */
  again(
    node: number,
  ): Promise<{ readonly due: Iterable<number>; readonly done: ReadonlyMap<number, Success> }>;
  /** Milliseconds until the next attempt, or undefined when there is none. */
  retryInMs(node: number, failure: TaskFailure): number | undefined;
  /** How long a node waits at most, in ms, until it is asked again whether another run still makes it. */
  readonly pollMs: number;
  /** Calls `ended` when that execution may have ended, if anybody tells. Returns what calls it off. */
  onEnd(execution: ExecutionId, ended: () => void): () => void;
  /** Told of each change of state. */
  onState(node: number, state: NodeState, details: StateDetails): void;
}

/** What brought a change of state about. */
export interface StateDetails {
  readonly outcome?: StepOutcome;
  /** Milliseconds until the next attempt. */
  readonly retryInMs?: number;
  /** The node whose failure keeps this one from starting. */
  readonly because?: number;
}

/** A task that goes ahead and has waited for so long gives its lease back: what runs is not as short as what ran before. */
const MOST_AHEAD_MS = 1_000;

/** How often an input may turn out to be gone before its dependent fails for it. */
const MAX_INPUTS_LOST = 3;

/** Runs the due nodes. Resolves to the state of each when nothing more can be started and nothing is under way. */
export async function schedule(request: Schedule): Promise<ReadonlyMap<number, NodeState>> {
  const { graph, stop, keepGoing, queue } = request;
  const entries = new Map<number, Entry>();
  /** Of nodes that another waits for. What nobody waits for any more is dropped; who is decided on anew brings it again. */
  const successes = new Map(request.done);
  /** How many dependents of each node have not ended. */
  const waitedForBy = new Int32Array(graph.outputs.length);
  /** How many inputs of each node are not done. */
  const missing = new Int32Array(graph.outputs.length);
  const ready: number[] = [];
  let nextReady = 0;
  let looked = 0;
  let queued = 0;
  /** What calls off the wait of each node that is to start again later. */
  const timers = new Map<number, () => void>();
  let running = 0;
  let expanding = 0;
  let halted = false;
  let fatal: { error: unknown } | undefined;
  let wake: () => void = () => {};
  let arrivals: (() => void)[] = [];
  const arrive = (arrival: () => void) => {
    arrivals.push(arrival);
    wake();
  };

  /** The only place where a node's state changes. */
  function set(node: number, state: NodeState, details: StateDetails = {}) {
    let entry = entries.get(node)!;
    const hadEnded = hasEnded(entry.state);
    if (entry === FRESH || entry === DONE) {
      entry = { ...entry };
      entries.set(node, entry);
    }
    entry.state = state;
    if (state === "ready") ready.push(node);
    else leaveQueue(entry);
    if (hasEnded(state) && !hadEnded) {
      letInputsGo(node);
      if (state === "done" && entry.inputsLost === 0) entries.set(node, DONE);
    }
    request.onState(node, state, details);
  }

  function letInputsGo(node: number) {
    for (const input of graph.inputs(node)) if (--waitedForBy[input]! === 0) successes.delete(input);
  }

  function leaveQueue(entry: Entry) {
    if (entry.grant !== undefined) queue.recall(entry.grant);
    if (entry.waiting === undefined) return;
    queue.withdraw(entry.waiting);
    delete entry.waiting;
    queued--;
  }

  const isOpen = () => !halted && !stop.aborted && fatal === undefined;

  /** Nothing starts any more: not even when another plan's task makes room. */
  function close() {
    for (const entry of entries.values()) leaveQueue(entry);
  }

  function add(due: Iterable<number>, done: ReadonlyMap<number, Success>) {
    for (const [node, success] of done) {
      const state = entries.get(node)?.state;
      if (state === undefined || state === "done") successes.set(node, success);
    }
    const fresh = [...due].filter((node) => {
      const entry = entries.get(node);
      return entry === undefined || entry.state === "done";
    });
    for (const node of fresh) {
      successes.delete(node);
      for (const input of graph.inputs(node)) waitedForBy[input]!++;
      const inputsLost = entries.get(node)?.inputsLost ?? 0;
      entries.set(node, inputsLost === 0 ? FRESH : { ...FRESH, inputsLost });
    }
    // What was ready or waiting may wait for more now.
    const affected = new Set(fresh);
    for (const node of fresh) for (const dependent of graph.dependents(node)) affected.add(dependent);
    for (const node of affected) recount(node);
  }

  function recount(node: number) {
    const entry = entries.get(node);
    if (entry === undefined || (entry.state !== "waiting" && entry.state !== "ready")) return;
    let count = 0;
    for (const input of graph.inputs(node)) if (!successes.has(input)) count++;
    missing[node] = count;
    if (count === 0 && entry.state === "waiting") set(node, "ready");
    else if (count > 0 && entry.state === "ready") set(node, "waiting");
  }

  function finished(node: number, success: Success, outcome: StepOutcome) {
    if (waitedForBy[node]! > 0) successes.set(node, success);
    set(node, "done", { outcome });
    for (const dependent of graph.dependents(node)) {
      if (entries.get(dependent)?.state === "waiting" && --missing[dependent]! === 0) set(dependent, "ready");
    }
  }

  function failed(node: number, outcome: StepOutcome & { kind: "failed" }) {
    const retryInMs = halted || stop.aborted ? undefined : request.retryInMs(node, outcome.failure);
    if (retryInMs !== undefined) {
      entries.get(node)!.attempt++;
      set(node, "retrying", { outcome, retryInMs });
      later(node, retryInMs);
      return;
    }
    set(node, "failed", { outcome });
    if (!keepGoing) {
      halted = true;
      close();
    }
    const below = [...graph.dependents(node)];
    for (let next = below.pop(); next !== undefined; next = below.pop()) {
      const state = entries.get(next)?.state;
      if (state === "retrying") set(next, "failed");
      else if (state === "waiting" || state === "ready" || state === "held")
        set(next, "notStarted", { because: node });
      else continue;
      timers.get(next)?.();
      timers.delete(next);
      for (const dependent of graph.dependents(next)) below.push(dependent);
    }
  }

  /**
   * Lets a node start again after a while, or when the execution it waits for ends; unless an input of it has gone meanwhile
   * and is being made again.
   */
  function later(node: number, ms: number, execution?: ExecutionId) {
    const over = () => {
      callOff();
      arrive(() => {
        if (timers.get(node) !== callOff) return;
        timers.delete(node);
        set(node, "waiting");
        recount(node);
      });
    };
    const timer = setTimeout(over, ms);
    const deaf = execution === undefined ? undefined : request.onEnd(execution, over);
    const callOff = () => {
      clearTimeout(timer);
      deaf?.();
    };
    timers.set(node, callOff);
  }

  function arrived(node: number, outcome: StepOutcome): void | Promise<void> {
    const entry = entries.get(node)!;
    switch (outcome.kind) {
      case "ran":
        return finished(node, outcome.stands ?? outcome.success, outcome);
      case "same":
      case "reused":
        return finished(node, outcome.success, outcome);
      case "look-again":
        set(node, "waiting", { outcome });
        return recount(node);
      case "failed":
        delete entry.waitedFor;
        return failed(node, outcome);
      case "held":
        entry.waitedFor = outcome.holder.execution;
        set(node, "held", { outcome });
        return later(node, Math.min(20 * 2 ** entry.polls++, request.pollMs), outcome.holder.execution);
      case "input-lost": {
        if (++entry.inputsLost > MAX_INPUTS_LOST) {
          const failure: TaskFailure = {
            kind: "input-damaged",
            message: `its inputs were damaged ${entry.inputsLost} times before it could start`,
            logTail: [],
            durationMs: 0,
            attempt: entry.attempt,
            attempts: entry.attempt,
          };
          return failed(node, { kind: "failed", failure, execution: "" });
        }
        const lost = [...graph.inputs(node)].filter((input) =>
          outcome.outputs.includes(graph.outputs[input]!),
        );
        set(node, "waiting");
        return Promise.all(lost.map(request.again)).then((decisions) => {
          for (const { due, done } of decisions) add(due, done);
          recount(node);
        });
      }
      case "expanded": {
        set(node, "expanded", { outcome });
        expanding++;
        return void settle(
          request.expand(node, outcome, (input) => successes.get(input)!),
          node,
          () => {
            expanding--;
          },
        );
      }
      default:
        return outcome satisfies never;
    }
  }

  /** Takes note of an outcome when it is there, and then of the end of what led to it. */
  function settle(coming: Promise<StepOutcome>, node: number, ended: () => void): void {
    coming
      .then((outcome) => arrived(node, outcome))
      .catch((error) => {
        fatal ??= { error };
        close();
      })
      .finally(() => arrive(ended));
  }

  /** Early cut-off of all that became ready since the last look, and of what becomes ready by that, layer by layer. */
  async function cutOff() {
    while (looked < ready.length) {
      const fresh = ready.slice(looked).filter((node) => entries.get(node)!.state === "ready");
      looked = ready.length;
      if (fresh.length === 0) continue;
      for (const [node, success] of await request.same(fresh, (input) => successes.get(input)!)) {
        // What stands for no other is what another run has made meanwhile.
        arrived(node, { kind: success.aliasOf === undefined ? "reused" : "same", success });
      }
    }
  }

  function enqueue(node: number) {
    const entry = entries.get(node)!;
    if (entry.state !== "ready" || entry.waiting !== undefined) return;
    entry.waiting = {
      rank: request.rank(node),
      asks: request.asks(node, entry.attempt),
      start: (grant) => start(node, grant),
    };
    queued++;
    queue.offer(entry.waiting);
  }

  function start(node: number, grant: Grant) {
    const entry = entries.get(node)!;
    set(node, "running");
    entry.grant = grant;
    running++;
    if (grant.turn !== undefined) {
      const timer = setTimeout(() => queue.recall(grant), MOST_AHEAD_MS);
      grant.turn.then(() => clearTimeout(timer));
    }
    const taken = request.take({
      node,
      attempt: entry.attempt,
      grant,
      over(commandMs) {
        queue.over(grant, commandMs);
        arrive(() => {});
      },
      pressing: () => queue.pressing,
      ...(entry.waitedFor === undefined ? {} : { waitedFor: entry.waitedFor }),
      success: (input) => successes.get(input)!,
    });
    settle(taken, node, () => {
      running--;
      queue.giveBack(grant);
    });
  }

  const onStop = () => {
    close();
    arrive(() => {});
  };
  stop.addEventListener("abort", onStop);
  try {
    add(request.due, request.done);
    for (;;) {
      if (isOpen()) await cutOff();
      if (isOpen()) {
        while (nextReady < ready.length) enqueue(ready[nextReady++]!);
      } else {
        for (const callOff of timers.values()) callOff();
        timers.clear();
      }
      if (nextReady > 4096) {
        ready.splice(0, nextReady);
        looked -= nextReady;
        nextReady = 0;
      }
      queue.startAll();
      // What is queued still waits for what another plan's tasks have taken.
      if (running === 0 && expanding === 0 && timers.size === 0 && queued === 0) break;
      if (arrivals.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const now = arrivals;
      arrivals = [];
      for (const arrival of now) arrival();
    }
  } finally {
    stop.removeEventListener("abort", onStop);
    close();
    for (const callOff of timers.values()) callOff();
  }
  const states = new Map<number, NodeState>();
  for (const [node, { state }] of entries) {
    if (!hasEnded(state)) set(node, state === "retrying" ? "failed" : "notStarted");
    states.set(node, entries.get(node)!.state);
  }
  if (fatal !== undefined) throw fatal.error;
  return states;
}

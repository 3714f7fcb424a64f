// What the loop knows of a node: it is in exactly one state.
import type { ExecutionId } from "../record/types.ts";
import type { Grant, Waiting } from "./start-queue.ts";

export type NodeState =
  | "waiting" // for inputs
  | "ready"
  | "running"
  | "held" // another run makes it
  | "expanded" // the plan that it wrote is performed
  | "retrying"
  | "done"
  | "failed"
  | "notStarted";

export function hasEnded(state: NodeState): boolean {
  return state === "done" || state === "failed" || state === "notStarted";
}

export interface Entry {
  state: NodeState;
  attempt: number;
  waitedFor?: ExecutionId;
  polls: number;
  inputsLost: number;
  /** Its place in the queue, while it has one. */
  waiting?: Waiting;
  /** What it was last granted. */
  grant?: Grant;
}

/** One for all that wait for inputs, and were never ready: a hundred thousand of their own took 7 MB. */
export const FRESH: Readonly<Entry> = Object.freeze({
  state: "waiting",
  attempt: 1,
  polls: 0,
  inputsLost: 0,
});

/** One for nearly all that are done: entries of their own would stay till the end. */
export const DONE: Readonly<Entry> = Object.freeze({ ...FRESH, state: "done" });

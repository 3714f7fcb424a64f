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
  /** Distinct inputs that are not done. */
  missing: number;
  attempt: number;
  waitedFor?: ExecutionId;
  polls: number;
  inputsLost: number;
  /** Its place in the queue, while it has one. */
  waiting?: Waiting;
  /** What it was last granted. */
  grant?: Grant;
}

/** Of nearly all that are done: a hundred thousand entries of their own would stay till the end. */
export const DONE: Readonly<Entry> = Object.freeze({
  state: "done",
  missing: 0,
  attempt: 1,
  polls: 0,
  inputsLost: 0,
});

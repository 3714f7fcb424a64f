// What a TypeScript or JavaScript function that is a task is given. Types only: an author's module imports them for nothing.
import type { Dag } from "./dag.ts";
import type { Json } from "./json.ts";
import type { Task } from "./task.ts";

/** One call of a task's function. `Args` is what `module(…, { args })` was given, which went through JSON. */
export interface TaskCall<Args = Json> {
  /** Dependency name → absolute path of what it made: a file or a folder, read-only. Another name throws. */
  readonly inputs: { readonly [dependency: string]: string };
  /** Absolute path of what this task is to make: a file or a folder, as it likes; with a list in `produces` a folder that is there. */
  readonly output: string;
  readonly args: Args;
  /** Writes a line to the task's log, formatted as `console.log` does. */
  log(...values: unknown[]): void;
  /**
   * Aborted when the run is stopped or the task's timeout has passed; five seconds later the task is killed. A function
   * that never looks at it is ended at once.
   */
  readonly signal: AbortSignal;
  /** With `expand: 1`: dependency name → what the tasks of the dag that is returned can depend on. Else empty. */
  readonly tasks: { readonly [dependency: string]: Task };
}

/**
 * A function that is a task. It is done when what it returns is settled and nothing it started is left. One with `expand: 1` may
 * return a dag.
 */
export type TaskFunction<Args = Json> = (call: TaskCall<Args>) => void | Promise<void> | Dag | Promise<Dag>;

/** The `args` of a task function: `ArgsOf<typeof import("./fit.ts").fit>`. */
export type ArgsOf<Function> = Function extends (call: TaskCall<infer Args>) => unknown ? Args : never;

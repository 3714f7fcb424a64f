// What takes part: a tool that can be told of a workload and called.
import type { Workload } from "../workload.ts";

export interface Contender {
  readonly name: string;
  /** Beyond so many tasks it takes minutes, and is left out unless asked for by `--all`. */
  readonly most: number;
  /** What it calls itself; undefined where it is not installed. */
  version(): string | undefined;
  /** Writes the tool's own description of the workload into the folder: before the first run, and again after a change. */
  describe(workload: Workload, dir: string): void;
  /** To be called in that folder. */
  argv(jobs: number): readonly string[];
  /** Variables to be set besides. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute path of what a task has written. */
  output(workload: Workload, task: number, dir: string): string;
}

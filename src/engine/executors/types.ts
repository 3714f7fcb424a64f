// Where steps run: one interface, a file per kind. An executor returns what happened and never holds the engine.
import type { Resources } from "../../record/types.ts";

/** One command to perform in a staged folder. */
export interface Job {
  /** `<run>/<execution>`: given to everything the command starts as ALAMODE_STEP. */
  readonly step: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the file that stdout and stderr are appended to; a FIFO with a reader, where they hold secrets. */
  readonly log: string;
  /** Absolute folder of the scratch slot. Its `alive` FIFO is inherited by everything the command starts. */
  readonly slot: string;
  readonly timeoutMs?: number;
  /** What its processes may use together. Held to where the system tells what they use (Linux). */
  readonly memoryBytes?: number;
}

/** A process that was still there when its step had ended. */
export interface Survivor {
  readonly pid: number;
  readonly command: string;
}

/** How a command ended. Exactly one of `exitCode`, `signal` and `spawnError` is there. */
export interface Ended {
  readonly exitCode?: number;
  readonly signal?: string;
  /** The command could not be started at all. */
  readonly spawnError?: unknown;
  /** Set when we ended it ourselves. */
  readonly stoppedFor?: "timeout" | "interrupted" | "memory";
  /** What it used when it was ended for memory. */
  readonly usedBytes?: number;
  /** The system killed processes for memory meanwhile; where this one was killed, it was most likely one of them. */
  readonly systemOutOfMemory?: boolean;
  readonly survivors: readonly Survivor[];
  readonly durationMs: number;
  readonly resources: Resources;
}

export interface Executor {
  /** Name for the record, e.g. `local`. */
  readonly name: string;
  /** Makes `count` scratch slots below `folder` ready: absolute folders, each with what `execute` needs in it. */
  openSlots(folder: string, count: number): Promise<string[]>;
  /** Performs the job. `stop` ends it gently (TERM, then KILL after a grace), `kill` at once. Never throws. */
  execute(job: Job, stop: AbortSignal, kill: AbortSignal): Promise<Ended>;
  /**
   * Ends what a dead engine left of a step, as far as it can be seen from here, and returns when nothing holds its slot
   * any more. `waiting` is called once if that takes a while.
   */
  endLeftovers(slot: string, step: string, waiting: () => void, stop: AbortSignal): Promise<void>;
  /** Ends processes of the run's steps that left both group and descriptor, and tells which step each belonged to. */
  endStrays(run: string): Promise<readonly (Survivor & { readonly step: string })[]>;
  close(): Promise<void>;
}

// What a step is given and what becomes of it: the words that scheduler, level, step and commit share.
import type { Place } from "../plan/places.ts";
import type { OutputId, PlanTask } from "../plan/types.ts";
import type { ExecutionId, Holder, Isolation, RecordDb, RunId, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import type { Store, TreeDigest } from "../store/types.ts";
import type { TaskFailure } from "./events.ts";
import type { Executor } from "./executors/types.ts";
import type { Host } from "./host.ts";
import type { InputChecks } from "./input-checks.ts";
import type { InputLinks } from "./input-links.ts";
import type { CappedLog } from "./log.ts";
import type { Limits, TaskOptions } from "./options.ts";
import type { Runnable } from "./runnable.ts";
import type { Sandboxes } from "./sandbox/sandboxes.ts";
import type { Sandbox } from "./sandbox/types.ts";
import type { Secrets } from "./secrets/secrets.ts";
import type { Untouched } from "./untouched.ts";

/** What all steps of a run share. */
export interface StepContext {
  readonly run: RunId;
  readonly record: RecordDb;
  readonly stores: Stores;
  readonly executor: Executor;
  readonly host: Host;
  readonly sandboxes: Sandboxes;
  readonly checks: InputChecks;
  /** Whether rubbish at a location of that store may be moved aside. */
  ownsStore(store: Store): Promise<boolean>;
  readonly secrets: Secrets;
  /** The PATH for steps whose spec names none. */
  readonly path: string;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** Slots that the step before left as `clearSlot` would. */
  readonly cleared: Set<string>;
  readonly untouched: Untouched;
  readonly inputLinks: InputLinks;
  /** How often outputs were lost while they were made: of their store, and not of their task, that tells something. */
  readonly lostMakings: Map<OutputId, number>;
  /** Whether a log may begin as a file in its slot: both are on one file system. */
  readonly spareLogs: boolean;
  /** Logs that are growing: whoever trims them looks here. */
  readonly logs: Set<CappedLog>;
  /** Told when the command is about to start; `log` is the absolute path of its growing log. */
  started(request: StepRequest, log: string): void;
  warn(code: string, message: string, task: string, hint?: string): void;
}

export interface StepRequest {
  readonly task: string;
  readonly planTask: PlanTask;
  readonly runnable: Runnable;
  readonly options: TaskOptions;
  /** What this attempt may use. */
  readonly limits: Limits;
  /** Where the data of a source task is to be had. */
  readonly place: Place | undefined;
  /** What the option `pass` hands over. */
  readonly passed: Readonly<Record<string, string>>;
  /** Dependency name → the success that is read. */
  readonly inputs: Readonly<Record<string, Success>>;
  readonly execution: ExecutionId;
  /** From 1. */
  readonly attempt: number;
  /** Absolute folder. */
  readonly slot: string;
  /** What the command is shut in, and what a success must have to count. */
  readonly sandbox: Sandbox;
  readonly isolation: Isolation;
  readonly demanded: Isolation;
  /** What to commit as, for an expander's plan: the task's own output is made later, of that plan's. */
  readonly expansion?: { readonly output: OutputId; readonly resolvedKey: string };
  /** Make it although there is a success: a stale one that is needed as an input. */
  readonly force: boolean;
  /** Of a step that goes ahead: whether its command may start, once that is known. */
  readonly turn?: Promise<boolean>;
  /** Called when nothing of its command runs any more, and what is left to do is ours. */
  over(commandMs: number): void;
  /** Whether another task is to start as soon as some command has ended. */
  pressing(): boolean;
  readonly waitedFor?: ExecutionId;
}

export type StepOutcome =
  | {
      readonly kind: "ran";
      readonly success: Success;
      /** What stands for the output where that is another: what was made again did not take its place. */
      readonly stands?: Success;
      readonly attempt: number;
      readonly durationMs: number;
    }
  /** Somebody else made it. */
  | { readonly kind: "reused"; readonly success: Success }
  /** The same was made before, from the same bytes. */
  | { readonly kind: "same"; readonly success: Success }
  /** A plan is there that is to be performed; its result is the task's. `ran`: it was written just now. */
  | { readonly kind: "expanded"; readonly expansion: Success; readonly ran: boolean }
  /** The same may have been made since it was last looked for; or it went ahead, and was not to run. */
  | { readonly kind: "look-again" }
  | { readonly kind: "held"; readonly holder: Holder }
  | { readonly kind: "failed"; readonly failure: TaskFailure; readonly execution: ExecutionId }
  /** Bytes of inputs are gone or changed, and their successes marked; or the inputs are stale, or were remade otherwise. */
  | { readonly kind: "input-lost"; readonly outputs: readonly OutputId[] };

/** Dependency name → tree digest. */
export function digestsOf(inputs: Readonly<Record<string, Success>>): Record<string, TreeDigest> {
  const digests: Record<string, TreeDigest> = Object.create(null);
  for (const name of Object.keys(inputs)) digests[name] = inputs[name]!.treeDigest;
  return digests;
}

/** What a step commits. */
export function madeOutput({ expansion, planTask }: StepRequest): OutputId {
  return expansion?.output ?? planTask.output;
}

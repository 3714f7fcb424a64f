// What happened: one interface, a file per kind of database. Knows no store: locations and stamps are opaque to it.
import type { BnormalMap } from "../bencode/types.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import type { Location, TreeDigest } from "../store/types.ts";
import type { AdoptionCalls } from "./adoption.ts";
import type { PastCalls } from "./past.ts";
import type { PauseListener } from "./pause.ts";
import type { Reproducibility, Verification } from "./verification.ts";

/** A run's name: 16 random hex digits. Also the name of its scratch folder, receipts and live lock. */
export type RunId = string;
/** `<run>-<n>`, n counting the executions of the run from 1. */
export type ExecutionId = string;
/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Millis = number;

/** `none` < `bubblewrap` < `container:<image digest>`; `data`, where nothing was run, is as good as any. */
export type Isolation = string;

/**
 * State of a success: `current` is what stands for its output; `lost` means its bytes are gone, `damaged` that they
 * were changed, `superseded` that another success took its place, `other` that a second tree came while the first's
 * bytes existed.
 */
export type SuccessState = "current" | "lost" | "damaged" | "superseded" | "other";

/** The record's word that an output is done. */
export interface Success {
  readonly id: number;
  readonly output: OutputId;
  /** The success that this one rests on: that of the execution that made the bytes. Absent for an original. */
  readonly aliasOf?: number;
  /** Who made the bytes: for an alias, an execution of another output or an earlier one of this. */
  readonly execution: ExecutionId;
  readonly treeDigest: TreeDigest;
  readonly location: Location;
  /** Id of the store that the location is in. */
  readonly store: string;
  readonly isolation: Isolation;
  readonly state: SuccessState;
  /** Made from bytes that have since been remade otherwise: done as a goal, never staged. */
  readonly stale: boolean;
  /** A file-system sync on its host has passed since. */
  readonly settled: boolean;
  readonly host: string;
  /** Boot ID of the host when it was made; "" where the system has none. */
  readonly boot: string;
  readonly madeAt: Millis;
  readonly sizeBytes: number;
  readonly files: number;
}

/** Where a success lies, and how far it is to be believed. */
export type Standing = Pick<Success, "store" | "location" | "isolation" | "settled" | "host" | "boot">;

/** Why an execution is not a success. The first eight are the run's doing rather than the task's: others may try again. */
export type FailureKind =
  | "interrupted"
  | "timeout"
  | "memory"
  | "abandoned" // its engine died
  | "source-changed" // data is another than when this run's pipeline was described
  | "source-unavailable"
  | "store-unavailable"
  | "tool-changed" // a program is another version than when this run's pipeline was described
  | "exit"
  | "signal"
  | "not-found"
  | "no-output"
  | "bad-output"
  | "left-process"
  | "input-damaged"
  | "no-space"
  | "engine";

export interface Failure {
  readonly kind: FailureKind;
  /** One line: what happened, without the task's name. E.g. "exit 1", "made nothing at $OUTPUT (exit 0)". */
  readonly message: string;
  /** What to do, where there is something to say. May have several lines. */
  readonly hint?: string;
  readonly exitCode?: number;
  readonly signal?: string;
}

/** What an execution used. Undefined where the system does not tell. */
export interface Resources {
  readonly maxRssBytes?: number;
  readonly userMs?: number;
  readonly systemMs?: number;
}

export interface Execution {
  readonly id: ExecutionId;
  readonly run: RunId;
  /** What people call that run. */
  readonly runNumber: number;
  readonly output: OutputId;
  /** The task's name in the plan that was run. */
  readonly task: string;
  readonly attempt: number;
  readonly startedAt: Millis;
  readonly endedAt?: Millis;
  readonly outcome: "running" | "success" | "failure";
  readonly failure?: Failure;
  readonly host: string;
  readonly user: string;
  readonly executor: string;
  readonly isolation: Isolation;
  /** The PATH the command was given. */
  readonly path: string;
  /** Dependency name → tree digest as read. */
  readonly inputs: Readonly<Record<string, TreeDigest>>;
  readonly resources: Resources;
  /** Name of the log below the store's log folder; undefined when there was no output. */
  readonly log?: string;
  /** Where a failed execution's scratch folder is kept. */
  readonly scratch?: string;
}

export interface RunCounts {
  readonly ran: number;
  readonly same: number;
  readonly reused: number;
  readonly failed: number;
  readonly notStarted: number;
}

/** The slot of a schedule that a run was begun for. (Not a scratch slot.) */
export interface ScheduleSlot {
  /** What is scheduled of the pipeline: opaque here. The same start in another series is another slot. */
  readonly series: string;
  /** Its start. */
  readonly startsAt: Millis;
}

export interface Run {
  readonly id: RunId;
  /** Counts runs of this record from 1: what people call it. */
  readonly number: number;
  readonly pipeline: string;
  /** Name → value as text: what the pipeline was described with. */
  readonly params: Readonly<Record<string, string>>;
  /** Present while the run has it: who takes it over takes it away. */
  readonly scheduled?: ScheduleSlot;
  readonly planDigest: string;
  readonly goals: readonly string[];
  readonly startedAt: Millis;
  readonly endedAt?: Millis;
  /** `running` also of a run that was killed and not yet noticed; ask `isLive`. */
  readonly status: "running" | "done" | "failed" | "interrupted" | "abandoned";
  readonly counts: RunCounts;
  /** What changed since the pipeline's run before, in one line. */
  readonly note: string;
  readonly host: string;
  readonly user: string;
  readonly pid: number;
  readonly version: string;
}

/** A slot that was taken, and the run that has it. */
export interface TakenSlot {
  readonly startsAt: Millis;
  readonly run: RunId;
  readonly number: number;
  readonly status: Run["status"];
}

export interface StartRun {
  readonly pipeline: string;
  readonly params: Readonly<Record<string, string>>;
  /** Only if this slot of the pipeline is to be had. */
  readonly scheduled?: ScheduleSlot;
  /** Left out for one that was noted before; `plan-unknown` is thrown where it was not. */
  readonly plan?: Plan;
  /** A plan noted before, got by `plan(…, like)` with this one: what they share may be copied. */
  readonly former?: { readonly planDigest: string; readonly plan: Plan };
  /** sha256 of the plan's bencoding. */
  readonly planDigest: string;
  readonly goals: readonly string[];
  readonly note: string;
  readonly host: string;
  readonly user: string;
  readonly version: string;
}

/** Who makes (or made) an output right now. `group*` are filled in once its command has started. */
export interface Holder {
  readonly run: RunId;
  readonly execution: ExecutionId;
  readonly task: string;
  readonly host: string;
  readonly pid: number;
  readonly since: Millis;
  /** The scratch slot, an absolute folder. */
  readonly slot: string;
}

export interface ClaimRequest {
  readonly output: OutputId;
  readonly run: RunId;
  readonly execution: ExecutionId;
  readonly task: string;
  readonly attempt: number;
  readonly slot: string;
  readonly executor: string;
  readonly isolation: Isolation;
  readonly path: string;
  /** As in CommitRequest. Whoever makes what has the same key is waited for, whatever the output is called. */
  readonly resolvedKey: string;
  /** What is to be read, as this record told of it. */
  readonly inputs: readonly Pick<Success, "id" | "output" | "treeDigest">[];
  /** The execution waited for since an earlier answer `held`. If it ended in a failure of the task's, that is the answer. */
  readonly waitedFor?: ExecutionId;
  /** Run even though there is a current success. */
  readonly force?: boolean;
}

export type Claim =
  /** Asked first: inputs that are no longer what stands for their outputs. They are stale, have other bytes, or none that are known of. */
  | { readonly kind: "outdated"; readonly outputs: readonly OutputId[] }
  /** The lease is ours. `after` is a holder that died with it: what is left of it is to be ended first. */
  | { readonly kind: "claimed"; readonly token: string; readonly startedAt: Millis; readonly after?: Holder }
  /** Somebody made it meanwhile. */
  | { readonly kind: "done"; readonly success: Success }
  /** A living run is at it. */
  | { readonly kind: "held"; readonly holder: Holder }
  /** The execution waited for failed there. */
  | { readonly kind: "failed"; readonly execution: Execution }
  /** Not asked for by force, and there are `candidates` for the resolved key: one of them may stand for it. */
  | { readonly kind: "same" };

export interface CommitRequest {
  readonly token: string;
  readonly execution: ExecutionId;
  readonly output: OutputId;
  readonly treeDigest: TreeDigest;
  /** The tree's canonical bencoding. */
  readonly tree: Uint8Array;
  readonly sizeBytes: number;
  readonly files: number;
  readonly location: Location;
  readonly store: string;
  readonly stamps: Uint8Array;
  readonly isolation: Isolation;
  /** Dependency name → what was read. */
  readonly inputs: Readonly<Record<string, { readonly output: OutputId; readonly treeDigest: TreeDigest }>>;
  /** sha256(bencode({ v: 1, spec, inputs: { name: tree digest } })), 64 hex. */
  readonly resolvedKey: string;
  readonly endedAt: Millis;
  readonly resources: Resources;
  readonly log?: string;
  readonly host: string;
  readonly boot: string;
}

/** An output that an earlier execution has made already, under another ID or before its inputs were remade. */
export interface AliasRequest {
  readonly output: OutputId;
  /** Id of the success that it is to rest on: an original. */
  readonly original: number;
  /** The weakest of the original's and the inputs'. */
  readonly isolation: Isolation;
  readonly inputs: CommitRequest["inputs"];
}

export interface Committed {
  readonly success: Success;
  /** Digest of an earlier tree of the same output that differs: the task is not deterministic. */
  readonly differsFrom?: TreeDigest;
  /** How many successes became stale by it. */
  readonly madeStale: number;
}

/** Every driver passes `recordContract` (test/record/contract.ts). All calls are atomic; batches are one round trip. */
export interface RecordDb extends AdoptionCalls, PastCalls {
  /** Shown in messages, so never holds credentials. */
  readonly url: string;
  /** 16 hex digits. Names the record wherever it is moved to. */
  readonly id: string;
  /** By what a run is known to live: a lock, which goes with its process; or a heartbeat, which may stop though that goes on, unseen. */
  readonly leases: "lock" | "heartbeat";
  /** How often whoever waits for another's execution should ask again, at most, in ms. */
  readonly pollMs: number;
  /**
   * Calls `ended` at most once, when the execution has ended or may have, if the record can tell without being asked: so
   * whoever waits asks now and then all the same. Returns what calls it off.
   */
  onEnd(execution: ExecutionId, ended: () => void): () => void;
  /** Tells when calls begin to wait for a database that is away, and when they go on (undefined). Returns what calls that off. */
  onPause(listener: PauseListener): () => void;

  /**
   * Notes the plan (each spec once) and a new run, and takes the lock by which others know that it lives.
   * A plan noted before costs one look-up. Of all who ask for one slot of a schedule one gets it, for good unless its run
   * is interrupted or dies: the others throw `slot-taken`, and begin no run.
   */
  startRun(request: StartRun): Promise<Run>;
  /** Ends the run: its lock is given back, leases it still holds are ended and their executions told `interrupted`. */
  finishRun(run: RunId, status: "done" | "failed" | "interrupted", counts: RunCounts): Promise<void>;
  /** Notes a plan without a run: one that came of an expander. A plan noted before costs one look-up. */
  notePlan(plan: Plan, planDigest: string): Promise<void>;
  /**
   * Whether the run's process still holds its lock; by heartbeat, whether its lease has not run out, or did so less than `agoMs` ago.
   * A lock says at once that nobody holds it, and `agoMs` changes nothing.
   */
  isLive(run: RunId, agoMs?: number): Promise<boolean>;

  /** The current success of each output; outputs without one are absent. */
  successes(outputs: readonly OutputId[]): Promise<Map<OutputId, Success>>;
  /** Of the same, only what a look whether all of many outputs are done takes: in their order, undefined where there is none. */
  standing(outputs: readonly OutputId[]): Promise<(Standing | undefined)[]>;
  /** All successes of one output, newest first, whatever their state. */
  history(output: OutputId): Promise<Success[]>;
  /** Locations in `store` of the output's successes whose bytes are there, as far as is known. */
  locations(output: OutputId, store: string): Promise<Location[]>;
  /** Canonical bencoding of a tree. Throws `record-damaged` if it is not there. */
  tree(digest: TreeDigest): Promise<Uint8Array>;
  /** The stamps noted with a success. */
  stamps(success: number): Promise<Uint8Array>;

  /** At once: may its inputs be read, is it done, is it held, else take it and note the execution. Until `needed` it may wait as `commit` does. */
  claim(request: ClaimRequest, needed?: Promise<unknown>): Promise<Claim>;
  /**
   * Writes the success and ends the lease and the execution. Throws `lease-lost` unless the token still holds it. Idempotent by
   * execution. `mayWait`: some milliseconds, for another call to share a transaction with.
   */
  commit(request: CommitRequest, mayWait?: boolean): Promise<Committed>;
  /**
   * For each resolved key the successes of executions that had it, earliest first: originals, whose bytes are there as far as
   * is known, and whose isolation suffices. One round trip for many.
   */
  candidates(resolvedKeys: readonly string[], isolation: Isolation): Promise<Success[][]>;
  /**
   * Lets earlier successes stand for outputs, in order. Answers with what stands for each then: the alias, or a success
   * that somebody made meanwhile; undefined where the original's bytes turned out to be gone. Of many, each thousand is atomic by itself.
   */
  alias(requests: readonly AliasRequest[]): Promise<(Success | undefined)[]>;
  /** Ends the lease and the execution without success. Idempotent. */
  fail(
    token: string,
    execution: ExecutionId,
    failure: Failure,
    end: {
      readonly endedAt: Millis;
      readonly resources: Resources;
      readonly inputs?: Readonly<Record<string, TreeDigest>>;
      readonly log?: string;
      readonly scratch?: string;
    },
  ): Promise<void>;

  /** Marks successes whose bytes are gone or changed, and all that rest on the same. Current ones stop standing. */
  mark(successes: readonly number[], state: "lost" | "damaged"): Promise<void>;
  /**
   * Marks all unsettled successes in `store` (its id) of this host and boot with id ≤ `upTo` as settled. Returns how many.
   */
  settle(store: string, host: string, boot: string, upTo: number): Promise<number>;
  /** Marks these, and all that rest on the same bytes, as settled, after they were re-hashed. */
  settleThese(successes: readonly number[]): Promise<void>;
  /** The highest success id, for `settle`. 0 when there is none. */
  lastSuccess(): Promise<number>;

  noteVerification(verification: Verification): Promise<void>;
  /** Over all successes of each output and what they rest on. Outputs never verified are absent. One round trip for many. */
  reproducibility(outputs: readonly OutputId[]): Promise<Map<OutputId, Reproducibility>>;
  /**
   * Successes that are no aliases and whose bytes are there as far as is known (whether they stand for their output or not),
   * in the order of their ids: those after `after`, at most `limit`.
   */
  originals(after: number, limit: number): Promise<Success[]>;

  // Queries for people.
  runs(limit: number): Promise<Run[]>;
  /** By id, number (as text) or unique prefix of the id (at least 4 hex digits). */
  run(key: string): Promise<Run | undefined>;
  /** Latest run of the pipeline of that name, whatever its status. */
  lastRun(pipeline: string): Promise<Run | undefined>;
  /** The newest slots that were taken of a series of the pipeline, latest start first, at most `limit`. */
  slots(pipeline: string, series: string, limit: number): Promise<TakenSlot[]>;
  /** The plan of a run: its bencoding is what `planDigest` is of. Tasks that `like` has, with the same output, are taken from there. */
  plan(planDigest: string, like?: Plan): Promise<Plan | undefined>;
  /** Outputs whose ID begins with `prefix` (at least 4 hex digits), at most `limit`. */
  findOutputs(prefix: string, limit: number): Promise<OutputId[]>;
  /** Spec and inputs of an output that any plan of this record named. */
  identity(
    output: OutputId,
  ): Promise<{ readonly spec: BnormalMap; readonly inputs: Readonly<Record<string, OutputId>> } | undefined>;
  /** Names that tasks with this output had, newest plan first. */
  namesOf(output: OutputId): Promise<string[]>;
  /** Median duration in ms of the last successful executions under each task name (up to 5 each); names without are absent. */
  durations(tasks: readonly string[]): Promise<Map<string, number>>;
  /** Scratch folders kept of failed executions of this output, newest first. */
  keptScratch(output: OutputId): Promise<{ readonly execution: ExecutionId; readonly scratch: string }[]>;
  /** Forgets that a scratch folder is kept (after it was removed). */
  forgetScratch(execution: ExecutionId): Promise<void>;

  close(): Promise<void>;
}

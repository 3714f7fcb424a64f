// Everything a verification can tell while it goes on: one closed union. Rendering is the cli's.
import type { OutputId } from "../plan/types.ts";
import type { Reproducibility } from "../record/verification.ts";
import type { Location, TreeDigest } from "../store/types.ts";
import type { RunEvent, TaskFailure } from "./events.ts";
import type { Difference } from "./verify-compare.ts";

/** Which task, or for outputs of other pipelines which name it had, or no more than its ID. */
interface About {
  readonly task: string;
  readonly output: OutputId;
}

/** How two trees differ: the first so many places, of `all`. */
export interface Differences {
  readonly shown: readonly Difference[];
  readonly all: number;
}

export type VerifyEvent =
  | {
      readonly event: "verify.started";
      /** What is run again, or hashed: distinct outputs. */
      readonly outputs: number;
      /** Of so many that could have been; the same number unless a sample was asked for. */
      readonly of: number;
      /** Gives the same sample again. */
      readonly seed?: string;
      /** What is hashed, in bytes; absent where commands are run. */
      readonly sizeBytes?: number;
      /** Expected duration of what is run, from the record; absent without history. */
      readonly estimateMs?: number;
    }
  | (About & { readonly event: "verify.running"; readonly execution: string })
  /** Run again from its recorded inputs, it gave the recorded bytes. */
  | (About & {
      readonly event: "verify.same";
      readonly durationMs: number;
      readonly treeDigest: TreeDigest;
      readonly reproducibility: Reproducibility;
    })
  /** It gave other bytes: it is not deterministic. */
  | (About & {
      readonly event: "verify.differs";
      readonly durationMs: number;
      /** As recorded, and as made this time. */
      readonly treeDigest: TreeDigest;
      readonly found: TreeDigest;
      readonly differences: Differences;
      readonly reproducibility: Reproducibility;
      /** What may be the reason, where there is something to say. */
      readonly hint?: string;
    })
  | (About & { readonly event: "verify.failed"; readonly failure: TaskFailure })
  /** It could not be tried: it is not made, an input is gone… */
  | (About & { readonly event: "verify.impossible"; readonly because: string })
  | (About & { readonly event: "stored.hashing"; readonly sizeBytes: number })
  | (About & { readonly event: "stored.intact"; readonly location: Location; readonly sizeBytes: number })
  /** It holds other bytes than the record says; its success is marked. */
  | (About & {
      readonly event: "stored.damaged";
      readonly location: Location;
      /** Absolute path of what lies there, which for data read in place is elsewhere. Absent where that cannot be told. */
      readonly path?: string;
      readonly treeDigest: TreeDigest;
      /** Absent where what lies there is no tree: `because` says why. */
      readonly found?: TreeDigest;
      readonly because?: string;
      readonly differences: Differences;
    })
  /** Nothing lies there any more; its success is marked. */
  | (About & { readonly event: "stored.lost"; readonly location: Location })
  /** The system would not let it be read. Nothing is marked. */
  | (About & { readonly event: "stored.unreadable"; readonly location: Location; readonly because: string })
  /** A success made from bytes that no longer stand for an input: `input` is the dependency's name, where it can be told. */
  | (About & {
      readonly event: "task.stale";
      readonly input?: string;
      /** The input is not remade, but stale itself. */
      readonly inputIsStale?: true;
    })
  | Extract<RunEvent, { event: "warning" }>
  | ({
      readonly event: "verify.finished";
      readonly interrupted: boolean;
      readonly durationMs: number;
    } & VerifyCounts);

export interface VerifyCounts {
  /** Run again with the same bytes, or stored as recorded. */
  readonly same: number;
  readonly differ: number;
  /** Could not be run, or read. */
  readonly failed: number;
  readonly impossible: number;
  /** Nothing is left of these in the store. */
  readonly lost: number;
  /** Not looked at: it was stopped, or they are in another store. */
  readonly left: number;
  readonly stale: number;
}

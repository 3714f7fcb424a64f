// Everything a run can tell while it goes on: one closed union. Rendering is the cli's.
import type { OutputId } from "../plan/types.ts";
import type { ExecutionId, Failure, RunCounts, RunId } from "../record/types.ts";
import type { Location, TreeDigest } from "../store/types.ts";

/** A failure as people see it: the value, with where to look. */
export interface TaskFailure extends Failure {
  /** Last lines of the log, without line ends. */
  readonly logTail: readonly string[];
  /** Absolute path of the whole log; undefined when nothing was printed. */
  readonly log?: string;
  /** Absolute path of the scratch folder that is kept. */
  readonly scratch?: string;
  readonly durationMs: number;
  readonly attempt: number;
  readonly attempts: number;
  /** The run in which it failed, where that was another one that this run waited for. */
  readonly failedIn?: RunId;
}

export type RunEvent =
  | {
      readonly event: "run.started";
      readonly run: RunId;
      readonly number: number;
      readonly pipeline: string;
      /** Distinct outputs among the goals and all above them. */
      readonly tasks: number;
      /** Of these, how many are due as far as can be told now. */
      readonly due: number;
      /** Expected duration of what is due, from the record; undefined without history. */
      readonly estimateMs?: number;
    }
  /** Told for tasks that a due task or a goal needs and that are done already; what lies above them is not looked at. */
  | { readonly event: "task.reused"; readonly task: string; readonly output: OutputId }
  /** Not run: `execution` made the same from the same bytes before, under whatever name, and that stands for it. */
  | {
      readonly event: "task.same";
      readonly task: string;
      readonly output: OutputId;
      readonly execution: ExecutionId;
    }
  /** It wrote a plan, which is performed now: so many tasks, so many of them due. Its own end is told when that is done. */
  | {
      readonly event: "task.expanded";
      readonly task: string;
      readonly output: OutputId;
      readonly tasks: number;
      readonly due: number;
    }
  /** Another live run makes it. */
  | {
      readonly event: "task.waiting";
      readonly task: string;
      readonly output: OutputId;
      readonly holder: { readonly run: RunId; readonly host: string; readonly pid: number };
    }
  | {
      readonly event: "task.started";
      readonly task: string;
      readonly output: OutputId;
      readonly execution: ExecutionId;
      readonly attempt: number;
      /** Absolute path of the growing log. */
      readonly log: string;
    }
  | {
      readonly event: "task.ran";
      readonly task: string;
      readonly output: OutputId;
      readonly execution: ExecutionId;
      readonly attempt: number;
      readonly durationMs: number;
      readonly treeDigest: TreeDigest;
      readonly location: Location;
      readonly sizeBytes: number;
      readonly files: number;
    }
  | {
      readonly event: "task.failed";
      readonly task: string;
      readonly output: OutputId;
      readonly execution?: ExecutionId;
      readonly failure: TaskFailure;
      /** Milliseconds until the next attempt; undefined when this was the last. */
      readonly retryInMs?: number;
    }
  /** Not started, because something above it failed (`because`) or the run was stopped (`because` undefined). */
  | {
      readonly event: "task.notStarted";
      readonly task: string;
      readonly output: OutputId;
      readonly because?: string;
    }
  /** People find its output at `path` (absolute) now; `changed`: something else, or nothing, lay there before. */
  | {
      readonly event: "task.published";
      readonly task: string;
      readonly output: OutputId;
      readonly path: string;
      readonly changed: boolean;
    }
  /** It is made, and could not be put where its option `publish` says. */
  | {
      readonly event: "task.unpublished";
      readonly task: string;
      readonly output: OutputId;
      readonly path: string;
      readonly message: string;
      readonly hint?: string;
    }
  | {
      readonly event: "warning";
      readonly code: string;
      readonly message: string;
      readonly task?: string;
      readonly hint?: string;
    }
  | ({
      readonly event: "run.finished";
      readonly run: RunId;
      readonly status: "done" | "failed" | "interrupted";
      readonly tasks: number;
      readonly durationMs: number;
    } & RunCounts);

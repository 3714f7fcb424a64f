// What was of an output before now, as far as it tells why it has to be made: the question of whoever looks at many tasks.
import type { OutputId } from "../plan/types.ts";
import { ABANDONED, type ExecutionRow, failureOf } from "./rows.ts";
import type { Execution, ExecutionId, Isolation, RunId, SuccessState } from "./types.ts";

export interface Past {
  /** A plan of this record has a task that makes it. */
  readonly planned: boolean;
  /** The newest. */
  readonly execution?: Pick<Execution, "id" | "outcome" | "failure">;
  /** The success that stands for it, or, where its bytes are gone, the last that did. */
  readonly standing?: { readonly state: SuccessState; readonly isolation: Isolation };
}

/** The part of a record that is asked what was. */
export interface PastCalls {
  executionsOf(run: RunId): Promise<Execution[]>;
  execution(id: ExecutionId): Promise<Execution | undefined>;
  /** Those of an output, newest first. */
  executions(output: OutputId): Promise<Execution[]>;
  /** What was of each output that the record names; others are absent. One round trip for many. */
  pasts(outputs: readonly OutputId[]): Promise<Map<OutputId, Past>>;
  /** Executions of these names; others are absent. One round trip for many. */
  executionsNamed(ids: readonly ExecutionId[]): Promise<Map<ExecutionId, Execution>>;
}

/** Of outputs that the record names; to be completed with a JOIN or WHERE. */
export const SELECT_PAST = `
  SELECT o.output, CASE WHEN o.spec_id IS NULL THEN 0 ELSE 1 END AS planned, r.run, e.n, e.outcome, e.failure_kind,
    e.failure_message, e.failure_hint, e.exit_code, e.signal, s.state, s.isolation
  FROM outputs o LEFT JOIN executions e ON e.id = (SELECT max(l.id) FROM executions l WHERE l.output_id = o.id)
    LEFT JOIN runs r ON r.id = e.run_id
    LEFT JOIN standing c ON c.output_id = o.id LEFT JOIN successes s ON s.id = c.success_id`;

type Failing = "failure_message" | "failure_hint" | "exit_code" | "signal";

export interface PastRow extends Pick<ExecutionRow, "failure_kind" | Failing> {
  readonly output: Uint8Array;
  readonly planned: number;
  /** Null, as all that follows from it, where it was never executed. */
  readonly run: string | null;
  readonly n: number;
  readonly outcome: Execution["outcome"];
  /** Null where nothing ever stood for it. */
  readonly state: SuccessState | null;
  readonly isolation: Isolation;
}

/** `isDead`: its newest execution has not ended, and never will. */
export function pastOf(row: PastRow, isDead: boolean): Past {
  const { planned, run, n, outcome, failure_kind, state, isolation } = row;
  return {
    planned: planned === 1,
    ...(run !== null && {
      execution: {
        id: `${run}-${n}`,
        ...(isDead
          ? ABANDONED
          : { outcome, ...(failure_kind !== null && { failure: failureOf(row, failure_kind) }) }),
      },
    }),
    ...(state !== null && { standing: { state, isolation } }),
  };
}

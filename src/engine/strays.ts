// Promise 9, its last net: processes that left both their group and the descriptor are found by their environment before
// the run ends. They are ended, and everything committed since their step began is hashed again.
import type { OutputId } from "../plan/types.ts";
import type { ExecutionId, RecordDb, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import type { RunEvent, TaskFailure } from "./events.ts";
import type { Executor } from "./executors/types.ts";
import { madeOutput, type StepRequest } from "./step-types.ts";

/** A success of this run, and when its step began: no more than that, since all are kept until the run ends. */
export interface Made {
  readonly task: string;
  readonly output: OutputId;
  readonly execution: ExecutionId;
  readonly success: number;
  readonly startedAt: number;
}

export function madeBy(request: StepRequest, { id, execution }: Success, startedAt: number): Made {
  // The plan's own text for the output: one of the record's would be another.
  return { task: request.task, output: madeOutput(request), execution, success: id, startedAt };
}

/** Returns what turned out to be damaged; its successes are marked. */
export async function endStrays(
  run: string,
  made: readonly Made[],
  {
    executor,
    stores,
    record,
    emit,
  }: { executor: Executor; stores: Stores; record: RecordDb; emit: (event: RunEvent) => void },
): Promise<{ readonly task: string; readonly output: OutputId; readonly failure: TaskFailure }[]> {
  const strays = await executor.endStrays(run);
  if (strays.length === 0) return [];
  let since = Number.POSITIVE_INFINITY;
  for (const { command, pid, step } of strays) {
    const maker = made.find(({ execution }) => step === `${run}/${execution}`);
    since = Math.min(since, maker?.startedAt ?? 0); // a failed step's: it may have touched all that was made
    emit({
      event: "warning",
      code: "stray-process",
      message: `left a process running that had left its process group (${command}, ${pid}). It was ended, and what was made since was hashed again`,
      ...(maker ? { task: maker.task } : {}),
      hint: "A task must wait for what it starts.",
    });
  }
  const damaged = [];
  const standing = await record.successes(made.map(({ output }) => output));
  for (const { task, output, success: id } of made) {
    const success = standing.get(output);
    // What does not stand any more is known already: a task damaged it, say, which is told as that.
    if (success?.id !== id) continue;
    if (success.madeAt < since || (await stores.rehash(success))?.digest === success.treeDigest) continue;
    await record.mark([success.id], "damaged");
    const failure: TaskFailure = {
      kind: "left-process",
      message: "its output was changed after it was recorded, by a process that outlived its step",
      hint: "Nothing uses it any more; the next run makes it again.",
      logTail: [],
      durationMs: 0,
      attempt: 1,
      attempts: 1,
    };
    damaged.push({ task, output, failure });
    emit({ event: "task.failed", task, output, failure });
  }
  return damaged;
}

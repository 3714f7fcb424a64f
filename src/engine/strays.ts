// Promise 9, its last net: processes that left both their group and the descriptor are found by their environment before
// the run ends. They are ended, and everything committed since their step began is hashed again.
import type { OutputId } from "../plan/types.ts";
import type { ExecutionId, RecordDb, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import type { RunEvent, TaskFailure } from "./events.ts";
import type { Executor } from "./executors/types.ts";
import { madeOutput, type StepRequest } from "./step-types.ts";

/**
 * The successes of a run, in the order of their commits, and when the step of each began. No more than that, and in columns, since all
 * are kept until the run ends: of 100,000 that took 13 MB.
 */
export class MadeList {
  readonly #tasks: string[] = [];
  readonly #outputs: OutputId[] = [];
  readonly #executions: number[] = [];
  readonly #successes: number[] = [];
  readonly #startedAt: number[] = [];

  push(request: StepRequest, { id }: Success, startedAt: number): void {
    this.#tasks.push(request.task);
    this.#outputs.push(madeOutput(request)); // the plan's own text: one of the record's would be another
    this.#executions.push(numberOf(request.execution));
    this.#successes.push(id);
    this.#startedAt.push(startedAt);
  }

  get outputs(): readonly OutputId[] {
    return this.#outputs;
  }

  /** Of an execution of this run; undefined where it made nothing. */
  of(execution: ExecutionId): { readonly task: string; readonly startedAt: number } | undefined {
    const at = this.#executions.indexOf(numberOf(execution));
    return at === -1 ? undefined : { task: this.#tasks[at]!, startedAt: this.#startedAt[at]! };
  }

  /** `success`: its id in the record. */
  *[Symbol.iterator](): Generator<{ task: string; output: OutputId; success: number }> {
    for (const [at, output] of this.#outputs.entries())
      yield { task: this.#tasks[at]!, output, success: this.#successes[at]! };
  }
}

/** The n of `<run>-<n>`. */
function numberOf(execution: ExecutionId): number {
  return Number(execution.slice(execution.lastIndexOf("-") + 1));
}

/** Returns what turned out to be damaged; its successes are marked. */
export async function endStrays(
  run: string,
  made: MadeList,
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
    const maker = made.of(step);
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
  const standing = await record.successes(made.outputs);
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

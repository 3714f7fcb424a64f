// Where a task's output can be read.
import { AlamodeError } from "../errors.ts";
import { unknownTask } from "../plan/task-names.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import type { RecordDb, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import { readingError } from "./elsewhere.ts";

/** Absolute path of what a task of the plan made: with `produces: 'name'` that file. Throws `unknown-task`, `not-made`, `output-missing`, `output-elsewhere`. */
export async function outputPath(
  plan: Plan,
  task: string,
  both: { readonly record: RecordDb; readonly stores: Stores },
): Promise<string> {
  const success = await successOf(plan, task, both.record);
  try {
    // Not let go of: it is asked for to be read after this.
    return producedPath((await both.stores.stage(success)).path, plan.tasks[task]!);
  } catch (error) {
    throw await readingError(error, task, success, both);
  }
}

/** Where people find it, whether on this machine or not: an absolute path, or a URL. Throws `unknown-task`, `not-made`. */
export async function outputPlace(
  plan: Plan,
  task: string,
  { record, stores }: { readonly record: RecordDb; readonly stores: Stores },
): Promise<string> {
  const success = await successOf(plan, task, record);
  return producedPath((await stores.of(success)).place(success.location), plan.tasks[task]!);
}

async function successOf(plan: Plan, task: string, record: RecordDb): Promise<Success> {
  if (!Object.hasOwn(plan.tasks, task)) throw unknownTask(task, Object.keys(plan.tasks));
  const { output } = plan.tasks[task]!;
  const success = (await record.successes([output])).get(output);
  if (success === undefined) throw notMade(task, output);
  return success;
}

/** A task of which only `produces` is looked at. */
export interface Produces {
  readonly [key: string]: unknown;
}

/** The file in the output folder, at a path or a URL, that a `produces: 'name'` is about; else the output itself. */
export function producedPath(path: string, { produces }: Produces): string {
  return typeof produces === "string" ? `${path}/${produces}` : path;
}

export function notMade(task: string, output: OutputId): AlamodeError {
  return new AlamodeError(
    "not-made",
    `task "${task}" has not been made as it is now (output ${output.slice(0, 8)})`,
    {
      hint: `Make it: alamode run ${task}`,
    },
  );
}

// Where a task's output can be read.
import { join } from "node:path";
import { AlamodeError } from "../errors.ts";
import { unknownTask } from "../plan/task-names.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import type { RecordDb } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";

/** Absolute path of what a task of the plan made: with `produces: 'name'` that file. Throws `unknown-task`, `not-made`, `output-missing`. */
export async function outputPath(
  plan: Plan,
  task: string,
  { record, stores }: { readonly record: RecordDb; readonly stores: Stores },
): Promise<string> {
  if (!Object.hasOwn(plan.tasks, task)) throw unknownTask(task, Object.keys(plan.tasks));
  const { output } = plan.tasks[task]!;
  const success = (await record.successes([output])).get(output);
  if (success === undefined) throw notMade(task, output);
  // Not let go of: it is asked for to be read after this.
  return producedPath((await stores.stage(success)).path, plan.tasks[task]!);
}

/** A task of which only `produces` is looked at. */
export interface Produces {
  readonly [key: string]: unknown;
}

/** The file in the output folder that a `produces: 'name'` is about; else the output itself. */
export function producedPath(path: string, { produces }: Produces): string {
  return typeof produces === "string" ? join(path, produces) : path;
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

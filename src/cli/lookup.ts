// From what people type (a task's name, the beginning of an ID, an execution) to one output.
import { AlamodeError } from "../errors.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import type { Execution, RecordDb, Run, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import { decodeTree } from "../store/tree.ts";
import type { Context } from "./context.ts";
import { shellWord, shortId } from "./format.ts";
import { taskOf } from "./goals.ts";
import { loadPipeline } from "./load-pipeline.ts";

export interface Found {
  readonly output: OutputId;
  /** What to call it: the task's name, or a name that it had, or its ID. */
  readonly name: string;
  /** Where an execution was named. */
  readonly execution?: Execution;
}

/** Throws `unknown-task`, `ambiguous-id`, and why the pipeline cannot be loaded where only that could have helped. */
export async function findOutput(
  context: Context,
  record: RecordDb,
  what: string,
  command: string,
): Promise<Found> {
  const plan = await planOrError(context);
  if (!(plan instanceof Error) && Object.hasOwn(plan.tasks, what))
    return { output: plan.tasks[what]!.output, name: what };
  if (/^[0-9a-f]{16}-\d+$/.test(what)) {
    const execution = await record.execution(what);
    if (execution !== undefined) return { output: execution.output, name: execution.task, execution };
  }
  if (/^[0-9a-f]{4,64}$/.test(what)) {
    const [output, ...others] = await record.findOutputs(what, 6);
    if (others.length > 0) {
      throw new AlamodeError("ambiguous-id", `several outputs begin with ${what}`, {
        facts: Object.fromEntries(
          await Promise.all([output!, ...others].map(async (id) => [shortId(id), await nameOf(record, id)])),
        ),
        hint: "Give more digits.",
      });
    }
    if (output !== undefined) return { output, name: await nameOf(record, output) };
  }
  if (plan instanceof AlamodeError && plan.code === "no-pipeline" && context.options.file === undefined) {
    throw new AlamodeError(
      "unknown-name",
      `nothing here is called "${what}": no run, no output, and there is no pipeline.ts`,
      {
        hint: "alamode runs  lists the runs.",
      },
    );
  }
  if (plan instanceof Error) throw plan;
  const { name, task } = taskOf(plan, what, command);
  return { output: task.output, name };
}

/** The run of that number; never one whose ID merely begins with these digits. */
export async function runNumbered(record: RecordDb, number: string): Promise<Run | undefined> {
  const run = await record.run(number);
  return run?.number === Number(number) ? run : undefined;
}

export async function nameOf(record: RecordDb, output: OutputId): Promise<string> {
  const [name] = await record.namesOf(output);
  return name ?? shortId(output);
}

async function planOrError(context: Context): Promise<Plan | Error> {
  try {
    return (await loadPipeline(context)).plan;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

/** The error for an output that is not there to be looked at: exit code 1, for the request was right. */
export function notMade(context: Context, task: string): AlamodeError {
  return new AlamodeError("not-made", `${task} is not made yet`, {
    hint: `Make it with  alamode run ${context.flags}${shellWord(task)}`,
  });
}

/** The success of `output` and the absolute path it can be read at; undefined where it is not made, or gone. Throws `output-elsewhere`. */
export async function readable(
  { store, record }: { readonly store: Stores; readonly record: RecordDb },
  output: OutputId,
  name: string,
): Promise<{ readonly success: Success; readonly path: string } | undefined> {
  const success = (await record.successes([output])).get(output);
  if (success === undefined) return undefined;
  try {
    return { success, path: (await store.stage(success)).path };
  } catch (error) {
    const { readingError } = await import("../engine/elsewhere.ts");
    const told = await readingError(error, name, success, { record, stores: store });
    if (told instanceof AlamodeError && told.code === "output-missing") return undefined;
    throw told;
  }
}

/**
 * The error for a success whose bytes are not those that were recorded; undefined where they are. Content is read only where
 * sizes or times are other, as in a copied store. Marks nothing: that is for who may have it made again.
 */
export async function damageOf(
  context: Context,
  { store, record }: { readonly store: Stores; readonly record: RecordDb },
  task: string,
  success: Success,
): Promise<AlamodeError | undefined> {
  const { id, treeDigest } = success;
  const [tree, stamps] = await Promise.all([record.tree(treeDigest), record.stamps(id)]);
  const check = await store.check(success, { digest: treeDigest, tree: decodeTree(tree), stamps });
  if (check.kind === "intact") return undefined;
  let found: string | undefined;
  try {
    found = (await store.rehash(success))?.digest;
  } catch (error) {
    if (!(error instanceof AlamodeError) || error.code !== "bad-output") throw error;
  }
  if (found === treeDigest) return undefined;
  const changed = check.kind === "damaged" ? `${check.path} ${check.how}`.trim() : "is gone";
  return new AlamodeError("output-damaged", `${task} was changed in the store since it was made`, {
    facts: { changed },
    hint: `Check what is stored, so that it is made again:  alamode verify ${context.flags}--stored ${shellWord(task)}`,
  });
}

// Which of a pipeline's successes are stale, and by which input.
import type { OutputId, Plan } from "../plan/types.ts";
import type { RecordDb, Success } from "../record/types.ts";
import { isExpander } from "./verify-choose.ts";
import type { VerifyEvent } from "./verify-events.ts";

export type StaleTask = Extract<VerifyEvent, { event: "task.stale" }>;

/** In the plan's order, each output once. Two round trips for all. */
export async function staleTasks(plan: Plan, record: RecordDb): Promise<StaleTask[]> {
  const outputs = new Set<OutputId>();
  for (const task of Object.values(plan.tasks)) {
    outputs.add(task.output);
    for (const input of Object.values(task.inputs)) outputs.add(input);
  }
  const standing = await record.successes([...outputs]);
  const executions = await record.executionsNamed([
    ...new Set(standing.values().flatMap(({ stale, execution }) => (stale ? [execution] : []))),
  ]);
  const stale: StaleTask[] = [];
  for (const [task, { output, inputs }] of Object.entries(plan.tasks)) {
    const success = standing.get(output);
    if (!success?.stale || !outputs.delete(output)) continue;
    // What an expander's success rests on is another task's: what that read says nothing of the expander's inputs.
    const read = isExpander(plan.tasks[task]!) ? undefined : executions.get(success.execution);
    const why = read === undefined ? {} : reason(inputs, read.inputs, standing);
    stale.push({ event: "task.stale", task, output, ...why });
  }
  return stale;
}

function reason(
  inputs: Readonly<Record<string, OutputId>>,
  read: Readonly<Record<string, string>>,
  standing: ReadonlyMap<OutputId, Success>,
): Pick<StaleTask, "input" | "inputIsStale"> {
  const names = Object.keys(inputs);
  const now = (name: string) => standing.get(inputs[name]!);
  const remade = names.find((name) => now(name) !== undefined && now(name)!.treeDigest !== read[name]);
  if (remade !== undefined) return { input: remade };
  const stale = names.find((name) => now(name)?.stale);
  return stale === undefined ? {} : { input: stale, inputIsStale: true };
}

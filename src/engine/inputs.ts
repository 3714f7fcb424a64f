// The inputs of one task as they are now: for steps taken alone (`exec`) and for shells.
import { AlamodeError } from "../errors.ts";
import type { PlanGraph } from "../plan/graph.ts";
import type { Plan } from "../plan/types.ts";
import type { Success } from "../record/types.ts";
import { decideNow, type FactSource } from "./facts.ts";

/** Dependency name → success. Throws `input-not-done`, naming every input that is not there to be read. */
export async function doneInputs(
  plan: Plan,
  graph: PlanGraph,
  task: string,
  source: FactSource,
): Promise<Record<string, Success>> {
  const node = graph.nodeOf(task);
  const decision = await decideNow(plan, graph, [...graph.inputs(node)], source, { inputsOnly: true });
  const inputs: Record<string, Success> = Object.create(null);
  const missing: string[] = [];
  for (const [name, output] of Object.entries(plan.tasks[task]!.inputs)) {
    const success = decision.done.get(graph.node(output)!);
    if (success) inputs[name] = success;
    else missing.push(name);
  }
  if (missing.length > 0) {
    throw new AlamodeError("input-not-done", `task "${task}" needs ${missing.join(", ")}, not made yet`, {
      hint: `Make them first: alamode run ${missing.join(" ")}`,
    });
  }
  return inputs;
}

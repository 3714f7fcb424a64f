// Keeps of a plan what `known-plan.ts` says. Apart from it, because a run with nothing due loads only what it needs.
import type { PlanGraph } from "../plan/graph.ts";
import { sealed } from "../plan/sealed.ts";
import { planWarnings } from "../plan/spec-warnings.ts";
import type { Plan } from "../plan/types.ts";
import type { Store } from "../store/types.ts";
import { type KnownPlan, knownPlanName } from "./known-plan.ts";
import { ConfiguredOptions } from "./options.ts";

/**
 * Keeps it, for a plan whose IDs are known to be right; `tasks`: its goals and all above them. Not for one that there is more to say of at each run: whose specs are
 * warned of, or that names images, which may mean others by now, or sandboxes of some tasks.
 */
export async function keepKnownPlan(
  store: Store,
  planDigest: string,
  { plan, graph, goals, tasks }: { plan: Plan; graph: PlanGraph; goals: readonly string[]; tasks: number },
): Promise<void> {
  if ((await store.derived(knownPlanName(planDigest))) !== undefined) return;
  if (Object.values(plan.tasks).some(({ image }) => image !== undefined)) return;
  if (planWarnings(plan).length > 0) return;
  if (new ConfiguredOptions().tasksWith(plan, "sandbox").length > 0) return;
  const nodes = [...new Set(goals.map((goal) => graph.nodeOf(goal)))];
  const { name } = plan.meta;
  const known: KnownPlan = {
    name: typeof name === "string" ? name : "",
    goals: nodes.map((node) => [graph.names(node)[0]!, graph.outputs[node]!] as const),
    names: goals,
    tasks,
  };
  await store.keepDerived(
    knownPlanName(planDigest),
    sealed(Buffer.from(JSON.stringify(known)), { plan: planDigest }),
  );
}

// What is kept of a plan that was verified and run: enough for a later run of the very same plan file to find that nothing is
// due. An ID covers all that is above it, so of a million tasks the goals alone have to be looked up (promise 6).
import { readFileSync } from "node:fs";
import { decode } from "../bencode/decode.ts";
import { encode } from "../bencode/encode.ts";
import type { PlanGraph } from "../plan/graph.ts";
import { sealed, unsealed } from "../plan/sealed.ts";
import { planWarnings } from "../plan/spec-warnings.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import type { Store } from "../store/types.ts";
import { version } from "../version.ts";
import { closure } from "./closure.ts";
import { ConfiguredOptions } from "./options.ts";

export interface KnownPlan {
  /** `meta.name`; "" where it has none. */
  readonly name: string;
  /** The first task of each goal, and its output: the tasks that nothing depends on, those of one output once. */
  readonly goals: readonly (readonly [task: string, output: OutputId])[];
  /** Names of all goals. */
  readonly names: readonly string[];
  /** How many tasks there are, goals and all above them. */
  readonly tasks: number;
}

/** By version too: another may verify more, or warn of more. */
function nameOf(planDigest: string): string {
  return `${planDigest}.goals.${version.replaceAll(/[^a-z0-9.-]/g, "_")}`;
}

/** What is kept of the plan with that digest; undefined where nothing is, or it was damaged. */
export async function knownPlan(store: Store, planDigest: string): Promise<KnownPlan | undefined> {
  const file = await store.derived(nameOf(planDigest));
  const kept = file === undefined ? undefined : unsealed(readFileSync(file));
  // Its own digest says that it is whole, and nothing of whom it is about: the plan's is among what is sealed.
  if (kept === undefined || kept.note["plan"] !== planDigest) return undefined;
  return decode(kept.content) as unknown as KnownPlan;
}

/**
 * Keeps it, for a plan whose IDs are known to be right. Not for one that there is more to say of at each run: whose specs are
 * warned of, or that names images, which may mean others by now, or sandboxes of some tasks.
 */
export async function keepKnownPlan(
  store: Store,
  planDigest: string,
  { plan, graph, goals }: { plan: Plan; graph: PlanGraph; goals: readonly string[] },
): Promise<void> {
  if ((await store.derived(nameOf(planDigest))) !== undefined) return;
  if (Object.values(plan.tasks).some(({ image }) => image !== undefined)) return;
  if (planWarnings(plan).length > 0) return;
  if (new ConfiguredOptions().tasksWith(plan, "sandbox").length > 0) return;
  const nodes = [...new Set(goals.map((goal) => graph.nodeOf(goal)))];
  const { name } = plan.meta;
  const known = {
    name: typeof name === "string" ? name : "",
    goals: nodes.map((node) => [graph.names(node)[0]!, graph.outputs[node]!]),
    names: goals,
    tasks: closure(graph, nodes).tasks,
  };
  await store.keepDerived(nameOf(planDigest), sealed(encode(known), { plan: planDigest }));
}

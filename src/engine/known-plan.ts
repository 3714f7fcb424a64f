// What is kept of a plan that was verified and run: enough for a later run of the very same plan file to find that nothing is
// due. An ID covers all that is above it, so of a million tasks the goals alone have to be looked up (promise 6).
import { readFileSync } from "node:fs";
import { unsealed } from "../plan/sealed.ts";
import type { OutputId } from "../plan/types.ts";
import type { Store } from "../store/types.ts";
import { version } from "../version.ts";

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

/** What it is kept under. By version too: another may verify more, or warn of more. */
export function knownPlanName(planDigest: string): string {
  return `${planDigest}.known.${version.replaceAll(/[^a-z0-9.-]/g, "_")}`;
}

/** What is kept of the plan with that digest; undefined where nothing is, or it was damaged. */
export async function knownPlan(store: Store, planDigest: string): Promise<KnownPlan | undefined> {
  const file = await store.derived(knownPlanName(planDigest));
  const kept = file === undefined ? undefined : unsealed(readFileSync(file));
  // Its own digest says that it is whole, and nothing of whom it is about: the plan's is among what is sealed.
  if (kept === undefined || kept.note["plan"] !== planDigest) return undefined;
  return JSON.parse(kept.content.toString()); // five times as fast as bencode, and nobody's digest is of it
}

// Promise 8: what a task with `expand` writes is itself a plan. This is what is read of it, and what is refused.
import { hash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { encode } from "../bencode/encode.ts";
import { AlamodeError } from "../errors.ts";
import { graphOf, type PlanGraph } from "../plan/graph.ts";
import { loadPlan } from "../plan/load.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import type { Store } from "../store/types.ts";

/** How deep plans may lie in plans, unless it is said otherwise. */
export const MAX_DEPTH = 64;

/** The output under which a plan that a task wrote is committed: sha256(bencode({ expansion: output })). */
export function expansionOutput(output: OutputId): OutputId {
  return hash("sha256", encode({ expansion: output })) as OutputId;
}

/** The resolved key of that plan: never that of the expander's own result. */
export function expansionKey(resolvedKey: string): string {
  return hash("sha256", encode({ v: 1, expansion: resolvedKey }));
}

export interface Expansion {
  readonly plan: Plan;
  readonly graph: PlanGraph;
  /** The task whose output is the expander's. */
  readonly result: string;
}

/**
 * Reads a plan file, or a folder with `plan.dag` and `sources/<sha256>`, whose files (and the bundles of modules beside them)
 * are kept in the store. `above`: the
 * outputs of the expanders it lies in, and their inputs. Throws `bad-expansion`, and as `loadPlan` does.
 */
export async function readExpansion(
  path: string,
  above: ReadonlySet<OutputId>,
  store: Store,
): Promise<Expansion> {
  const isFolder = statSync(path).isDirectory();
  const plan = await loadPlan(isFolder ? join(path, "plan.dag") : path);
  if (isFolder && readdirSync(path).includes("sources")) {
    for (const name of readdirSync(join(path, "sources")))
      await keep(store, name, join(path, "sources", name));
  }
  const graph = graphOf(plan);
  for (const task of Object.keys(plan.tasks)) {
    if (above.has(plan.tasks[task]!.output)) {
      throw bad(
        `its task "${task}" is the task that it comes from, or an input of that`,
        "Depend on it by its ID instead: $INPUT_IDS holds those of the inputs.",
      );
    }
  }
  return { plan, graph, result: resultOf(plan, graph) };
}

async function keep(store: Store, name: string, file: string): Promise<void> {
  if (/^[0-9a-f]{64}$/.test(name)) return store.keepSource(name, file);
  // What was derived from a module: it holds a digest of its own, which a step checks.
  if (/^[0-9a-f]{64}\.mjs$/.test(name)) return store.keepDerived(name, readFileSync(file));
  throw bad(
    `sources/${name} is not named by a sha256`,
    "Name each file in sources/ by the sha256 of its content.",
  );
}

/** The task `result`, else the only goal. */
function resultOf(plan: Plan, graph: PlanGraph): string {
  if (Object.hasOwn(plan.tasks, "result")) return "result";
  const goals = graph.goals();
  if (goals.length === 1) return goals[0]!;
  throw bad(
    goals.length === 0 ? "it has no task" : `it has ${goals.length} goals and no task "result"`,
    "Name one task  result : its output is the expander's.",
  );
}

function bad(why: string, hint: string): AlamodeError {
  return new AlamodeError("bad-expansion", `the plan it wrote cannot be performed: ${why}`, { hint });
}

// What a plan is, as data. No I/O, no clock.
import { emptyMap } from "../bencode/empty-map.ts";
import type { Bmap, Bnormal, BnormalMap } from "../bencode/types.ts";

declare const brand: unique symbol;

/** The ID of what a task makes: 64 lowercase hex digits, sha256(bencode(spec ∪ { inputs })). */
export type OutputId = string & { readonly [brand]: "output" };

/** What a task is. All of it is hashed. `inputs` and `output` are reserved. */
export type Spec = Bmap;

/** How to run a task; changes no ID. Kept in `meta.options[task]`, absent when empty. */
export type Options = Bmap;

/** Options for all tasks of a name or pattern (`align/*`), as a machine's configuration says them. Later ones win, key by key. */
export type OptionsByPattern = { readonly [pattern: string]: Options };

/** One task of a plan: its spec, plus `inputs` (dependency name → output) and `output`. */
export interface PlanTask {
  readonly inputs: { readonly [dependency: string]: OutputId };
  readonly output: OutputId;
  readonly [key: string]: Bnormal;
}

/** The encoded dag. Both maps have no prototype; tasks are in the order of their names' UTF-8 bytes when loaded. */
export interface Plan {
  readonly meta: BnormalMap;
  readonly tasks: { readonly [task: string]: PlanTask };
}

/** The spec of a plan's task: everything but `inputs` and `output`. */
export function specOf(task: PlanTask): BnormalMap {
  const spec = emptyMap<Bnormal>();
  for (const key of Object.keys(task)) if (key !== "inputs" && key !== "output") spec[key] = task[key]!;
  return spec;
}

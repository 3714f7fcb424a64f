// What is due, and why: one pure function that run, status and exec share. It asks for facts in batches (it is a
// generator that yields questions), so it knows neither record nor store, and costs one round trip a layer.
import type { PlanGraph } from "../plan/graph.ts";
import type { Success } from "../record/types.ts";

/** What is known of one output. `lost` and `damaged`: a success whose bytes are gone or changed; `elsewhere`: in a store unknown here. */
export type Fact =
  | { readonly kind: "none" }
  | { readonly kind: "done"; readonly success: Success }
  | { readonly kind: "lost"; readonly success: Success }
  | { readonly kind: "damaged"; readonly success: Success; readonly path: string }
  | { readonly kind: "elsewhere"; readonly success: Success };

/** Why a node is due. What an author did to bring it about is `status.ts`'s to find out. */
export type Cause =
  | { readonly kind: "none" }
  | { readonly kind: "lost" }
  | { readonly kind: "damaged"; readonly path: string }
  | { readonly kind: "elsewhere"; readonly success: Success }
  | { readonly kind: "stale" };

export interface Decision {
  /** Node → why it must run. */
  readonly due: ReadonlyMap<number, Cause>;
  /** Node → the success that is used: goals that are done, and inputs of due nodes. Nodes above these are not looked at. */
  readonly done: ReadonlyMap<number, Success>;
}

/** One for all: a hundred thousand tasks may have it. */
export const NEVER_MADE: Cause = Object.freeze({ kind: "none" });

/**
 * Decides for `goals` (node indexes) and all above them that is needed. Yields lists of nodes; is answered with one
 * fact for each, in order. Promise 6: a goal that is done ends the search; a stale success is done as a goal, but
 * is never an input, so it is due where a due node needs it.
 *
 * `inputsOnly`: the goals are needed as inputs (when a step found one gone), so stale ones are due too.
 */
export function* decide(
  graph: PlanGraph,
  goals: readonly number[],
  {
    inputsOnly = false,
    force = new Set<number>(),
  }: { inputsOnly?: boolean; force?: ReadonlySet<number> } = {},
): Generator<readonly number[], Decision, readonly Fact[]> {
  const facts = new Map<number, Fact>();
  const due = new Map<number, Cause>();
  const done = new Map<number, Success>();
  let layer: readonly number[] = [...new Set(goals)];
  let asInput = inputsOnly;
  while (layer.length > 0) {
    const unknown = layer.filter((node) => !facts.has(node));
    if (unknown.length > 0) {
      const answers = yield unknown;
      unknown.forEach((node, i) => {
        facts.set(node, answers[i]!);
      });
    }
    const next = new Set<number>();
    for (const node of layer) {
      if (due.has(node)) continue;
      const cause = force.has(node) ? NEVER_MADE : causeOf(facts.get(node)!, asInput);
      if (cause === undefined) {
        done.set(node, (facts.get(node) as Fact & { kind: "done" }).success);
        continue;
      }
      done.delete(node);
      due.set(node, cause);
      if (cause.kind === "elsewhere") continue; // made, so what it was made from is not needed
      for (const input of graph.inputs(node)) if (!due.has(input)) next.add(input);
    }
    layer = [...next];
    asInput = true;
  }
  return { due, done };
}

function causeOf(fact: Fact, asInput: boolean): Cause | undefined {
  switch (fact.kind) {
    case "none":
      return NEVER_MADE;
    case "lost":
      return { kind: "lost" };
    case "damaged":
      return { kind: "damaged", path: fact.path };
    case "elsewhere":
      return { kind: "elsewhere", success: fact.success };
    case "done":
      return asInput && fact.success.stale ? { kind: "stale" } : undefined;
    default:
      return fact satisfies never;
  }
}

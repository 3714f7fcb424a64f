// Answers decide's questions from record and store: is it done, and are its bytes there to be trusted?
import type { OutputId } from "../plan/types.ts";
import type { RecordDb, Success } from "../record/types.ts";
import type { Store } from "../store/types.ts";
import type { Decision, Fact } from "./decide.ts";
import type { Host } from "./host.ts";

export interface FactSource {
  readonly record: RecordDb;
  readonly store: Store;
  readonly host: Host;
  /** Whether what is found out is written down (`run`), or only told (`status`). */
  readonly mark: boolean;
}

/** Runs a decision to its end. `outputOf` maps the decision's nodes to outputs. */
export async function answer(
  decision: Generator<readonly number[], Decision, readonly Fact[]>,
  outputOf: (node: number) => OutputId,
  source: FactSource,
): Promise<Decision> {
  for (let step = decision.next(); ; ) {
    if (step.done) return step.value;
    step = decision.next(await factsOf(step.value.map(outputOf), source));
  }
}

/** One fact for each output, in order: two round trips for all of them, plus a look at each that cannot be trusted unseen. */
async function factsOf(outputs: readonly OutputId[], source: FactSource): Promise<Fact[]> {
  const { record, store } = source;
  const successes = await record.successes(outputs);
  const known = outputs.flatMap((output) => successes.get(output) ?? []);
  const present = await store.present(known.map((success) => success.location));
  const facts = new Map<OutputId, Fact>();
  for (const [i, success] of known.entries()) {
    const fact: Fact = present[i] ? await trusted(success, source) : { kind: "lost", success };
    if (source.mark && (fact.kind === "lost" || fact.kind === "damaged"))
      await record.mark(success.id, fact.kind);
    facts.set(success.output, fact);
  }
  return outputs.map((output) => facts.get(output) ?? { kind: "none" });
}

/**
 * A success that may not have reached the disk before the machine went down, or that was made on another host or in
 * another store, is believed only if its bytes hash to what it says (promise 2).
 */
async function trusted(success: Success, { record, store, host, mark }: FactSource): Promise<Fact> {
  const here = success.host === host.host && success.boot === host.boot;
  if ((success.settled || here) && success.store === store.id) return { kind: "done", success };
  const found = await store.rehash(success.location);
  if (found === undefined) return { kind: "lost", success };
  if (found.digest !== success.treeDigest) return { kind: "damaged", success, path: success.location };
  if (mark) await record.settleOne(success.id);
  return { kind: "done", success };
}

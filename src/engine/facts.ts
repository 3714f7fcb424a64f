// Answers the questions of decide and cut-off from record and store: is it done, and are its bytes there to be trusted?
import type { PlanGraph } from "../plan/graph.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import { isolationOver, isolationSuffices, whateverAbove } from "../record/isolation.ts";
import type { AliasRequest, RecordDb, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import type { TreeDigest } from "../store/types.ts";
import { type Asked, type CutOff, cutOff } from "./cut-off.ts";
import { type Decision, decide, type Fact } from "./decide.ts";
import type { Demands } from "./demands.ts";
import { elsewhereError, isElsewhere } from "./elsewhere.ts";
import type { Host } from "./host.ts";
import { resolvedKeyOf } from "./resolved-key.ts";
import { trustedUnseen } from "./trust.ts";

export interface FactSource {
  readonly record: RecordDb;
  readonly stores: Stores;
  readonly host: Host;
  /** Whether what is found out is written down, and what cannot be used is refused (`run`); or all is only told (`status`). */
  readonly mark: boolean;
  /** What successes must have to count. */
  readonly demands: Demands;
}

/** A success known to the record, beside what asking for it took to find out. */
interface Key {
  readonly asked: Asked;
  readonly output: OutputId;
  readonly resolvedKey: string;
  readonly inputs: AliasRequest["inputs"];
}

/**
 * Decides, and cuts off what was made before under another name: two round trips a layer. Throws `output-elsewhere` where
 * something needed lies in a store that nobody here knows, unless it is only to be told.
 */
export async function decideNow(
  plan: Plan,
  graph: PlanGraph,
  nodes: readonly number[],
  source: FactSource,
  options: { readonly inputsOnly?: boolean; readonly force?: ReadonlySet<number> } = {},
): Promise<CutOff> {
  const decision = await answered(decide(graph, nodes, options), (asked) =>
    factsOf(
      asked.map((node) => graph.outputs[node]!),
      source,
    ),
  );
  if (source.mark) await refuseElsewhere(graph, decision, source);
  return cutOffNow(plan, graph, decision, source, options.force);
}

async function refuseElsewhere(graph: PlanGraph, { due }: Decision, source: FactSource): Promise<void> {
  const found = [...due].flatMap(([node, cause]) =>
    cause.kind === "elsewhere" ? [{ node, success: cause.success }] : [],
  );
  const [first] = found;
  if (first === undefined) return;
  const there = found.filter(({ success }) => success.store === first.success.store);
  const names = there.map(({ node, success }) => graph.names(node)[0] ?? success.output.slice(0, 8));
  throw await elsewhereError(names, first.success, source);
}

/** The second half of `decideNow`. */
export function cutOffNow(
  plan: Plan,
  graph: PlanGraph,
  decision: Decision,
  source: FactSource,
  force?: ReadonlySet<number>,
): Promise<CutOff> {
  return answered(cutOff(graph, decision, force), (asked) => sameOf(plan, graph, asked, source));
}

/** Answers a pure decision's questions until it is made. */
async function answered<Question, Answer, Result>(
  decision: Generator<readonly Question[], Result, readonly Answer[]>,
  answer: (question: readonly Question[]) => Promise<readonly Answer[]>,
): Promise<Result> {
  for (let step = decision.next(); ; ) {
    if (step.done) return step.value;
    step = decision.next(await answer(step.value));
  }
}

/** One fact for each output, in order: two round trips for all of them, plus a look at each that cannot be trusted unseen. */
async function factsOf(outputs: readonly OutputId[], source: FactSource): Promise<Fact[]> {
  const { record, stores } = source;
  const successes = await record.successes(outputs);
  const known = outputs
    .flatMap((output) => successes.get(output) ?? [])
    .filter((success) => isolationSuffices(success.isolation, source.demands.of(success.output)));
  const present = await stores.present(known);
  const facts = new Map<OutputId, Fact>();
  for (const [i, success] of known.entries()) {
    const fact = present[i] ? await trusted(success, source) : await goneOrElsewhere(success, stores);
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
export async function trusted(
  success: Success,
  { record, stores, host, mark }: Omit<FactSource, "demands">,
): Promise<Fact> {
  const store = await stores.of(success);
  if (trustedUnseen(success, { store, host })) return { kind: "done", success };
  const found = await store.rehash(success.location);
  if (found?.digest !== success.treeDigest && (await isElsewhere(success, stores)))
    return { kind: "elsewhere", success };
  if (found === undefined) return { kind: "lost", success };
  if (found.digest !== success.treeDigest) return { kind: "damaged", success, path: "" };
  if (mark) await record.settleOne(success.id);
  return { kind: "done", success };
}

async function goneOrElsewhere(success: Success, stores: Stores): Promise<Fact> {
  return { kind: (await isElsewhere(success, stores)) ? "elsewhere" : "lost", success };
}

/**
 * For each node the success that stands for it because the same was made before: the earliest whose bytes are there. With
 * `mark` it is written down as an alias, else only told as it would stand.
 */
async function sameOf(
  plan: Plan,
  graph: PlanGraph,
  asked: readonly Asked[],
  source: FactSource,
): Promise<(Success | undefined)[]> {
  const { record, stores, mark } = source;
  const keys = asked.map((question) => keyOf(plan, graph, question));
  const candidates = await record.candidates(
    keys.map(({ resolvedKey }) => resolvedKey),
    "none",
  );
  const originals = await Promise.all(
    candidates.map((all, i) => {
      // What it was made from has no say: its inputs are now those that are asked about.
      const wanted = whateverAbove(source.demands.of(keys[i]!.output));
      return firstThere(
        all.filter(({ isolation }) => isolationSuffices(isolation, wanted)),
        source,
      );
    }),
  );
  const found = keys.flatMap((key, i) =>
    originals[i] === undefined ? [] : [{ key, original: originals[i] }],
  );
  const standing = mark
    ? await record.alias(
        found.map(({ key, original: { id, isolation } }) => ({
          output: key.output,
          inputs: key.inputs,
          original: id,
          isolation: isolationOver(
            isolation,
            key.asked.inputs.values().map((input) => input.isolation),
          ),
        })),
      )
    : found.map(({ key, original }): Success => ({ ...original, output: key.output, aliasOf: original.id }));
  const answers = new Map<number, Success>();
  for (const [i, { key }] of found.entries()) {
    const success = standing[i];
    if (success === undefined) continue;
    answers.set(key.asked.node, success);
    if (mark) await (await stores.of(success)).view(key.output, success.location);
  }
  return asked.map(({ node }) => answers.get(node));
}

function keyOf(plan: Plan, graph: PlanGraph, asked: Asked): Key {
  const task = plan.tasks[graph.names(asked.node)[0]!]!;
  const inputs: Record<string, { output: OutputId; treeDigest: TreeDigest }> = Object.create(null);
  const digests: Record<string, TreeDigest> = Object.create(null);
  for (const name of Object.keys(task.inputs)) {
    const output = task.inputs[name]!;
    const { treeDigest } = asked.inputs.get(graph.node(output)!)!;
    digests[name] = treeDigest;
    inputs[name] = { output, treeDigest };
  }
  return { asked, output: task.output, resolvedKey: resolvedKeyOf(task, digests), inputs };
}

/** The first of these successes whose bytes are there. Those found gone or changed are marked. */
export async function firstThere(
  candidates: readonly Success[],
  source: FactSource,
): Promise<Success | undefined> {
  const { record, stores, mark } = source;
  for (const success of candidates) {
    const [present] = await stores.present([success]);
    const fact = present ? await trusted(success, source) : await goneOrElsewhere(success, stores);
    if (fact.kind === "done") return success;
    if (mark && (fact.kind === "lost" || fact.kind === "damaged")) await record.mark(success.id, fact.kind);
  }
  return undefined;
}

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
import { Findings } from "./findings.ts";
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

const NOT_KNOWN: Fact = Object.freeze({ kind: "none" });

/** One fact for each output, in order: few round trips for all of them, plus a look at each that cannot be trusted unseen. */
async function factsOf(outputs: readonly OutputId[], source: FactSource): Promise<Fact[]> {
  const { record, demands } = source;
  const successes = await record.successes(outputs);
  const known = outputs
    .flatMap((output) => successes.get(output) ?? [])
    .filter((success) => isolationSuffices(success.isolation, demands.of(success.output)));
  const found = await factsOfSuccesses(known, source);
  const facts = new Map(known.map(({ output }, i) => [output, found[i]!]));
  return outputs.map((output) => facts.get(output) ?? NOT_KNOWN);
}

/** Whether the bytes of successes are there to be trusted, one fact for each, in order. With `mark` it is written down. */
async function factsOfSuccesses(
  successes: readonly Success[],
  source: Omit<FactSource, "demands">,
): Promise<Fact[]> {
  const { stores, mark } = source;
  const present = await stores.present(successes);
  const found = new Findings(source);
  const facts: Fact[] = [];
  for (const [i, success] of successes.entries()) {
    const fact = present[i] ? await believed(success, source) : await goneOrElsewhere(success, stores);
    facts.push(fact);
    if (mark) await found.add(fact);
  }
  await found.write();
  return facts;
}

/** A fact that the bytes themselves may have been asked for. */
type Believed = Fact & { readonly rehashed?: true };

/**
 * A success that may not have reached the disk before the machine went down, or that was made on another host or in
 * another store, is believed only if its bytes hash to what it says (promise 2).
 */
async function believed(
  success: Success,
  { stores, host }: Pick<FactSource, "stores" | "host">,
): Promise<Believed> {
  const store = await stores.of(success);
  if (trustedUnseen(success, { store, host })) return { kind: "done", success };
  const found = await store.rehash(success.location);
  if (found?.digest !== success.treeDigest && (await isElsewhere(success, stores)))
    return { kind: "elsewhere", success };
  if (found === undefined) return { kind: "lost", success };
  if (found.digest !== success.treeDigest) return { kind: "damaged", success, path: "" };
  return { kind: "done", success, rehashed: true };
}

/** As `believed`; what turned out to be sound is noted, with `mark`. */
export async function trusted(success: Success, source: Omit<FactSource, "demands">): Promise<Fact> {
  const fact = await believed(success, source);
  if (source.mark && fact.rehashed) await source.record.settleThese([success.id]);
  return fact;
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
  const originals = await firstThereOfEach(
    candidates.map((all, i) => {
      // What it was made from has no say: its inputs are now those that are asked about.
      const wanted = whateverAbove(source.demands.of(keys[i]!.output));
      return all.filter(({ isolation }) => isolationSuffices(isolation, wanted));
    }),
    source,
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

/** The first of these successes whose bytes are there. With `mark`, those found gone or changed are marked. */
export async function firstThere(
  candidates: readonly Success[],
  source: FactSource,
): Promise<Success | undefined> {
  return (await firstThereOfEach([candidates], source))[0];
}

/** The same for many, each with candidates of its own: as many looks at the store as the one that needs most has to take. */
async function firstThereOfEach(
  candidates: readonly (readonly Success[])[],
  source: FactSource,
): Promise<(Success | undefined)[]> {
  const first: (Success | undefined)[] = candidates.map(() => undefined);
  let open = [...candidates.keys()];
  for (let n = 0; ; n++) {
    open = open.filter((i) => candidates[i]!.length > n);
    if (open.length === 0) return first;
    // Several outputs may have the same candidate, which is looked at once.
    const asked = new Map(open.map((i) => [candidates[i]![n]!.id, candidates[i]![n]!]));
    const facts = await factsOfSuccesses([...asked.values()], source);
    const sound = new Set([...asked.keys()].filter((_, at) => facts[at]!.kind === "done"));
    for (const i of open) if (sound.has(candidates[i]![n]!.id)) first[i] = candidates[i]![n];
    open = open.filter((i) => first[i] === undefined);
  }
}

// The very trees that a success was made from, where they still are: the record says what was read, and the input's own
// history which of its successes have those bytes.
import type { OutputId, PlanTask } from "../plan/types.ts";
import type { Execution, RecordDb, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import { type FactSource, trusted } from "./facts.ts";
import type { InputChecks } from "./input-checks.ts";

export interface InputSource extends Omit<FactSource, "demands"> {
  readonly checks: InputChecks;
}

export type RecordedInputs =
  | { readonly kind: "there"; readonly inputs: Readonly<Record<string, Success>> }
  | { readonly kind: "gone"; readonly because: string };

/** Finds what each dependency was read as. Marks what turns out to be lost or damaged. */
export async function recordedInputs(
  task: PlanTask,
  execution: Execution,
  source: InputSource,
): Promise<RecordedInputs> {
  const inputs: Record<string, Success> = Object.create(null);
  for (const [name, output] of Object.entries(task.inputs)) {
    const digest = execution.inputs[name];
    const history = await source.record.history(output);
    const success = await firstIntact(
      history.filter(({ treeDigest }) => treeDigest === digest),
      source,
    );
    if (success === undefined) {
      const remade = history.some(({ state, treeDigest }) => state === "current" && treeDigest !== digest);
      const because = `input "${name}" is gone${remade ? ": other bytes have taken its place since" : ""}`;
      return { kind: "gone", because };
    }
    inputs[name] = success;
  }
  return { kind: "there", inputs };
}

async function firstIntact(
  candidates: readonly Success[],
  source: InputSource,
): Promise<Success | undefined> {
  for (const success of candidates) {
    if (success.state === "lost" || success.state === "damaged") continue;
    const fact = await trusted(success, source);
    if (fact.kind === "done") {
      if ((await source.checks.before(success)) === undefined) return success;
    } else if (fact.kind === "lost" || fact.kind === "damaged") {
      await source.record.mark([success.id], fact.kind);
    }
  }
  return undefined;
}

/** Why an output has no success whose bytes are there, in words. */
export async function whyNotDone(
  output: OutputId,
  { record, stores }: { readonly record: RecordDb; readonly stores: Stores },
): Promise<string> {
  const [last] = await record.history(output);
  if (last === undefined) return "it is not made";
  switch (last.state) {
    case "damaged":
      return "its bytes were changed since it was made";
    default:
      return (await stores.find(last.store)) === undefined ? "it is in another store" : "its bytes are gone";
  }
}

// Plans put together again from the rows of their tasks. Inputs are kept as bencode({ dependency name: outputs.id }).
import { decode } from "../bencode/decode.ts";
import type { BnormalMap } from "../bencode/types.ts";
import type { OutputId, Plan, PlanTask } from "../plan/types.ts";
import { bytesOf, decodeMap, hex } from "./rows.ts";

/** An output with its spec and inputs; `name` is what a task of the plan at hand calls it. */
export interface TaskRow {
  readonly name: string;
  /** Database id of the output. */
  readonly id: number;
  readonly output: Uint8Array;
  readonly spec: Uint8Array;
  readonly inputs: Uint8Array;
}

/** Which output a task of a plan has, by its name. */
export interface NamedOutput {
  readonly name: string;
  readonly output: OutputId;
}

/** To be completed with WHERE. */
export const SELECT_TASKS = `
  SELECT p.name, o.id, o.output, s.bytes AS spec, o.inputs
  FROM plan_tasks p JOIN outputs o ON o.id = p.output_id JOIN specs s ON s.id = o.spec_id`;

/** The same of an output, whatever it is called. */
export const SELECT_IDENTITY = `
  SELECT '' AS name, o.id, o.output, s.bytes AS spec, o.inputs FROM outputs o JOIN specs s ON s.id = o.spec_id`;

/** Database ids of the inputs that are none of these rows' own outputs. */
export function unnamedInputs(rows: readonly TaskRow[]): number[] {
  const own = new Set(rows.map(({ id }) => id));
  const others = new Set<number>();
  for (const row of rows)
    for (const id of Object.values(inputIds(row.inputs))) if (!own.has(id)) others.add(id);
  return [...others];
}

/** The names of tasks that `like` does not have, or that have another output there: these alone have to be read. */
export function unlike(named: readonly NamedOutput[], like: Plan): NamedOutput[] {
  return named.filter(({ name, output }) => like.tasks[name]?.output !== output);
}

/** The plan of `named`, in that order, with tasks from `like` but for those that were `read`: see `unlike`. */
export function planLike(like: Plan, named: readonly NamedOutput[], read: Plan): Plan {
  const tasks: Record<string, PlanTask> = Object.create(null);
  for (const { name } of named) tasks[name] = read.tasks[name] ?? like.tasks[name]!;
  return { meta: read.meta, tasks };
}

/** `others`: the outputs of `unnamedInputs(rows)`. */
export function planOf(
  meta: Uint8Array,
  rows: readonly TaskRow[],
  others: ReadonlyMap<number, OutputId>,
): Plan {
  const outputs = new Map(others);
  for (const { id, output } of rows) outputs.set(id, hex(output) as OutputId);
  const tasks: Record<string, PlanTask> = Object.create(null);
  for (const row of rows) {
    const task: Record<string, unknown> = decode(row.spec) as BnormalMap;
    task["inputs"] = inputsOf(row.inputs, outputs);
    task["output"] = hex(row.output);
    tasks[row.name] = task as PlanTask;
  }
  return { meta: decodeMap(meta), tasks };
}

/** Dependency name → output, of an `inputs` column. */
export function inputsOf(
  inputs: Uint8Array,
  outputs: ReadonlyMap<number, OutputId>,
): Record<string, OutputId> {
  const named: Record<string, OutputId> = Object.create(null);
  for (const [dependency, id] of Object.entries(inputIds(inputs))) named[dependency] = outputs.get(id)!;
  return named;
}

function inputIds(inputs: Uint8Array): Record<string, number> {
  return decodeMap(inputs) as Record<string, number>;
}

/** First and last ID that begin with `prefix`; undefined unless that is at least 4 hex digits. */
export function outputRange(prefix: string): [Uint8Array, Uint8Array] | undefined {
  if (!/^[0-9a-f]{4,64}$/.test(prefix)) return undefined;
  return [bytesOf(prefix.padEnd(64, "0")), bytesOf(prefix.padEnd(64, "f"))];
}

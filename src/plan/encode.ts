// From dag to plan: every output's ID, and the plan file's bytes. Linear, and without recursion on the graph's depth.
import { createHash, hash } from "node:crypto";
import { ByteWriter } from "../bencode/byte-writer.ts";
import { emptyMap } from "../bencode/empty-map.ts";
import { encodeInto, encodeText } from "../bencode/encode.ts";
import { normalForm } from "../bencode/normal-form.ts";
import { sortUtf8 } from "../bencode/order.ts";
import type { Bmap, Bnormal, BnormalMap } from "../bencode/types.ts";
import type { DagContent } from "./dag.ts";
import { externalOutput } from "./external-task.ts";
import { whatStays } from "./growing.ts";
import { metaWithOptions } from "./options.ts";
import { metaWithPlaces } from "./places.ts";
import { refuseReserved } from "./reserved.ts";
import type { Task } from "./task.ts";
import { eachInOrder } from "./task-order.ts";
import type { OutputId, Plan, PlanTask, Spec } from "./types.ts";

/** A task's map lies within the map of tasks, within the plan. */
const TASK_DEPTH = 2;
const CHUNK_BYTES = 1024 * 1024;

/** sha256(bencode(spec ∪ { inputs })): the ID of what a task makes. Throws `not-encodable`. */
export function outputOf(spec: Spec, inputs: { readonly [dependency: string]: OutputId }): OutputId {
  return outputBy(new ByteWriter(), { ...spec, inputs }, "spec");
}

/** The ID of every task of the dag, and of those of other dags that they depend on. `hashed` is told of each, with its inputs. */
export function outputsOf(
  dag: DagContent,
  hashed?: (task: Task, inputs: PlanTask["inputs"]) => void,
): Map<Task, OutputId> {
  const outputs = new Map<Task, OutputId>();
  const writer = new ByteWriter();
  eachInOrder(dag.tasks.values(), outputs, (task) => {
    const external = externalOutput(task);
    if (external !== undefined) return void outputs.set(task, external);
    refuseReserved(task.name, task.spec);
    const inputs = inputsOf(task, outputs);
    outputs.set(task, outputBy(writer, { ...task.spec, inputs }, `task "${task.name}", spec`));
    hashed?.(task, inputs);
  });
  return outputs;
}

/** The bytes of the dag's plan file, in pieces of about a MiB, so that a huge plan need not be held. */
export function* dagChunks(dag: DagContent): Generator<Uint8Array> {
  const { tasks: described } = dag;
  const outputs = outputsOf(dag);
  function* entries(): Generator<[string, Bmap]> {
    for (const name of sortUtf8([...described.keys()])) {
      const task = described.get(name)!;
      yield [name, { ...task.spec, inputs: inputsOf(task, outputs), output: outputs.get(task)! }];
    }
  }
  yield* chunksOf(metaOf(dag), entries());
}

export function bencodeDag(dag: DagContent): Uint8Array {
  return joined(dagChunks(dag));
}

/** What loading the dag's plan file would give. */
export function encodeDag(dag: DagContent): Plan {
  return whatStays(() => {
    const { tasks: described } = dag;
    const inputs = new Map<Task, PlanTask["inputs"]>();
    const outputs = outputsOf(dag, (task, its) => inputs.set(task, its));
    const tasks: Record<string, PlanTask> = Object.create(null);
    for (const name of sortUtf8([...described.keys()])) {
      const task = described.get(name)!;
      tasks[name] = planTask(task.spec, inputs.get(task)!, outputs.get(task)!);
    }
    const meta = metaOf(dag);
    encodeInto(new ByteWriter(), meta, { at: "meta", depth: 1 });
    return { meta: normalForm(meta) as BnormalMap, tasks };
  });
}

/** The normal form of the spec, with these two in their places. */
function planTask(spec: Spec, inputs: PlanTask["inputs"], output: OutputId): PlanTask {
  const task = emptyMap<Bnormal>();
  for (const key of sortUtf8([...Object.keys(spec), "inputs", "output"])) {
    if (key === "inputs") task[key] = inputs;
    else task[key] = key === "output" ? output : normalForm(spec[key]!);
  }
  return task as PlanTask;
}

/** The dag's meta, and what its tasks have to say there. */
function metaOf(dag: DagContent): Bmap {
  return metaWithPlaces(metaWithOptions(dag), dag.tasks);
}

/** The bytes of a plan's file, in pieces of about a MiB. */
export function* planChunks(plan: Plan): Generator<Uint8Array> {
  function* entries(): Generator<[string, Bmap]> {
    for (const name of sortUtf8(Object.keys(plan.tasks))) yield [name, plan.tasks[name]!];
  }
  yield* chunksOf(plan.meta, entries());
}

/** The bytes of a plan's file: what `loadPlan` gave is what it was loaded from. */
export function bencodePlan(plan: Plan): Uint8Array {
  return joined(planChunks(plan));
}

/** sha256 (hex) of a plan's file, without holding its bytes. */
export function planDigest(plan: Plan): string {
  const digest = createHash("sha256");
  for (const chunk of planChunks(plan)) digest.update(chunk);
  return digest.digest("hex");
}

function* chunksOf(meta: Bmap, tasks: Iterable<[name: string, task: Bmap]>): Generator<Uint8Array> {
  const writer = new ByteWriter();
  writer.ascii("d4:meta");
  encodeInto(writer, meta, { at: "meta", depth: 1 });
  writer.ascii("5:tasksd");
  for (const [name, task] of tasks) {
    encodeText(writer, name);
    encodeInto(writer, task, { at: `task "${name}", spec`, depth: TASK_DEPTH });
    if (writer.sizeBytes < CHUNK_BYTES) continue;
    yield writer.bytes();
    writer.reset();
  }
  writer.ascii("ee");
  yield writer.bytes();
}

/** As a plan has them. Each has keys of its own: a shape for each of them takes longer than a hash table. */
function inputsOf(task: Task, outputs: ReadonlyMap<Task, OutputId>): PlanTask["inputs"] {
  const { dependencies } = task;
  const inputs: Record<string, OutputId> = Object.create(null);
  for (const name of sortUtf8([...dependencies.keys()])) inputs[name] = outputs.get(dependencies.get(name)!)!;
  return inputs;
}

function outputBy(writer: ByteWriter, whole: Bmap, at: string): OutputId {
  writer.reset();
  encodeInto(writer, whole, { at, depth: TASK_DEPTH });
  return sha256(writer.chunks()) as OutputId;
}

/** One-shot hashing is several times faster for the small specs that most are. */
function sha256(chunks: readonly Uint8Array[]): string {
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return hash("sha256", only, "hex");
  const whole = createHash("sha256");
  for (const chunk of chunks) whole.update(chunk);
  return whole.digest("hex");
}

function joined(chunks: Iterable<Uint8Array>): Uint8Array {
  return new Uint8Array(Buffer.concat([...chunks]));
}

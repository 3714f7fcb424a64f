// Plans in the embedded record: each spec once, each output once, and which task names of which plan stand for them.
import { encode } from "../bencode/encode.ts";
import type { BnormalMap } from "../bencode/types.ts";
import { type OutputId, type Plan, type PlanTask, specOf } from "../plan/types.ts";
import { planUnknown } from "./errors.ts";
import {
  inputsOf,
  type NamedOutput,
  outputRange,
  planLike,
  planOf,
  SELECT_IDENTITY,
  SELECT_TASKS,
  type TaskRow,
  unlike,
  unnamedInputs,
} from "./plan-rows.ts";
import { bytesOf, decodeMap, hex, sha256 } from "./rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import type { RecordDb, StartRun } from "./types.ts";

type PlanQueries = Pick<RecordDb, "notePlan" | "plan" | "identity" | "namesOf" | "findOutputs">;

export function planQueries(db: SqliteConnection): PlanQueries {
  return {
    notePlan: (plan, planDigest) => db.write(() => void notePlan(db, planDigest, plan)),
    plan: (planDigest, like) => db.read(() => plan(db, planDigest, like)),
    identity: (output) => db.read(() => identity(db, output)),
    namesOf: (output) => db.read(() => namesOf(db, output)),
    findOutputs: (prefix, limit) => db.read(() => findOutputs(db, prefix, limit)),
  };
}

const OUTPUT_ID = "SELECT id FROM outputs WHERE output = ?";

/** Database id of an output; undefined if the record has never heard of it. */
export function outputRow(db: SqliteConnection, output: OutputId): number | undefined {
  return db.id(OUTPUT_ID, output);
}

/** Database id of an output, which is noted by its name alone if need be. In a write transaction. */
export function noteOutput(db: SqliteConnection, output: OutputId): number {
  return outputRow(db, output) ?? db.insert("INSERT INTO outputs (output) VALUES (?)", bytesOf(output));
}

/** Notes the plan unless it is known, and returns its database id. In a write transaction. Throws `plan-unknown`. */
export function notePlan(
  db: SqliteConnection,
  planDigest: string,
  plan: Plan | undefined,
  former?: StartRun["former"],
): number {
  const byDigest = (digest: string) =>
    db.get<{ id: number }>("SELECT id FROM plans WHERE digest = ?", bytesOf(digest))?.id;
  const known = byDigest(planDigest);
  if (known !== undefined) return known;
  if (plan === undefined) throw planUnknown(planDigest);

  const { tasks } = plan;
  const names = Object.keys(tasks);
  const before = former?.plan.tasks ?? {};
  // The very objects: which tasks are the same was looked at when the former plan was read.
  const changed = names.filter((name) => tasks[name] !== before[name]);
  const copied = changed.length < names.length / 2 ? byDigest(former!.planDigest) : undefined;
  const fresh = copied === undefined ? names : changed;
  const ids = noteOutputs(
    db,
    fresh.map((name) => tasks[name]!),
  );
  const insert = "INSERT INTO plans (digest, meta) VALUES (?, ?) RETURNING id";
  const { id } = db.get<{ id: number }>(insert, bytesOf(planDigest), encode(plan.meta))!;
  if (copied !== undefined) {
    db.run(
      "INSERT INTO plan_tasks (plan_id, name, output_id) SELECT ?, name, output_id FROM plan_tasks WHERE plan_id = ?",
      id,
      copied,
    );
    for (const name of Object.keys(before)) {
      if (tasks[name] === before[name]) continue;
      db.run("DELETE FROM plan_tasks WHERE plan_id = ? AND name = ?", id, name);
    }
  }
  for (const name of fresh) {
    const sql = "INSERT INTO plan_tasks (plan_id, name, output_id) VALUES (?, ?, ?)";
    db.run(sql, id, name, ids.get(tasks[name]!.output)!);
  }
  return id;
}

/** Notes what the tasks make, with spec and inputs. Returns database ids, of their inputs too. */
function noteOutputs(db: SqliteConnection, tasks: readonly PlanTask[]): Map<OutputId, number> {
  // Inputs refer to ids of outputs that may come later in the plan; so the ids are given out before the rows are written.
  let next = db.get<{ next: number }>("SELECT coalesce(max(id), 0) + 1 AS next FROM outputs")!.next;
  const ids = new Map<OutputId, number>();
  const known = new Set<OutputId>(); // with their specs
  const idOf = (output: OutputId): number => {
    let id = ids.get(output);
    if (id !== undefined) return id;
    const sql = "SELECT id, spec_id FROM outputs WHERE output = ?";
    const row = db.get<{ id: number; spec_id: number | null }>(sql, bytesOf(output));
    if (row !== undefined && row.spec_id !== null) known.add(output);
    id = row?.id ?? next++;
    ids.set(output, id);
    return id;
  };
  for (const task of tasks) {
    const id = idOf(task.output);
    if (known.has(task.output)) continue;
    known.add(task.output);
    const inputs: Record<string, number> = Object.create(null);
    for (const [dependency, output] of Object.entries(task.inputs)) inputs[dependency] = idOf(output);
    db.run(
      `INSERT INTO outputs (id, output, spec_id, inputs) VALUES (?, ?, ?, ?)
       ON CONFLICT (output) DO UPDATE SET spec_id = excluded.spec_id, inputs = excluded.inputs`,
      id,
      bytesOf(task.output),
      noteSpec(db, specOf(task)),
      encode(inputs),
    );
  }
  for (const [output, id] of ids) {
    if (known.has(output)) continue;
    db.run(
      "INSERT INTO outputs (id, output) VALUES (?, ?) ON CONFLICT (output) DO NOTHING",
      id,
      bytesOf(output),
    );
  }
  return ids;
}

function noteSpec(db: SqliteConnection, spec: BnormalMap): number {
  const bytes = encode(spec);
  const digest = sha256(bytes);
  const insert =
    "INSERT INTO specs (digest, bytes) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING RETURNING id";
  const added = db.get<{ id: number }>(insert, digest, bytes);
  return (added ?? db.get<{ id: number }>("SELECT id FROM specs WHERE digest = ?", digest)!).id;
}

function plan(db: SqliteConnection, planDigest: string, like: Plan | undefined): Plan | undefined {
  const sql = "SELECT id, meta FROM plans WHERE digest = ?";
  const row = db.get<{ id: number; meta: Uint8Array }>(sql, bytesOf(planDigest));
  if (row === undefined) return undefined;
  const read = (rows: readonly TaskRow[]) => planOf(row.meta, rows, outputsOf(db, unnamedInputs(rows)));
  if (like === undefined) return read(db.all<TaskRow>(`${SELECT_TASKS} WHERE p.plan_id = ?`, row.id));
  const named = namedOutputs(db, row.id);
  const one = `${SELECT_TASKS} WHERE p.plan_id = ? AND p.name = ?`;
  return planLike(
    like,
    named,
    read(unlike(named, like).map(({ name }) => db.get<TaskRow>(one, row.id, name)!)),
  );
}

/** As arrays and text: four times as fast as objects and bytes, and there may be a hundred thousand. */
function namedOutputs(db: SqliteConnection, planId: number): NamedOutput[] {
  return db
    .allArrays<[name: string, output: OutputId]>(
      `SELECT p.name, lower(hex(o.output)) FROM plan_tasks p JOIN outputs o ON o.id = p.output_id
       WHERE p.plan_id = ? ORDER BY p.name`,
      planId,
    )
    .map(([name, output]) => ({ name, output }));
}

function identity(db: SqliteConnection, output: OutputId): Awaited<ReturnType<RecordDb["identity"]>> {
  const row = db.get<TaskRow>(`${SELECT_IDENTITY} WHERE o.output = ?`, bytesOf(output));
  if (row === undefined) return undefined;
  const inputs = inputsOf(row.inputs, outputsOf(db, unnamedInputs([row])));
  return { spec: decodeMap(row.spec), inputs };
}

/** Outputs by their database ids. */
function outputsOf(db: SqliteConnection, ids: readonly number[]): Map<number, OutputId> {
  const rows = ids.map(
    (id) => [id, db.get<{ output: Uint8Array }>("SELECT output FROM outputs WHERE id = ?", id)!] as const,
  );
  return new Map(rows.map(([id, { output }]) => [id, hex(output) as OutputId]));
}

function namesOf(db: SqliteConnection, output: OutputId): string[] {
  return db
    .all<{ name: string }>(
      `SELECT p.name FROM plan_tasks p JOIN outputs o ON o.id = p.output_id WHERE o.output = ?
       GROUP BY p.name ORDER BY max(p.plan_id) DESC, p.name`,
      bytesOf(output),
    )
    .map((row) => row.name);
}

function findOutputs(db: SqliteConnection, prefix: string, limit: number): OutputId[] {
  const range = outputRange(prefix);
  if (range === undefined) return [];
  return db
    .all<{ output: Uint8Array }>(
      "SELECT output FROM outputs WHERE output BETWEEN ? AND ? ORDER BY output LIMIT ?",
      ...range,
      limit,
    )
    .map((row) => hex(row.output) as OutputId);
}

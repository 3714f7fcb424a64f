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
import type { RecordDb } from "./types.ts";

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

/**
 * Notes the plan unless it is known, and returns its database id. In a write transaction. Much of it may be as in the `former`, a plan's
 * database id: that is copied. Throws `plan-unknown`.
 */
export function notePlan(
  db: SqliteConnection,
  planDigest: string,
  plan: Plan | undefined,
  former?: number,
): number {
  const digest = bytesOf(planDigest);
  const known = db.get<{ id: number }>("SELECT id FROM plans WHERE digest = ?", digest);
  if (known !== undefined) return known.id;
  if (plan === undefined) throw planUnknown(planDigest);

  const named = former === undefined ? [] : namedOutputs(db, former);
  const others = unlike(named, plan);
  const same = new Set(named.map(({ name }) => name));
  for (const { name } of others) same.delete(name);
  const fresh = Object.keys(plan.tasks).filter((name) => !same.has(name));
  const idOf = noteOutputs(
    db,
    fresh.map((name) => plan.tasks[name]!),
    new Map(named.map(({ id, output }) => [output, id])),
  );
  const insert = "INSERT INTO plans (digest, meta) VALUES (?, ?) RETURNING id";
  const { id } = db.get<{ id: number }>(insert, digest, encode(plan.meta))!;
  const copies = others.length < named.length / 2;
  if (copies) {
    const copied =
      "INSERT INTO plan_tasks (plan_id, name, output_id) SELECT ?, name, output_id FROM plan_tasks WHERE plan_id = ?";
    db.run(copied, id, former!);
    for (const { name } of others) db.run("DELETE FROM plan_tasks WHERE plan_id = ? AND name = ?", id, name);
  }
  for (const name of copies ? fresh : Object.keys(plan.tasks)) {
    const sql = "INSERT INTO plan_tasks (plan_id, name, output_id) VALUES (?, ?, ?)";
    db.run(sql, id, name, idOf(plan.tasks[name]!.output));
  }
  return id;
}

/** Notes what the tasks make, with spec and inputs. `noted`: outputs that have theirs. Returns what knows all database ids. */
function noteOutputs(
  db: SqliteConnection,
  tasks: readonly PlanTask[],
  noted: ReadonlyMap<OutputId, number>,
): (output: OutputId) => number {
  // Inputs refer to ids of outputs that may come later in the plan; so the ids are given out before the rows are written.
  let next = db.get<{ next: number }>("SELECT coalesce(max(id), 0) + 1 AS next FROM outputs")!.next;
  const ids = new Map<OutputId, number>(); // those that are not in `noted`
  const known = new Set<OutputId>(); // of these, with their specs
  const idOf = (output: OutputId): number => {
    let id = noted.get(output) ?? ids.get(output);
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
    if (noted.has(task.output) || known.has(task.output)) continue;
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
  return idOf;
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
    .allArrays<[name: string, id: number, output: OutputId]>(
      `SELECT p.name, o.id, lower(hex(o.output)) FROM plan_tasks p JOIN outputs o ON o.id = p.output_id
       WHERE p.plan_id = ? ORDER BY p.name`,
      planId,
    )
    .map(([name, id, output]) => ({ name, id, output }));
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

// Plans in a shared record: each spec once, each output once, and which task names of which plan stand for them. A plan goes
// over in a few statements for each ten thousand tasks.
import { encode } from "../bencode/encode.ts";
import { type OutputId, type Plan, type PlanTask, specOf } from "../plan/types.ts";
import { batches } from "./batches.ts";
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
import type { PostgresConnection, Session } from "./postgres-connection.ts";
import { bytesOf, decodeMap, hex, sha256 } from "./rows.ts";
import type { RecordDb } from "./types.ts";

/** How many rows go over in one statement. */
const BATCH = 10_000;

type PlanQueries = Pick<RecordDb, "notePlan" | "plan" | "identity" | "namesOf" | "findOutputs">;

export function planQueries(db: PostgresConnection): PlanQueries {
  return {
    async notePlan(plan, planDigest) {
      await notePlan(db, planDigest, plan);
    },
    async plan(planDigest, like) {
      const sql = "SELECT id, meta FROM plans WHERE digest = ?";
      const row = await db.row<{ id: number; meta: Uint8Array }>(sql, bytesOf(planDigest));
      if (row === undefined) return undefined;
      const read = async (rows: readonly TaskRow[]) =>
        planOf(row.meta, rows, await outputsOf(db, unnamedInputs(rows)));
      if (like === undefined)
        return read(await db.rows<TaskRow>(`${SELECT_TASKS} WHERE p.plan_id = ?`, row.id));
      const named = await db.rows<NamedOutput>(
        `SELECT p.name, encode(o.output, 'hex') AS output FROM plan_tasks p JOIN outputs o ON o.id = p.output_id
         WHERE p.plan_id = ? ORDER BY p.name`,
        row.id,
      );
      const some = `${SELECT_TASKS} WHERE p.plan_id = ? AND p.name = ANY(?::text[])`;
      const names = unlike(named, like).map(({ name }) => name);
      const rows = names.length === 0 ? [] : await db.rows<TaskRow>(some, row.id, names);
      return planLike(like, named, await read(rows));
    },
    async identity(output) {
      const row = await db.row<TaskRow>(`${SELECT_IDENTITY} WHERE o.output = ?`, bytesOf(output));
      if (row === undefined) return undefined;
      const inputs = inputsOf(row.inputs, await outputsOf(db, unnamedInputs([row])));
      return { spec: decodeMap(row.spec), inputs };
    },
    async namesOf(output) {
      const rows = await db.rows<{ name: string }>(
        `SELECT p.name FROM plan_tasks p JOIN outputs o ON o.id = p.output_id WHERE o.output = ?
         GROUP BY p.name ORDER BY max(p.plan_id) DESC, p.name`,
        bytesOf(output),
      );
      return rows.map(({ name }) => name);
    },
    async findOutputs(prefix, limit) {
      const range = outputRange(prefix);
      if (range === undefined) return [];
      const sql = "SELECT output FROM outputs WHERE output BETWEEN ? AND ? ORDER BY output LIMIT ?";
      const rows = await db.rows<{ output: Uint8Array }>(sql, ...range, limit);
      return rows.map(({ output }) => hex(output) as OutputId);
    },
  };
}

/** Outputs by their database ids. */
async function outputsOf(db: PostgresConnection, ids: readonly number[]): Promise<Map<number, OutputId>> {
  if (ids.length === 0) return new Map();
  const sql = "SELECT id, output FROM outputs WHERE id = ANY(?::bigint[])";
  const rows = await db.rows<{ id: number; output: Uint8Array }>(sql, ids);
  return new Map(rows.map(({ id, output }) => [id, hex(output) as OutputId]));
}

/** Notes the plan unless it is known, and returns its database id. Throws `plan-unknown`. */
export async function notePlan(
  db: PostgresConnection,
  planDigest: string,
  plan: Plan | undefined,
): Promise<number> {
  const digest = bytesOf(planDigest);
  const look = "SELECT id FROM plans WHERE digest = ?";
  const known = await db.row<{ id: number }>(look, digest);
  if (known !== undefined) return known.id;
  if (plan === undefined) throw planUnknown(planDigest);
  return db.transaction(async (session) => {
    // One plan at a time: two that share outputs would wait for each other, in either order.
    const lock = "SELECT pg_advisory_xact_lock(hashtextextended('alamode.plans:' || current_schema(), 0))";
    await session.rows(lock);
    const [meanwhile] = await session.rows<{ id: number }>(look, digest);
    if (meanwhile !== undefined) return meanwhile.id;
    const ids = await noteOutputs(session, Object.values(plan.tasks));
    const insert = "INSERT INTO plans (digest, meta) VALUES (?, ?) RETURNING id";
    const [row] = await session.rows<{ id: number }>(insert, digest, encode(plan.meta));
    for (const tasks of batches(Object.entries(plan.tasks), BATCH)) {
      await session.rows(
        "INSERT INTO plan_tasks (plan_id, name, output_id) SELECT ?, t.* FROM unnest(?::text[], ?::bigint[]) AS t",
        row!.id,
        tasks.map(([name]) => name),
        tasks.map(([, { output }]) => ids.get(output)!),
      );
    }
    return row!.id;
  });
}

/** Notes what the tasks make, with spec and inputs. Returns database ids, of their inputs too. */
async function noteOutputs(session: Session, tasks: readonly PlanTask[]): Promise<Map<OutputId, number>> {
  const all = new Set<OutputId>();
  for (const { output, inputs } of tasks) {
    all.add(output);
    for (const input of Object.values(inputs)) all.add(input);
  }
  const ids = new Map<OutputId, number>();
  const known = new Set<OutputId>(); // with their specs
  for (const outputs of batches([...all].sort(), BATCH)) {
    const digests = outputs.map(bytesOf);
    await session.rows(
      `INSERT INTO outputs (output) SELECT asked FROM unnest(?::bytea[]) AS asked
       WHERE NOT EXISTS (SELECT 1 FROM outputs WHERE output = asked) ORDER BY asked ON CONFLICT (output) DO NOTHING`,
      digests,
    );
    const rows = await session.rows<{ id: number; output: Uint8Array; spec_id: number | null }>(
      "SELECT id, output, spec_id FROM outputs JOIN unnest(?::bytea[]) AS asked ON asked = output",
      digests,
    );
    for (const { id, output, spec_id } of rows) {
      ids.set(hex(output) as OutputId, id);
      if (spec_id !== null) known.add(hex(output) as OutputId);
    }
  }
  const fresh = new Map<OutputId, PlanTask>();
  for (const task of tasks) if (!known.has(task.output)) fresh.set(task.output, task);
  for (const some of batches([...fresh.values()], BATCH)) await noteSpecs(session, some, ids);
  return ids;
}

async function noteSpecs(
  session: Session,
  tasks: readonly PlanTask[],
  ids: ReadonlyMap<OutputId, number>,
): Promise<void> {
  const specs = tasks.map((task) => encode(specOf(task)));
  const digests = specs.map(sha256);
  const once = new Map(digests.map((digest, i) => [hex(digest), i]));
  const inputs = tasks.map((task) => {
    const named: Record<string, number> = Object.create(null);
    for (const [dependency, output] of Object.entries(task.inputs)) named[dependency] = ids.get(output)!;
    return encode(named);
  });
  await session.rows(
    "INSERT INTO specs (digest, bytes) SELECT * FROM unnest(?::bytea[], ?::bytea[]) ON CONFLICT (digest) DO NOTHING",
    [...once.values()].map((i) => digests[i]!),
    [...once.values()].map((i) => specs[i]!),
  );
  await session.rows(
    `UPDATE outputs o SET spec_id = s.id, inputs = t.inputs
     FROM unnest(?::bigint[], ?::bytea[], ?::bytea[]) AS t (id, digest, inputs) JOIN specs s ON s.digest = t.digest
     WHERE o.id = t.id`,
    tasks.map(({ output }) => ids.get(output)!),
    digests,
    inputs,
  );
}

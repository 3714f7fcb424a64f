// Commit in the embedded record: what a new success is, what it does to the one before, and to what was made from that.
import { encode } from "../bencode/encode.ts";
import type { TreeDigest } from "../store/types.ts";
import { NOTE_TREE } from "./adoption.ts";
import { leaseLost } from "./errors.ts";
import { isolationSuffices } from "./isolation.ts";
import { bytesOf, hex, SELECT_SUCCESS, type SuccessRow, splitExecution, successOf } from "./rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { executionRow } from "./sqlite-leases.ts";
import { noteOutput, outputRow } from "./sqlite-plans.ts";
import { followChange, isOutdated } from "./sqlite-validity.ts";
import type { CommitRequest, Committed, Isolation, RecordDb, SuccessState } from "./types.ts";

type CommitCalls = Pick<RecordDb, "commit">;

export function commitCalls(db: SqliteConnection): CommitCalls {
  return { commit: (request, mayWait) => db.write(() => commit(db, request), mayWait) };
}

const LEASE = `
  SELECT l.output_id, l.execution_id FROM leases l JOIN executions e ON e.id = l.execution_id JOIN runs r ON r.id = e.run_id
  WHERE l.token = ? AND l.output_id = ? AND r.run = ? AND e.n = ? AND e.outcome = 'running'`;

function commit(db: SqliteConnection, request: CommitRequest): Committed {
  const { run, n } = splitExecution(request.execution);
  const lease = db.get<{ output_id: number; execution_id: number }>(
    LEASE,
    request.token,
    outputRow(db, request.output) ?? 0,
    run,
    n,
  );
  if (lease === undefined) {
    const executionId = executionRow(db, request.execution);
    const earlier = executionId === undefined ? undefined : answerOf(db, executionId);
    if (earlier !== undefined) return earlier; // committed before: the answer was lost on its way
    throw leaseLost(request);
  }
  const outputId = lease.output_id;
  const treeId = noteTree(db, request);
  const inputs = inputRows(db, request.inputs);
  const place = placeOf(db, outputId, inputs, request.isolation);
  const differs = db.get<{ tree_id: number; digest: Uint8Array }>(
    DIFFERS,
    outputId,
    bytesOf(request.resolvedKey),
    treeId,
  );
  const id = db.insert(
    INSERT_SUCCESS,
    outputId,
    lease.execution_id,
    treeId,
    bytesOf(request.resolvedKey),
    request.location,
    request.store,
    request.isolation,
    place.state,
    place.stale ? 1 : 0,
    request.host,
    request.boot,
    request.endedAt,
    request.sizeBytes,
    request.files,
    differs?.tree_id ?? null,
    request.stamps,
  );
  writeInputs(db, id, inputs);
  const madeStale = takePlace(db, outputId, id, place);
  if (madeStale > 0) db.run("UPDATE successes SET made_stale = ? WHERE id = ?", madeStale, id);
  endExecution(db, request, lease.execution_id);
  db.run("DELETE FROM leases WHERE output_id = ?", outputId);
  const { output, execution, treeDigest, location, store, isolation, host, boot, endedAt, sizeBytes, files } =
    request;
  return {
    success: {
      id,
      output,
      execution,
      treeDigest,
      location,
      store,
      isolation,
      state: place.state,
      stale: place.stale,
      settled: false,
      host,
      boot,
      madeAt: endedAt,
      sizeBytes,
      files,
    },
    ...(differs !== undefined && { differsFrom: hex(differs.digest) as TreeDigest }),
    madeStale,
  };
}

/** The last of other bytes that this output was made with, of the same inputs. */
const DIFFERS = `
  SELECT s.tree_id, t.digest FROM successes s JOIN trees t ON t.id = s.tree_id
  WHERE s.output_id = ? AND s.resolved_key = ? AND s.tree_id <> ? AND s.alias_of IS NULL
  ORDER BY s.id DESC LIMIT 1`;
const INSERT_SUCCESS = `
  INSERT INTO successes (output_id, execution_id, tree_id, resolved_key, location, store, isolation, state, stale,
    settled, host, boot, made_at, size_bytes, files, differs_from_id, made_stale, stamps)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, 0, ?)`;

/** What a new success is beside the one that stands. */
export interface Place {
  readonly state: "current" | "other";
  readonly stale: boolean;
  readonly before: Before | undefined;
}

/** Decides it, in the write transaction that then writes the success with its inputs, and calls `takePlace`. */
export function placeOf(
  db: SqliteConnection,
  outputId: number,
  inputs: readonly InputRow[],
  isolation: Isolation,
): Place {
  const before = db.get<Before>(STANDING, outputId);
  const stale = inputs.some((input) => isOutdated(db, input.outputId, input.treeId));
  return { state: stateOf({ stale, isolation }, before), stale, before };
}

/** Lets it stand for the output if it is to. Returns how many others became stale by it. */
export function takePlace(
  db: SqliteConnection,
  outputId: number,
  successId: number,
  { state, before }: Place,
): number {
  if (state !== "current") return 0;
  if (before !== undefined) {
    db.run("UPDATE successes SET state = 'superseded' WHERE id = ? AND state = 'current'", before.id);
  }
  db.run(
    `INSERT INTO standing (output_id, success_id) VALUES (?, ?)
     ON CONFLICT (output_id) DO UPDATE SET success_id = excluded.success_id`,
    outputId,
    successId,
  );
  return followChange(db, outputId);
}

const STANDING = `
  SELECT s.id, s.isolation, s.state, s.stale FROM standing c JOIN successes s ON s.id = c.success_id WHERE c.output_id = ?`;

interface Before {
  readonly id: number;
  readonly isolation: Isolation;
  readonly state: SuccessState;
  readonly stale: number;
}

/** The first success wins while its bytes exist, it is valid, and it counts where the new one was made. */
function stateOf(
  success: { stale: boolean; isolation: Isolation },
  before: Before | undefined,
): "current" | "other" {
  if (before === undefined || before.state !== "current") return "current";
  if (before.stale === 1 && !success.stale) return "current";
  if (success.stale && before.stale === 0) return "other";
  return isolationSuffices(before.isolation, success.isolation) ? "other" : "current";
}

/** What a success is made from, by database ids. */
export interface InputRow {
  readonly name: string;
  readonly outputId: number;
  readonly treeId: number;
}

/** Looks the ids up; outputs are noted by their names if need be. In a write transaction. */
export function inputRows(db: SqliteConnection, inputs: CommitRequest["inputs"]): InputRow[] {
  return Object.entries(inputs).map(([name, { output, treeDigest }]) => {
    const treeId = db.id(TREE_ID, treeDigest);
    if (treeId === undefined) {
      throw new Error(`input "${name}" has a tree that no success has. This is a bug; please report it.`);
    }
    return { name, outputId: noteOutput(db, output), treeId };
  });
}

export function writeInputs(db: SqliteConnection, successId: number, inputs: readonly InputRow[]): void {
  for (const { name, outputId, treeId } of inputs) {
    db.run(
      "INSERT INTO success_inputs (success_id, name, input_output_id, tree_id) VALUES (?, ?, ?, ?)",
      successId,
      name,
      outputId,
      treeId,
    );
  }
}

const TREE_ID = "SELECT id FROM trees WHERE digest = ?";

/** Most trees are new: so that is tried first. */
function noteTree(db: SqliteConnection, { treeDigest, tree }: CommitRequest): number {
  const id = db.insertOne(NOTE_TREE, bytesOf(treeDigest), tree);
  if (id === undefined) return db.id(TREE_ID, treeDigest)!;
  db.learn(TREE_ID, treeDigest, id);
  return id;
}

function endExecution(db: SqliteConnection, request: CommitRequest, executionId: number): void {
  const inputs: Record<string, string> = Object.create(null);
  for (const [name, input] of Object.entries(request.inputs)) inputs[name] = input.treeDigest;
  db.run(
    `UPDATE executions SET outcome = 'success', ended_at = ?, host = ?, inputs = ?, max_rss_bytes = ?, user_ms = ?,
       system_ms = ?, log = ?
     WHERE id = ?`,
    request.endedAt,
    request.host,
    encode(inputs),
    request.resources.maxRssBytes ?? null,
    request.resources.userMs ?? null,
    request.resources.systemMs ?? null,
    request.log ?? null,
    executionId,
  );
}

function answerOf(db: SqliteConnection, executionId: number): Committed | undefined {
  const row = db.get<SuccessRow>(
    `${SELECT_SUCCESS} WHERE e.id = ? AND s.output_id = e.output_id AND s.alias_of IS NULL`,
    executionId,
  );
  if (row === undefined) return undefined;
  const told = db.get<{ made_stale: number; differs: Uint8Array | null }>(
    `SELECT s.made_stale, d.digest AS differs FROM successes s LEFT JOIN trees d ON d.id = s.differs_from_id WHERE s.id = ?`,
    row.id,
  )!;
  return {
    success: successOf(row),
    ...(told.differs !== null && { differsFrom: hex(told.differs) as TreeDigest }),
    madeStale: told.made_stale,
  };
}

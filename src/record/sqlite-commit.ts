// Commit in the embedded record: what a new success is, what it does to the one before, and to what was made from that.
import { encode } from "../bencode/encode.ts";
import type { TreeDigest } from "../store/types.ts";
import { leaseLost } from "./errors.ts";
import { isolationSuffices } from "./isolation.ts";
import { bytesOf, hex, SELECT_SUCCESS, type SuccessRow, successOf } from "./rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { executionRow } from "./sqlite-leases.ts";
import { noteOutput } from "./sqlite-plans.ts";
import { followChange, hasOutdatedInput } from "./sqlite-validity.ts";
import type { CommitRequest, Committed, Isolation, RecordDb, SuccessState } from "./types.ts";

type CommitCalls = Pick<RecordDb, "commit">;

export function commitCalls(db: SqliteConnection): CommitCalls {
  return { commit: (request) => db.write(() => commit(db, request)) };
}

function commit(db: SqliteConnection, request: CommitRequest): Committed {
  const executionId = executionRow(db, request.execution);
  const earlier = executionId === undefined ? undefined : answerOf(db, executionId);
  if (earlier !== undefined) return earlier; // committed before: the answer was lost on its way
  const lease = db.get<{ output_id: number }>(
    `SELECT l.output_id FROM leases l JOIN outputs o ON o.id = l.output_id
     WHERE l.token = ? AND l.execution_id = ? AND o.output = ?`,
    request.token,
    executionId ?? 0,
    bytesOf(request.output),
  );
  if (lease === undefined || executionId === undefined) throw leaseLost(request);

  const outputId = lease.output_id;
  const success = writeSuccess(db, request, outputId, executionId);
  const madeStale = takePlace(db, outputId, success.id, request.isolation);
  db.run(
    `UPDATE successes SET made_stale = ?, differs_from_id = (
       SELECT e.tree_id FROM successes e
       WHERE e.output_id = successes.output_id AND e.resolved_key = successes.resolved_key AND e.tree_id <> successes.tree_id
         AND e.alias_of IS NULL
       ORDER BY e.id DESC LIMIT 1)
     WHERE id = ?`,
    madeStale,
    success.id,
  );
  endExecution(db, request, executionId);
  return answerOf(db, executionId)!;
}

/**
 * Decides what a new success is beside the one that stands, and lets it take that place if it is to. In a write
 * transaction, with the success and its inputs written. Returns how many others became stale by it.
 */
export function takePlace(
  db: SqliteConnection,
  outputId: number,
  successId: number,
  isolation: Isolation,
): number {
  const before = standingOf(db, outputId);
  const stale = hasOutdatedInput(db, successId);
  const state = stateOf({ stale, isolation }, before);
  db.run("UPDATE successes SET stale = ?, state = ? WHERE id = ?", stale ? 1 : 0, state, successId);
  if (state !== "current") return 0;
  db.run("UPDATE successes SET state = 'superseded' WHERE id = ? AND state = 'current'", before?.id ?? 0);
  db.run(
    `INSERT INTO standing (output_id, success_id) VALUES (?, ?)
     ON CONFLICT (output_id) DO UPDATE SET success_id = excluded.success_id`,
    outputId,
    successId,
  );
  return followChange(db, outputId);
}

interface Standing {
  readonly id: number;
  readonly isolation: Isolation;
  readonly state: SuccessState;
  readonly stale: number;
}

function standingOf(db: SqliteConnection, outputId: number): Standing | undefined {
  return db.get<Standing>(
    `SELECT s.id, s.isolation, s.state, s.stale FROM standing c JOIN successes s ON s.id = c.success_id
     WHERE c.output_id = ?`,
    outputId,
  );
}

/** The first success wins while its bytes exist, it is valid, and it counts where the new one was made. */
function stateOf(
  success: { stale: boolean; isolation: Isolation },
  before: Standing | undefined,
): "current" | "other" {
  if (before === undefined || before.state !== "current") return "current";
  if (before.stale === 1 && !success.stale) return "current";
  if (success.stale && before.stale === 0) return "other";
  return isolationSuffices(before.isolation, success.isolation) ? "other" : "current";
}

/** Writes the success, as `other` and valid for now, and its inputs. */
function writeSuccess(
  db: SqliteConnection,
  request: CommitRequest,
  outputId: number,
  executionId: number,
): { id: number } {
  const treeId =
    treeRow(db, request.treeDigest) ??
    db.get<{ id: number }>(
      "INSERT INTO trees (digest, bytes) VALUES (?, ?) RETURNING id",
      bytesOf(request.treeDigest),
      request.tree,
    )!.id;
  const success = db.get<{ id: number }>(
    `INSERT INTO successes (output_id, execution_id, tree_id, resolved_key, location, store, isolation, state, stale,
       settled, host, boot, made_at, size_bytes, files, made_stale, stamps)
     VALUES (?, ?, ?, ?, ?, ?, ?, 'other', 0, 0, ?, ?, ?, ?, ?, 0, ?) RETURNING id`,
    outputId,
    executionId,
    treeId,
    bytesOf(request.resolvedKey),
    request.location,
    request.store,
    request.isolation,
    request.host,
    request.boot,
    request.endedAt,
    request.sizeBytes,
    request.files,
    request.stamps,
  )!;
  writeInputs(db, success.id, request.inputs);
  return success;
}

/** Writes what a success was made from. */
export function writeInputs(db: SqliteConnection, successId: number, inputs: CommitRequest["inputs"]): void {
  for (const [name, input] of Object.entries(inputs)) {
    const inputTree = treeRow(db, input.treeDigest);
    if (inputTree === undefined) {
      throw new Error(`input "${name}" has a tree that no success has. This is a bug; please report it.`);
    }
    db.run(
      "INSERT INTO success_inputs (success_id, name, input_output_id, tree_id) VALUES (?, ?, ?, ?)",
      successId,
      name,
      noteOutput(db, input.output),
      inputTree,
    );
  }
}

function treeRow(db: SqliteConnection, digest: TreeDigest): number | undefined {
  return db.get<{ id: number }>("SELECT id FROM trees WHERE digest = ?", bytesOf(digest))?.id;
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
  db.run("DELETE FROM leases WHERE execution_id = ?", executionId);
}

function answerOf(db: SqliteConnection, executionId: number): Committed | undefined {
  const row = db.get<SuccessRow>(
    `${SELECT_SUCCESS} WHERE s.execution_id = ? AND s.alias_of IS NULL`,
    executionId,
  );
  if (row === undefined) return undefined;
  const told = db.get<{ made_stale: number; differs: Uint8Array | null }>(
    `SELECT s.made_stale, d.digest AS differs FROM successes s LEFT JOIN trees d ON d.id = s.differs_from_id
     WHERE s.execution_id = ? AND s.alias_of IS NULL`,
    executionId,
  )!;
  return {
    success: successOf(row),
    ...(told.differs !== null && { differsFrom: hex(told.differs) as TreeDigest }),
    madeStale: told.made_stale,
  };
}

// Validity of successes in the embedded record: what validity-sql.ts says, followed downstream.
import type { SqliteConnection } from "./sqlite-connection.ts";
import { becomesValid, makeStale, outdatedRead } from "./validity-sql.ts";

const OUTDATED = outdatedRead("?", "?");
const HAS_DEPENDENTS = "SELECT 1 FROM success_inputs WHERE input_output_id = ? LIMIT 1";
const MAKE_STALE = makeStale("?");
const BECOMES_VALID = becomesValid("?");

/** Follows what stands for an output now having changed. In a write transaction. Returns how many became stale. */
export function followChange(db: SqliteConnection, outputId: number): number {
  if (db.get(HAS_DEPENDENTS, outputId) === undefined) return 0;
  const madeStale = db.run(MAKE_STALE, outputId);
  makeValid(db, outputId);
  return madeStale;
}

/** Whether this tree is not what stands for that output, or that is stale. By database ids. */
export function isOutdated(db: SqliteConnection, outputId: number, treeId: number): boolean {
  return db.get(OUTDATED, outputId, treeId) !== undefined;
}

/** An output remade with the bytes it had before makes valid again what was made from them, and from those. */
function makeValid(db: SqliteConnection, outputId: number): void {
  const changed = [outputId];
  for (let next = changed.pop(); next !== undefined; next = changed.pop()) {
    const rows = db.all<{ id: number; output_id: number; stands: number }>(BECOMES_VALID, next);
    for (const row of rows) {
      db.run("UPDATE successes SET stale = 0 WHERE id = ?", row.id);
      if (row.stands === 1) changed.push(row.output_id);
    }
  }
}

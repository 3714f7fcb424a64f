// Validity of successes in the embedded record: what validity-sql.ts says, followed downstream.
import type { SqliteConnection } from "./sqlite-connection.ts";
import { becomesValid, makeStale, outdatedInput } from "./validity-sql.ts";

const OUTDATED_INPUT = outdatedInput("?");
const MAKE_STALE = makeStale("?");
const BECOMES_VALID = becomesValid("?");

/** Follows what stands for an output now having changed. In a write transaction. Returns how many became stale. */
export function followChange(db: SqliteConnection, outputId: number): number {
  const madeStale = db.run(MAKE_STALE, outputId);
  makeValid(db, outputId);
  return madeStale;
}

/** Whether any input of this success is outdated. */
export function hasOutdatedInput(db: SqliteConnection, successId: number): boolean {
  return db.get(OUTDATED_INPUT, successId) !== undefined;
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

// Validity of successes. One is valid (not stale) if, for each of its inputs, what stands for that input has the very tree
// that was read and is valid itself. So when something else comes to stand for an output, everything downstream may
// change. Both directions are followed here, each only one way, so that no success changes more than once in either.
import type { SqliteConnection } from "./sqlite-connection.ts";

/** Follows what stands for an output now having changed. In a write transaction. Returns how many became stale. */
export function followChange(db: SqliteConnection, outputId: number): number {
  const madeStale = makeStale(db, outputId);
  makeValid(db, outputId);
  return madeStale;
}

/** Whether an input is not what stands for it, or that is stale: true of `i`, a row of success_inputs. */
const OUTDATED = `NOT EXISTS (
  SELECT 1 FROM standing c JOIN successes v ON v.id = c.success_id
  WHERE c.output_id = i.input_output_id AND v.tree_id = i.tree_id AND v.stale = 0)`;

/** Whether any input of this success is outdated. */
export function hasOutdatedInput(db: SqliteConnection, successId: number): boolean {
  const sql = `SELECT 1 FROM success_inputs i WHERE i.success_id = ? AND ${OUTDATED} LIMIT 1`;
  return db.get(sql, successId) !== undefined;
}

function makeStale(db: SqliteConnection, outputId: number): number {
  return db.run(
    `WITH RECURSIVE outdated (success_id) AS (
       SELECT s.id FROM success_inputs i JOIN successes s ON s.id = i.success_id
       WHERE i.input_output_id = ? AND s.stale = 0 AND ${OUTDATED}
       UNION
       SELECT s.id FROM outdated d
         JOIN standing t ON t.success_id = d.success_id
         JOIN successes o ON o.id = t.success_id
         JOIN success_inputs i ON i.input_output_id = o.output_id AND i.tree_id = o.tree_id
         JOIN successes s ON s.id = i.success_id
       WHERE s.stale = 0
     )
     UPDATE successes SET stale = 1 WHERE id IN (SELECT success_id FROM outdated)`,
    outputId,
  );
}

/**
 * An output remade with the bytes it had before makes valid again what was made from them, and from those. A loop, since
 * a success waits for all of its inputs, and a recursive query cannot see what it has changed so far.
 */
function makeValid(db: SqliteConnection, outputId: number): void {
  const changed = [outputId];
  for (let next = changed.pop(); next !== undefined; next = changed.pop()) {
    const rows = db.all<{ id: number; output_id: number; stands: number }>(
      `SELECT DISTINCT s.id, s.output_id, t.success_id IS NOT NULL AS stands
       FROM standing c
         JOIN successes v ON v.id = c.success_id
         JOIN success_inputs m ON m.input_output_id = v.output_id AND m.tree_id = v.tree_id
         JOIN successes s ON s.id = m.success_id
         LEFT JOIN standing t ON t.success_id = s.id
       WHERE c.output_id = ? AND v.stale = 0 AND s.stale = 1
         AND NOT EXISTS (SELECT 1 FROM success_inputs i WHERE i.success_id = s.id AND ${OUTDATED})`,
      next,
    );
    for (const row of rows) {
      db.run("UPDATE successes SET stale = 0 WHERE id = ?", row.id);
      if (row.stands === 1) changed.push(row.output_id);
    }
  }
}

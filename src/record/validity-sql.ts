// Validity of successes, as SQL that both kinds of database know. A success is valid (not stale) if, for each of its inputs,
// what stands for that input has the very tree that was read and is valid itself. So when something else comes to stand for
// an output, everything downstream may change. Both directions are followed, each only one way, so that no success changes
// more than once in either. Arguments are SQL expressions: placeholders or variables.

/** Whether an input is not what stands for it, or that is stale: true of `i`, a row of success_inputs. */
export const OUTDATED = `NOT EXISTS (
  SELECT 1 FROM standing c JOIN successes v ON v.id = c.success_id
  WHERE c.output_id = i.input_output_id AND v.tree_id = i.tree_id AND v.stale = 0)`;

/** Has a row if any input of this success is outdated. */
export const outdatedInput = (successId: string) =>
  `SELECT 1 FROM success_inputs i WHERE i.success_id = ${successId} AND ${OUTDATED} LIMIT 1`;

/** Has a row if what was read of an output is outdated, before there is a success of it. */
export const outdatedRead = (outputId: string, treeId: string) =>
  `SELECT 1 FROM (SELECT ${outputId} AS input_output_id, ${treeId} AS tree_id) AS i WHERE ${OUTDATED}`;

/** Marks what became stale now that something else stands for the output. */
export const makeStale = (outputId: string) => `
  WITH RECURSIVE outdated (success_id) AS (
    SELECT s.id FROM success_inputs i JOIN successes s ON s.id = i.success_id
    WHERE i.input_output_id = ${outputId} AND s.stale = 0 AND ${OUTDATED}
    UNION
    SELECT s.id FROM outdated d
      JOIN successes o ON o.id = d.success_id
      JOIN standing t ON t.output_id = o.output_id AND t.success_id = o.id
      JOIN success_inputs i ON i.input_output_id = o.output_id AND i.tree_id = o.tree_id
      JOIN successes s ON s.id = i.success_id
    WHERE s.stale = 0
  )
  UPDATE successes SET stale = 1 WHERE id IN (SELECT success_id FROM outdated)`;

/**
 * Stale successes, all of whose inputs are as they were read, among those made from what stands for the output now; and
 * whether they stand for theirs. To be asked again for each of these, once it is marked valid: a success waits for all of
 * its inputs, and a recursive query cannot see what it has changed so far.
 */
export const becomesValid = (outputId: string) => `
  SELECT DISTINCT s.id, s.output_id, CASE WHEN t.success_id IS NULL THEN 0 ELSE 1 END AS stands
  FROM standing c
    JOIN successes v ON v.id = c.success_id
    JOIN success_inputs m ON m.input_output_id = v.output_id AND m.tree_id = v.tree_id
    JOIN successes s ON s.id = m.success_id
    LEFT JOIN standing t ON t.output_id = s.output_id AND t.success_id = s.id
  WHERE c.output_id = ${outputId} AND v.stale = 0 AND s.stale = 1
    AND NOT EXISTS (SELECT 1 FROM success_inputs i WHERE i.success_id = s.id AND ${OUTDATED})`;

// Successes in a shared record: look-ups, histories, trees, aliases, and what was found out about them since.
import type { Location } from "../store/types.ts";
import { batches } from "./batches.ts";
import { notThere } from "./errors.ts";
import { isolationSuffices } from "./isolation.ts";
import type { PostgresConnection } from "./postgres-connection.ts";
import { bytesOf, SELECT_SUCCESS, type SuccessRow, successOf } from "./rows.ts";
import type { AliasRequest, Millis, RecordDb, Success } from "./types.ts";

type SuccessCalls = Pick<
  RecordDb,
  | "successes"
  | "standing"
  | "history"
  | "locations"
  | "tree"
  | "stamps"
  | "candidates"
  | "alias"
  | "mark"
  | "settle"
  | "settleThese"
  | "lastSuccess"
>;

/** How many outputs one transaction lets earlier successes stand for. */
const MOST_ALIASES = 1000;

/** Of these successes, their originals, and all that rest on those. An array, so that they are looked up however many there may be. */
const RESTS_ON_THE_SAME = `id = ANY(ARRAY(
  WITH originals AS (SELECT DISTINCT coalesce(alias_of, id) AS id FROM successes WHERE id = ANY(?::bigint[]))
  SELECT id FROM originals UNION ALL SELECT a.id FROM originals o JOIN successes a ON a.alias_of = o.id))`;

export function successCalls(db: PostgresConnection, now: () => Millis): SuccessCalls {
  const successes: RecordDb["successes"] = async (outputs) => {
    const rows = await db.rows<SuccessRow>(
      `${SELECT_SUCCESS} JOIN standing c ON c.success_id = s.id JOIN unnest(?::bytea[]) AS asked ON asked = o.output
         WHERE s.state = 'current'`,
      outputs.map(bytesOf),
    );
    return new Map(rows.map((row) => successOf(row)).map((success) => [success.output, success]));
  };
  return {
    successes,
    async standing(outputs) {
      const found = await successes(outputs);
      return outputs.map((output) => found.get(output));
    },
    async history(output) {
      const sql = `${SELECT_SUCCESS} WHERE o.output = ? ORDER BY s.id DESC`;
      return (await db.rows<SuccessRow>(sql, bytesOf(output))).map(successOf);
    },
    async locations(output, store) {
      const rows = await db.rows<{ location: Location }>(
        `SELECT DISTINCT s.location FROM successes s JOIN outputs o ON o.id = s.output_id
         WHERE o.output = ? AND s.store = ? AND s.state NOT IN ('lost', 'damaged') ORDER BY s.location`,
        bytesOf(output),
        store,
      );
      return rows.map(({ location }) => location);
    },
    async tree(digest) {
      const sql = "SELECT bytes FROM trees WHERE digest = ?";
      const row = await db.row<{ bytes: Uint8Array }>(sql, bytesOf(digest));
      if (row === undefined) throw notThere(`tree ${digest}`, db.url);
      return row.bytes;
    },
    async stamps(success) {
      const sql = `SELECT o.stamps FROM successes s JOIN successes o ON o.id = coalesce(s.alias_of, s.id) WHERE s.id = ?`;
      const row = await db.row<{ stamps: Uint8Array }>(sql, success);
      if (row === undefined) throw notThere(`success ${success}`, db.url);
      return row.stamps;
    },
    async candidates(resolvedKeys, isolation) {
      const found = resolvedKeys.map((): Success[] => []);
      const rows = await db.rows<SuccessRow & { i: number }>(
        `SELECT found.*, asked.i FROM unnest(?::bytea[]) WITH ORDINALITY AS asked (key, i)
         CROSS JOIN LATERAL (${SELECT_SUCCESS}
           WHERE s.resolved_key = asked.key AND s.alias_of IS NULL AND s.state NOT IN ('lost', 'damaged')) AS found
         ORDER BY asked.i, found.id`,
        resolvedKeys.map(bytesOf),
      );
      for (const row of rows) {
        const success = successOf(row);
        if (isolationSuffices(success.isolation, isolation)) found[row.i - 1]!.push(success);
      }
      return found;
    },
    alias: (requests) => alias(db, now(), requests),
    // What it stands for is left to it (table `standing`): what was made from it stays valid until it is made again.
    async mark(successes, state) {
      await db.rows(`UPDATE successes SET state = ? WHERE ${RESTS_ON_THE_SAME}`, state, successes);
    },
    async settle(store, host, boot, upTo) {
      const rows = await db.rows(
        `UPDATE successes SET settled = 1
         WHERE settled = 0 AND store = ? AND host = ? AND boot = ? AND id <= ? RETURNING 1`,
        store,
        host,
        boot,
        upTo,
      );
      return rows.length;
    },
    async settleThese(successes) {
      await db.rows(`UPDATE successes SET settled = 1 WHERE ${RESTS_ON_THE_SAME}`, successes);
    },
    async lastSuccess() {
      return (await db.row<{ id: number }>("SELECT coalesce(max(id), 0) AS id FROM successes"))!.id;
    },
  };
}

export async function successById(db: PostgresConnection, id: number): Promise<Success> {
  const row = await db.row<SuccessRow>(`${SELECT_SUCCESS} WHERE s.id = ?`, id);
  if (row === undefined) throw notThere(`success ${id}`, db.url);
  return successOf(row);
}

async function alias(
  db: PostgresConnection,
  madeAt: Millis,
  requests: readonly AliasRequest[],
): Promise<(Success | undefined)[]> {
  const standing: (number | null)[] = [];
  for (const some of batches(requests, MOST_ALIASES)) {
    const inputs = some.flatMap(({ inputs }, n) =>
      Object.entries(inputs).map(([name, { output, treeDigest }]) => ({
        n: n + 1,
        name,
        output,
        treeDigest,
      })),
    );
    const rows = await db.rows<{ id: number | null }>(
      "SELECT id FROM alias_outputs(?, ?, ?, ?, ?, ?, ?, ?) ORDER BY n",
      some.map(({ output }) => bytesOf(output)),
      some.map(({ original }) => original),
      some.map(({ isolation }) => isolation),
      inputs.map(({ n }) => n),
      inputs.map(({ name }) => name),
      inputs.map(({ output }) => bytesOf(output)),
      inputs.map(({ treeDigest }) => bytesOf(treeDigest)),
      madeAt,
    );
    standing.push(...rows.map(({ id }) => id));
  }
  const ids = standing.filter((id) => id !== null);
  if (ids.length === 0) return standing.map(() => undefined);
  const rows = await db.rows<SuccessRow>(`${SELECT_SUCCESS} WHERE s.id = ANY(?::bigint[])`, ids);
  const successes = new Map<number, Success>(rows.map((row) => [row.id, successOf(row)]));
  return standing.map((id) => (id === null ? undefined : successes.get(id)));
}

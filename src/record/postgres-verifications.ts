// Verifications in a shared record: what running commands again came to, and which bytes there are to be hashed again.
import type { OutputId } from "../plan/types.ts";
import type { PostgresConnection } from "./postgres-connection.ts";
import { bytesOf, hex, SELECT_SUCCESS, type SuccessRow, successOf } from "./rows.ts";
import type { RecordDb } from "./types.ts";

type VerificationCalls = Pick<RecordDb, "noteVerification" | "reproducibility" | "originals">;

export function verificationCalls(db: PostgresConnection): VerificationCalls {
  return {
    async noteVerification({ success, at, host, treeDigest }) {
      const digest = bytesOf(treeDigest);
      // Not twice, should the answer have been lost.
      await db.rows(
        `INSERT INTO verifications (success_id, at, host, same, digest)
         SELECT coalesce(s.alias_of, s.id), ?, ?, CASE WHEN t.digest = ? THEN 1 ELSE 0 END, ?
         FROM successes s JOIN trees t ON t.id = s.tree_id
         WHERE s.id = ? AND NOT EXISTS (
           SELECT 1 FROM verifications v
           WHERE v.success_id = coalesce(s.alias_of, s.id) AND v.at = ? AND v.host = ? AND v.digest = ?)`,
        at,
        host,
        digest,
        digest,
        success,
        at,
        host,
        digest,
      );
    },
    async reproducibility(outputs) {
      const rows = await db.rows<{ output: Uint8Array; verified: number; same: number }>(
        `SELECT o.output, count(*) AS verified, sum(v.same)::bigint AS same
         FROM unnest(?::bytea[]) AS asked JOIN outputs o ON o.output = asked
           CROSS JOIN LATERAL (SELECT DISTINCT coalesce(s.alias_of, s.id) AS id FROM successes s WHERE s.output_id = o.id) AS made
           JOIN verifications v ON v.success_id = made.id
         GROUP BY o.output`,
        [...new Set(outputs)].map(bytesOf),
      );
      return new Map(rows.map(({ output, verified, same }) => [hex(output) as OutputId, { verified, same }]));
    },
    async originals(after, limit) {
      const rows = await db.rows<SuccessRow>(
        `${SELECT_SUCCESS}
         WHERE s.id > ? AND s.alias_of IS NULL AND s.state NOT IN ('lost', 'damaged') ORDER BY s.id LIMIT ?`,
        after,
        limit,
      );
      return rows.map(successOf);
    },
  };
}

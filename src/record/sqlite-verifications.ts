// Verifications in the embedded record: what running commands again came to, and which bytes there are to be hashed again.
import type { OutputId } from "../plan/types.ts";
import { bytesOf, SELECT_SUCCESS, type SuccessRow, successOf } from "./rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import type { RecordDb } from "./types.ts";
import type { Reproducibility, Verification } from "./verification.ts";

type VerificationCalls = Pick<RecordDb, "noteVerification" | "reproducibility" | "originals">;

export function verificationCalls(db: SqliteConnection): VerificationCalls {
  return {
    noteVerification: (verification) => db.write(() => note(db, verification)),
    reproducibility: (outputs) =>
      db.read(() => {
        const found = new Map<OutputId, Reproducibility>();
        for (const output of outputs) {
          const counted = countOf(db, output);
          if (counted.verified > 0) found.set(output, counted);
        }
        return found;
      }),
    originals: (after, limit) =>
      db.read(() => {
        const sql = `${SELECT_SUCCESS}
          WHERE s.id > ? AND s.alias_of IS NULL AND s.state NOT IN ('lost', 'damaged') ORDER BY s.id LIMIT ?`;
        return db.all<SuccessRow>(sql, after, limit).map(successOf);
      }),
  };
}

function note(db: SqliteConnection, { success, at, host, treeDigest }: Verification): void {
  const digest = bytesOf(treeDigest);
  db.run(
    `INSERT INTO verifications (success_id, at, host, same, digest)
     SELECT coalesce(s.alias_of, s.id), ?, ?, t.digest = ?, ?
     FROM successes s JOIN trees t ON t.id = s.tree_id WHERE s.id = ?`,
    at,
    host,
    digest,
    digest,
    success,
  );
}

function countOf(db: SqliteConnection, output: OutputId): Reproducibility {
  const { verified, same } = db.get<{ verified: number; same: number }>(
    `SELECT count(*) AS verified, coalesce(sum(v.same), 0) AS same FROM verifications v
     WHERE v.success_id IN (
       SELECT coalesce(s.alias_of, s.id) FROM successes s JOIN outputs o ON o.id = s.output_id WHERE o.output = ?)`,
    bytesOf(output),
  )!;
  return { verified, same }; // a row has no prototype
}

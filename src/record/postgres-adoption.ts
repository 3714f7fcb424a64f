// Successes on their way between records, in a shared one.
import {
  type AdoptionCalls,
  adoptionStatements,
  type InputRow,
  LEASE_OF_TOKEN,
  NOTE_TREE,
  originOf,
  RELOCATE,
  SELECT_INPUTS,
  SELECT_KEY,
} from "./adoption.ts";
import type { PostgresConnection } from "./postgres-connection.ts";
import { bytesOf } from "./rows.ts";

export function adoptionCalls(db: PostgresConnection): AdoptionCalls {
  return {
    async origin(success) {
      const row = await db.row<{ resolved_key: Uint8Array }>(SELECT_KEY, success);
      return originOf(row!.resolved_key, await db.rows<InputRow>(SELECT_INPUTS, success));
    },
    async noteTrees(trees) {
      for (const [digest, bytes] of trees) await db.rows(NOTE_TREE, bytesOf(digest), bytes);
    },
    adopt: (adoption) =>
      db.transaction(async (session) => {
        for (const [sql, ...values] of adoptionStatements(adoption)) await session.rows(sql, ...values);
        return (await session.rows(LEASE_OF_TOKEN, adoption.token)).length > 0;
      }),
    async relocate(success, { store, location, stamps, host, boot }) {
      await db.rows(RELOCATE, store, location, stamps, host, boot, success, success);
    },
  };
}

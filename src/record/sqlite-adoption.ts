// Successes on their way between records, in the embedded one.
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
import { bytesOf } from "./rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

export function adoptionCalls(db: SqliteConnection): AdoptionCalls {
  return {
    origin: (success) =>
      db.read(() => {
        const row = db.get<{ resolved_key: Uint8Array }>(SELECT_KEY, success)!;
        return originOf(row.resolved_key, db.all<InputRow>(SELECT_INPUTS, success));
      }),
    async noteTrees(trees) {
      await db.write(() => {
        for (const [digest, bytes] of trees) db.run(NOTE_TREE, bytesOf(digest), bytes);
      });
    },
    adopt: (adoption) =>
      db.write(() => {
        for (const [sql, ...values] of adoptionStatements(adoption)) db.run(sql, ...values);
        return db.get(LEASE_OF_TOKEN, adoption.token) !== undefined;
      }),
    async relocate(success, { store, location, stamps, host, boot }) {
      await db.write(() => db.run(RELOCATE, store, location, stamps, host, boot, success, success));
    },
  };
}

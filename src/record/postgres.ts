// The shared record: a PostgreSQL database, for the runs of many machines. Its parts are joined here.

import { checkWhole } from "./copy.ts";
import { adoptionCalls } from "./postgres-adoption.ts";
import { PostgresConnection } from "./postgres-connection.ts";
import { Endings } from "./postgres-endings.ts";
import { executionQueries } from "./postgres-executions.ts";
import { Heartbeat } from "./postgres-heartbeat.ts";
import { leaseCalls } from "./postgres-leases.ts";
import { planQueries } from "./postgres-plans.ts";
import { runCalls } from "./postgres-runs.ts";
import { migratePostgres } from "./postgres-schema.ts";
import { slotCalls } from "./postgres-slots.ts";
import { successCalls } from "./postgres-successes.ts";
import { postgresPlace } from "./postgres-url.ts";
import { verificationCalls } from "./postgres-verifications.ts";
import type { Millis, RecordDb } from "./types.ts";

/** How often whoever waits for another's execution asks, should the word of its end be lost; also how soon a death is seen. */
const POLL_MS = 2_000;

export interface PostgresRecordOptions {
  /** The clock of what is noted; default `Date.now`. Leases go by the database's. */
  readonly now?: () => Millis;
}

/**
 * Opens the record at the URL; its schema is made if need be. Throws `bad-record-url`, `record-newer`, `record-foreign`,
 * `record-denied`, `record-read-only`, `record-unreachable` (transient), and, as every call may, `no-space`.
 */
export async function openPostgresRecord(
  url: string,
  options: PostgresRecordOptions = {},
): Promise<RecordDb> {
  const { now = Date.now } = options;
  const db = new PostgresConnection(postgresPlace(url));
  try {
    await migratePostgres(db);
    const { id } = (await db.row<{ id: string }>("SELECT id FROM identity"))!;
    checkWhole(id, db.url);
    db.opened();
    const heartbeat = new Heartbeat(db, url);
    const endings = new Endings(db);
    return {
      url: db.url,
      id,
      leases: "heartbeat",
      pollMs: POLL_MS,
      onEnd: (execution, ended) => endings.on(execution, ended),
      onPause: (listener) => db.onPause(listener),
      ...runCalls(db, now, heartbeat),
      ...slotCalls(db),
      ...planQueries(db),
      ...leaseCalls(db, now),
      ...successCalls(db, now),
      ...executionQueries(db),
      ...adoptionCalls(db),
      ...verificationCalls(db),
      async close() {
        await heartbeat.close();
        await endings.close();
        await db.close();
      },
    };
  } catch (error) {
    await db.close();
    throw error;
  }
}

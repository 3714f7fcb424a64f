// The embedded record: one SQLite file, for the runs of one machine. Its parts are joined here.
import { resolve } from "node:path";
import { checkWhole } from "./copy.ts";
import { adoptionCalls } from "./sqlite-adoption.ts";
import { aliasCalls } from "./sqlite-alias.ts";
import { commitCalls } from "./sqlite-commit.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { executionQueries } from "./sqlite-executions.ts";
import { leaseCalls } from "./sqlite-leases.ts";
import { planQueries } from "./sqlite-plans.ts";
import { runCalls } from "./sqlite-runs.ts";
import { slotCalls } from "./sqlite-slots.ts";
import { successCalls } from "./sqlite-successes.ts";
import { verificationCalls } from "./sqlite-verifications.ts";
import type { Millis, RecordDb, RunId } from "./types.ts";

/** How often whoever waits for another's execution asks: a look costs next to nothing here. */
const POLL_MS = 250;

export interface SqliteRecordOptions {
  /** The clock; default `Date.now`. */
  readonly now?: () => Millis;
  /** How long to wait for other processes' transactions before `record-busy`; default 30 s. */
  readonly busyTimeoutMs?: number;
}

/**
 * Opens the record in `file`, made with its folder if need be; the locks of runs lie in the folder `live` beside it.
 * Throws `record-newer`, `record-foreign`, `record-unreadable`, `record-read-only`, `record-on-network`, and, as every
 * call may, `record-busy` (transient) and `no-space`.
 */
export async function openSqliteRecord(file: string, options: SqliteRecordOptions = {}): Promise<RecordDb> {
  const { now = Date.now, busyTimeoutMs = 30_000 } = options;
  const db = await SqliteConnection.open(resolve(file), busyTimeoutMs);
  const { id } = await db.read(() => db.get<{ id: string }>("SELECT id FROM identity")!);
  try {
    checkWhole(id, `sqlite:${db.file}`);
  } catch (error) {
    db.close();
    throw error;
  }
  const held = new Map<RunId, () => void>();
  return {
    url: `sqlite:${db.file}`,
    id,
    leases: "lock",
    pollMs: POLL_MS,
    onEnd: () => () => {}, // nobody tells: it is asked
    onPause: () => () => {},
    ...runCalls(db, now, held),
    ...slotCalls(db),
    ...planQueries(db),
    ...leaseCalls(db, now),
    ...commitCalls(db),
    ...aliasCalls(db, now),
    ...adoptionCalls(db),
    ...successCalls(db),
    ...executionQueries(db),
    ...verificationCalls(db),
    async close() {
      db.close();
      // A run that was not ended is as good as killed from here on.
      for (const giveBack of held.values()) giveBack();
      held.clear();
    },
  };
}

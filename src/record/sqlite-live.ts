// Which runs of the embedded record live: by the locks in the folder `live` beside its file.
import { dirname, join } from "node:path";
import { forgetLock, isLockHeld } from "../process-lock.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import type { RunId } from "./types.ts";

/** Where the locks lie. */
export function liveFolder(db: SqliteConnection): string {
  return join(dirname(db.file), "live");
}

/** Whether the run's process holds its lock. What a dead one left of it is removed. */
export function runLives(db: SqliteConnection, run: RunId): boolean {
  if (isLockHeld(liveFolder(db), run)) return true;
  if (db.get("SELECT 1 FROM runs WHERE run = ?", run) !== undefined) forgetLock(liveFolder(db), run);
  return false;
}

/**
 * Reads rows, some of them of runs that have not ended (`open`), and tells which of those runs are dead. A run that
 * ends between the reading and the look at its lock would seem dead: so they are read again when one does.
 */
export async function readWithDead<Row extends { readonly run: RunId | null }>(
  db: SqliteConnection,
  read: () => Row[],
  open: (row: Row) => boolean,
): Promise<{ rows: Row[]; isDead: (row: Row) => boolean }> {
  const rows = await db.read(read);
  const running = new Set(rows.filter(open).flatMap((row) => row.run ?? []));
  const dead = new Set([...running].filter((run) => !runLives(db, run)));
  return {
    rows: dead.size > 0 ? await db.read(read) : rows,
    isDead: (row) => open(row) && row.run !== null && dead.has(row.run),
  };
}

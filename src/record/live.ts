// The lock that says a run lives: an exclusive lock on `<run>.db` in the folder `live`. The operating system drops it
// when its process ends, however it ends and in whichever process-id namespace it was. SQLite takes it for us, because
// Node has no file locks of its own.
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isBusy } from "./sqlite-errors.ts";
import type { RunId } from "./types.ts";

const HOLD_TIMEOUT_MS = 30_000; // those who ask whether it lives hold it for an instant

/**
 * The locks that this process holds, by absolute path, whichever copy of the package took them. POSIX drops a process's
 * lock on a file as soon as the process closes any descriptor of that file: so nobody here may ever open one of these.
 */
function heldHere(): Map<string, DatabaseSync> {
  const key = Symbol.for("a-la-mode.live");
  const shared = globalThis as { [key]?: Map<string, DatabaseSync> };
  shared[key] ??= new Map();
  return shared[key];
}

function lockFile(dir: string, run: RunId): string {
  return resolve(join(dir, `${run}.db`));
}

/** Takes the lock of a new run. `dir` is made if need be. Returns what gives the lock back and removes its file. */
export function holdLive(dir: string, run: RunId): () => void {
  mkdirSync(dir, { recursive: true });
  const file = lockFile(dir, run);
  const db = new DatabaseSync(file, { timeout: HOLD_TIMEOUT_MS });
  // A rollback journal, in memory: nothing is ever written, so none is needed, and none is left by a killed holder.
  db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  heldHere().set(file, db);
  return () => {
    if (!heldHere().delete(file)) return;
    rmSync(file, { force: true }); // first: a file that is not there means dead, one without lock too
    db.close();
  };
}

/** Whether the run's process holds its lock. False where there is no lock file. */
export function isLive(dir: string, run: RunId): boolean {
  const file = lockFile(dir, run);
  if (heldHere().has(file)) return true;
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return false;
  // Reading takes a shared lock, which many may have at once: those who ask never take each other for the holder.
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(file, { readOnly: true, timeout: 0 });
  } catch (error) {
    if (statSync(file, { throwIfNoEntry: false }) === undefined) return false; // given back meanwhile
    throw error;
  }
  try {
    db.prepare("SELECT 1 FROM sqlite_schema").get();
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  } finally {
    db.close();
  }
}

/**
 * Removes lock files of runs that were killed before their row was written. `known`: whether a run has one. To be called in
 * the write transaction in which runs take their lock and write their row: whatever lies there without a row then is dead.
 */
export function forgetUnborn(dir: string, known: (run: RunId) => boolean): void {
  for (const name of existsSync(dir) ? readdirSync(dir) : []) {
    const run = /^([0-9a-f]{16})\.db$/.exec(name)?.[1];
    if (run !== undefined && !known(run)) forgetDead(dir, run);
  }
}

/**
 * Removes the lock file that a dead run left. Only for runs whose row is in the record: the row is written after the
 * lock was taken, so a run that has one and no lock can never come to live again.
 */
export function forgetDead(dir: string, run: RunId): void {
  const file = lockFile(dir, run);
  if (heldHere().has(file)) return;
  try {
    rmSync(file, { force: true });
  } catch {
    // Another user's folder, perhaps: the file only costs a look each time.
  }
}

// The lock that says a process lives: an exclusive lock on `<name>.db` in a folder. The operating system drops it when its
// process ends, however it ends and in whichever process-id namespace it was. SQLite takes it for us, because Node has no
// file locks of its own.
import { rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeFolder } from "./make-folder.ts";

const HOLD_TIMEOUT_MS = 30_000; // those who ask whether it is held hold it for an instant
const SQLITE_BUSY = 5;

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

function lockFile(dir: string, name: string): string {
  return resolve(join(dir, `${name}.db`));
}

/** Takes a lock that nobody ever had. `dir` is made if need be. Returns what gives the lock back and removes its file. */
export function holdLock(dir: string, name: string): () => void {
  makeFolder(dir);
  const file = lockFile(dir, name);
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

/** Whether a living process holds the lock. False where there is no lock file. */
export function isLockHeld(dir: string, name: string): boolean {
  const file = lockFile(dir, name);
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

/** Removes the lock file that a dead process left. Only for names that can never come to live again. */
export function forgetLock(dir: string, name: string): void {
  const file = lockFile(dir, name);
  if (heldHere().has(file)) return;
  try {
    rmSync(file, { force: true });
  } catch {
    // Another user's folder, perhaps: the file only costs a look each time.
  }
}

function isBusy(error: unknown): boolean {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  return code === "ERR_SQLITE_ERROR" && typeof errcode === "number" && (errcode & 0xff) === SQLITE_BUSY;
}

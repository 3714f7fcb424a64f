// SQLite's errors in our words.
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { AlamodeError, errnoOf } from "../errors.ts";

/** Primary result codes (https://sqlite.org/rescode.html); extended ones carry more in their higher bytes. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** With less room than this on its disk, a record cannot grow. */
const FULL_BYTES = 64 * 1024;

/** Primary result code of an error of node:sqlite; undefined for any other error. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errcode } = error as Error & { code?: unknown; errcode?: unknown };
  return code === "ERR_SQLITE_ERROR" && typeof errcode === "number" ? errcode & 0xff : undefined;
}

/** Whether another process holds a lock that the call needed. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === BUSY || code === LOCKED;
}

/** `error` as it is to be thrown on; what is not a database's or a file system's error is returned as it is. */
export function recordError(error: unknown, file: string): unknown {
  const facts = { record: file };
  switch (sqliteCode(error)) {
    case BUSY:
    case LOCKED:
      return new AlamodeError("record-busy", `the record ${file} is kept locked by another process`, {
        facts,
        hint: "Try again; if it stays so, look for a stopped alamode process.",
        transient: true,
        cause: error,
      });
    case READONLY:
      return readOnly(file, error);
    case FULL:
      return noSpace(file, error);
    case NOTADB:
    case CORRUPT:
      return new AlamodeError("record-unreadable", `${file} is not a database, or was damaged`, {
        facts,
        hint: "Name the right file with --record, or move this one aside: a new record is begun then.",
        cause: error,
      });
    case CANTOPEN:
    case IOERR:
      // SQLite says FULL only for what it writes itself, not for the files it maps into memory.
      if (isFull(dirname(file))) return noSpace(file, error);
      return new AlamodeError(
        "record-unreadable",
        `the record ${file} cannot be read or written: ${text(error)}`,
        {
          facts,
          hint: "Check the disk, the permissions of its folder and the limit on open files (`ulimit -n`).",
          cause: error,
        },
      );
    default:
      return systemError(error, file);
  }
}

function systemError(error: unknown, file: string): unknown {
  switch (errnoOf(error)) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return readOnly(file, error);
    case "ENOSPC":
    case "EDQUOT":
      return noSpace(file, error);
    case "ENOENT":
    case "ENOTDIR":
    case "EEXIST":
      return new AlamodeError("bad-record", `the record ${file} cannot be made: ${text(error)}`, {
        facts: { record: file },
        hint: "Name a file in an ordinary folder with --record.",
        cause: error,
      });
    default:
      return error;
  }
}

function readOnly(file: string, cause: unknown): AlamodeError {
  return new AlamodeError("record-read-only", `the record ${file} cannot be written`, {
    facts: { record: file },
    hint: "Get write permission on it and on its folder, or name another file with --record.",
    cause,
  });
}

function noSpace(file: string, cause: unknown): AlamodeError {
  return new AlamodeError("no-space", `no space left for the record ${file}`, {
    facts: { record: file },
    hint: "Free some space and run again: what was recorded is kept.",
    cause,
  });
}

function isFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < FULL_BYTES;
  } catch {
    return false;
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// Digests of files that were read before, by what stat says of them, so that 100,000 unchanged files cost a stat each and
// not a read. Only a cache: it may be removed at any time. Why it can be believed is in docs/decisions/009-sources.md.
import { type BigIntStats, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { AlamodeError } from "../errors.ts";
import { makeFolder } from "../make-folder.ts";

/**
 * A file may be changed again within the same tick of the file system's clock, and neither its times nor its size tell. So
 * what was changed less than this before it was read is read again the next time. The coarsest clocks tick every 2 s.
 */
const SETTLED_NS = 2_000_000_000n;
/** Fewer and smaller files than these are read faster than a database is opened. */
const MANY_FILES = 64;
const LARGE_BYTES = 4n * 1024n * 1024n;
const MOST_READS = 3;
/** How long another process, which is writing what it learnt, is waited for. */
const BUSY_MS = 250;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

const TABLE = `
CREATE TABLE IF NOT EXISTS digests (
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,                -- bytes
  mtime INTEGER NOT NULL,               -- nanoseconds since 1970
  ctime INTEGER NOT NULL,
  digest BLOB NOT NULL,                 -- sha256 of the content
  PRIMARY KEY (device, inode)
) STRICT, WITHOUT ROWID`;

export interface DigestOptions {
  /** Absolute path of the cache. */
  readonly cache: string;
  /** sha256 (hex) of a file's content. */
  readonly read: (file: string) => string;
  /** Milliseconds since 1970; the system's clock unless given. */
  readonly now?: () => number;
}

interface Learnt {
  readonly stats: BigIntStats;
  /** 64 hex. */
  readonly digest: string;
}

/**
 * sha256 (hex) of each file's content, in order; links are followed. Reads only what the cache does not know. Throws
 * `source-unreadable`, `source-changed` for a file that never holds still, and what `read` throws.
 */
export function digestsOf(
  files: readonly string[],
  { cache, read, now = Date.now }: DigestOptions,
): string[] {
  const looks = files.map((file) => look(file));
  const sizeBytes = looks.reduce((sum, { size }) => sum + size, 0n);
  const known = files.length >= MANY_FILES || sizeBytes >= LARGE_BYTES ? open(cache) : undefined;
  const learnt: Learnt[] = [];
  try {
    const found = known?.find(looks) ?? [];
    return files.map((file, i) => {
      const digest = found[i];
      if (digest !== undefined) return digest;
      const content = readStill(file, looks[i]!, read, now);
      if (content.settled) learnt.push(content);
      return content.digest;
    });
  } finally {
    known?.learn(learnt);
    known?.close();
  }
}

/** Reads a file that does not change meanwhile. */
function readStill(file: string, before: BigIntStats, read: (file: string) => string, now: () => number) {
  let stats = before;
  for (let reads = 0; reads < MOST_READS; reads++) {
    const startedNs = BigInt(Math.floor(now())) * 1_000_000n;
    const digest = read(file);
    const after = look(file);
    if (isSame(stats, after)) {
      const changedNs = after.mtimeNs > after.ctimeNs ? after.mtimeNs : after.ctimeNs;
      return { stats, digest, settled: changedNs < startedNs - SETTLED_NS };
    }
    stats = after;
  }
  throw new AlamodeError("source-changed", `${file} changes while it is read.`, {
    hint: "Describe the pipeline again when whatever writes it has ended.",
  });
}

function look(file: string): BigIntStats {
  try {
    return statSync(file, { bigint: true });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AlamodeError("source-unreadable", `the source file ${file} cannot be read: ${why}.`, { cause });
  }
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return keyOf(a).every((value, i) => value === keyOf(b)[i]);
}

/** SQLite's integers are signed; devices and inodes use all 64 bits. */
function keyOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): bigint[] {
  return [dev, ino, size, mtimeNs, ctimeNs].map((value) => BigInt.asIntN(64, value));
}

class Known {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** The digests that are known, at the files' places; none where the cache cannot be read. */
  find(looks: readonly BigIntStats[]): (string | undefined)[] {
    try {
      const select = this.#db.prepare(
        "SELECT digest FROM digests WHERE device = ? AND inode = ? AND size = ? AND mtime = ? AND ctime = ?",
      );
      this.#db.exec("BEGIN");
      const found = looks.map((stats) => {
        const row = select.get(...keyOf(stats)) as { digest: Uint8Array } | undefined;
        return row === undefined ? undefined : Buffer.from(row.digest).toString("hex");
      });
      this.#db.exec("COMMIT");
      return found;
    } catch (error) {
      if (sqliteCode(error) === undefined) throw error;
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      return [];
    }
  }

  /** A disk that is full, or a lock that is not had, costs the next planning some reading, and nothing else. */
  learn(learnt: readonly Learnt[]): void {
    if (learnt.length === 0) return;
    try {
      const insert = this.#db.prepare("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?)");
      this.#db.exec("BEGIN IMMEDIATE");
      for (const { stats, digest } of learnt) insert.run(...keyOf(stats), Buffer.from(digest, "hex"));
      this.#db.exec("COMMIT");
    } catch (error) {
      if (sqliteCode(error) === undefined) throw error;
    }
  }

  close(): void {
    this.#db.close();
  }
}

/** Undefined where no cache can be had: a folder that may not be written, a lock held by another. */
function open(file: string): Known | undefined {
  try {
    return openOnce(file);
  } catch (error) {
    const code = sqliteCode(error);
    if (code !== SQLITE_CORRUPT && code !== SQLITE_NOTADB) return undefined;
  }
  try {
    rmSync(file);
    return openOnce(file);
  } catch {
    return undefined;
  }
}

function openOnce(file: string): Known {
  // Loaded here, because most pipelines never come here, and describing one must be cheap.
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  makeFolder(dirname(file));
  const db = new DatabaseSync(file);
  try {
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA synchronous = NORMAL;${TABLE}`);
    return new Known(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

function sqliteCode(error: unknown): number | undefined {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return code === "ERR_SQLITE_ERROR" && typeof errcode === "number" ? errcode & 0xff : undefined;
}

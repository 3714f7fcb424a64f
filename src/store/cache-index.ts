// What a cache knows of the trees it has: sizes, last uses, and who uses them now. Shared by all processes that use the cache;
// every method is one transaction, so that nothing is evicted that somebody has just taken.
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeFolder } from "../make-folder.ts";
import { isLockHeld } from "../process-lock.ts";
import type { TreeDigest } from "./types.ts";

const BUSY_MS = 30_000;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

const TABLES = `
CREATE TABLE IF NOT EXISTS trees (
  digest TEXT PRIMARY KEY,
  size_bytes INTEGER NOT NULL,
  used_at INTEGER NOT NULL,             -- ms since 1970
  boot TEXT NOT NULL,                   -- of the machine, when it was last known to be whole
  filler TEXT,                          -- the process that is filling it
  stamps BLOB                           -- null until it is whole
) STRICT;
CREATE TABLE IF NOT EXISTS uses (
  digest TEXT NOT NULL,
  holder TEXT NOT NULL,                 -- a process: its lock is in the folder holders
  count INTEGER NOT NULL,
  PRIMARY KEY (digest, holder)
) STRICT, WITHOUT ROWID`;

export type Taken =
  /** It is there, and is not evicted until it is let go of. */
  | { readonly kind: "there"; readonly stamps: Uint8Array; readonly boot: string }
  /** Another process that lives is filling it. */
  | { readonly kind: "wait" }
  /** It is the caller's to fill. */
  | { readonly kind: "fill" };

interface Row {
  readonly digest: TreeDigest;
  readonly size_bytes: number;
  readonly boot: string;
  readonly filler: string | null;
  readonly stamps: Uint8Array | null;
}

export class CacheIndex {
  readonly #db: DatabaseSync;
  readonly #holders: string;
  readonly #me: string;

  /** `me`: the name of this process's lock in the folder `holders`. A damaged file begins anew: what the cache holds is forgotten. */
  constructor(dir: string, holders: string, me: string) {
    this.#db = openIndex(join(dir, "cache.db"));
    this.#holders = holders;
    this.#me = me;
  }

  take(digest: TreeDigest, sizeBytes: () => number | undefined): Taken | undefined {
    return this.#write(() => {
      const row = this.#row(digest);
      if (row?.stamps) {
        this.#use(digest);
        return { kind: "there", stamps: new Uint8Array(row.stamps), boot: row.boot };
      }
      if (row !== undefined && row.filler !== null && this.#lives(row.filler)) return { kind: "wait" };
      const size = sizeBytes();
      if (size === undefined) return undefined;
      this.#run(
        "INSERT OR REPLACE INTO trees VALUES (?, ?, ?, '', ?, NULL)",
        digest,
        size,
        Date.now(),
        this.#me,
      );
      return { kind: "fill" };
    });
  }

  /** It is whole, and used by this process (or, with `used` false, by nobody yet). */
  filled(
    digest: TreeDigest,
    { stamps, boot, used }: { stamps: Uint8Array; boot: string; used: boolean },
  ): void {
    this.#write(() => {
      this.#run(
        "UPDATE trees SET stamps = ?, boot = ?, used_at = ?, filler = NULL WHERE digest = ?",
        stamps,
        boot,
        Date.now(),
        digest,
      );
      if (used) this.#use(digest);
    });
  }

  /** It is not there after all. */
  forget(digest: TreeDigest): void {
    this.#write(() => this.#run("DELETE FROM trees WHERE digest = ?", digest));
  }

  letGo(digest: TreeDigest): void {
    this.#write(() => {
      this.#run("UPDATE uses SET count = count - 1 WHERE digest = ? AND holder = ?", digest, this.#me);
      this.#run("DELETE FROM uses WHERE count <= 0");
      this.#run("UPDATE trees SET used_at = ? WHERE digest = ?", Date.now(), digest);
    });
  }

  /** Stamps of what is whole. */
  stamps(digest: TreeDigest): Uint8Array | undefined {
    const stamps = this.#row(digest)?.stamps;
    return stamps ? new Uint8Array(stamps) : undefined;
  }

  /**
   * Forgets trees that nobody uses, those first that were used longest ago, until all come to no more than that. `move` takes each out
   * of the way, within the transaction: whoever asks for it after that fills it anew.
   */
  shrink(capBytes: number, move: (digest: TreeDigest) => void): void {
    const total = () =>
      (this.#db.prepare("SELECT coalesce(sum(size_bytes), 0) AS total FROM trees").get() as { total: number })
        .total;
    if (total() <= capBytes) return;
    this.#write(() => {
      const holders = this.#db.prepare("SELECT DISTINCT holder FROM uses").all() as { holder: string }[];
      for (const { holder } of holders)
        if (!this.#lives(holder)) this.#run("DELETE FROM uses WHERE holder = ?", holder);
      let left = total();
      const unused = this.#db
        .prepare("SELECT * FROM trees WHERE digest NOT IN (SELECT digest FROM uses) ORDER BY used_at, digest")
        .all() as unknown as Row[];
      for (const { digest, size_bytes, filler } of unused) {
        if (left <= capBytes) break;
        if (filler !== null && this.#lives(filler)) continue;
        move(digest);
        this.#run("DELETE FROM trees WHERE digest = ?", digest);
        left -= size_bytes;
      }
    });
  }

  /** Digests of all that it knows. */
  digests(): Set<TreeDigest> {
    return new Set(
      (this.#db.prepare("SELECT digest FROM trees").all() as unknown as Row[]).map(({ digest }) => digest),
    );
  }

  /** Somebody may have removed the whole cache: what this process used is let go of with its lock, too. */
  close(): void {
    try {
      this.#write(() => this.#run("DELETE FROM uses WHERE holder = ?", this.#me));
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== "ERR_SQLITE_ERROR") throw error;
    }
    this.#db.close();
  }

  #use(digest: TreeDigest): void {
    this.#run(
      "INSERT INTO uses VALUES (?, ?, 1) ON CONFLICT (digest, holder) DO UPDATE SET count = count + 1",
      digest,
      this.#me,
    );
    this.#run("UPDATE trees SET used_at = ? WHERE digest = ?", Date.now(), digest);
  }

  #row(digest: TreeDigest): Row | undefined {
    return this.#db.prepare("SELECT * FROM trees WHERE digest = ?").get(digest) as unknown as Row | undefined;
  }

  #lives(holder: string): boolean {
    return isLockHeld(this.#holders, holder);
  }

  #run(sql: string, ...values: (string | number | Uint8Array)[]): void {
    this.#db.prepare(sql).run(...values);
  }

  #write<Result>(work: () => Result): Result {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }
}

function openIndex(file: string): DatabaseSync {
  try {
    return openOnce(file);
  } catch (error) {
    const { errcode = 0 } = error as { readonly errcode?: number };
    if (![SQLITE_CORRUPT, SQLITE_NOTADB].includes(errcode & 0xff)) throw error;
    for (const name of [file, `${file}-journal`]) rmSync(name, { force: true });
    return openOnce(file);
  }
}

/** Nothing of it has to outlast a loss of power: what was there before a boot is hashed again. */
function openOnce(file: string): DatabaseSync {
  makeFolder(dirname(file));
  const db = new DatabaseSync(file, { timeout: BUSY_MS });
  try {
    db.exec(`PRAGMA synchronous = OFF;${TABLES}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

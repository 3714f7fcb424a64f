// One connection to the embedded record: opening, transactions, prepared statements. Knows nothing of what is stored.
import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { makeFolder } from "../make-folder.ts";
import { refuseNetworkFileSystem } from "./network-file-system.ts";
import { migrate, SCHEMA_VERSION, schemaVersion } from "./schema.ts";
import { isBusy, recordError } from "./sqlite-errors.ts";

/** SQLite waits for a lock by blocking the thread. It gets short turns, so that a run goes on listening between them. */
const BLOCKING_MS = 50;
const PAUSE_MS = 10;
/** A checkpoint syncs twice. A commit writes about 20 pages, so that SQLite's own 1,000 would mean one every 50 steps; 32 MB. */
const CHECKPOINT_PAGES = 8192;

export class SqliteConnection {
  /** Absolute path of the database. */
  readonly file: string;
  readonly #db: DatabaseSync;
  readonly #busyTimeoutMs: number;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(file: string, db: DatabaseSync, busyTimeoutMs: number) {
    this.file = file;
    this.#db = db;
    this.#busyTimeoutMs = busyTimeoutMs;
  }

  /** Opens or makes the database at the absolute path `file` and brings its schema up to date. */
  static async open(file: string, busyTimeoutMs: number): Promise<SqliteConnection> {
    let db: DatabaseSync;
    try {
      const folder = dirname(file);
      makeFolder(folder);
      refuseNetworkFileSystem(folder, file);
      // SQLite would open what it cannot write for reading only, and fail at the first write.
      accessSync(folder, constants.R_OK | constants.W_OK);
      if (existsSync(file)) accessSync(file, constants.R_OK | constants.W_OK);
      db = new DatabaseSync(file, { timeout: BLOCKING_MS });
    } catch (error) {
      throw recordError(error, file);
    }
    const connection = new SqliteConnection(file, db, busyTimeoutMs);
    try {
      await connection.#prepareFile();
    } catch (error) {
      db.close();
      throw error;
    }
    return connection;
  }

  async #prepareFile(): Promise<void> {
    // The version comes first: nothing is changed in a file that is not ours or is too new.
    const version = await this.#patiently(() => schemaVersion(this.#db, this.file));
    await this.#patiently(() =>
      this.#db.exec(
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * 4096}`,
      ),
    );
    if (version < SCHEMA_VERSION) await this.write(() => migrate(this.#db, this.file));
  }

  /** Runs `body` on one snapshot of the database. `body` must not wait for anything. */
  read<T>(body: () => T): Promise<T> {
    return this.#patiently(() => this.#transaction("BEGIN", body));
  }

  /** Runs `body` as the only writer: all of it happens, or nothing. `body` may run again after a lock was waited for. */
  write<T>(body: () => T): Promise<T> {
    return this.#patiently(() => this.#transaction("BEGIN IMMEDIATE", body));
  }

  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  /** Returns how many rows were changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #transaction<T>(begin: string, body: () => T): T {
    this.#db.exec(begin);
    try {
      const answer = body();
      this.#db.exec("COMMIT");
      return answer;
    } catch (error) {
      // Some errors (a full disk) have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  async #patiently<T>(body: () => T): Promise<T> {
    const deadline = performance.now() + this.#busyTimeoutMs;
    for (;;) {
      try {
        return body();
      } catch (error) {
        if (!isBusy(error) || performance.now() >= deadline) throw recordError(error, this.file);
      }
      await delay(PAUSE_MS);
    }
  }
}

// One connection to the embedded record: opening, transactions, prepared statements. Knows nothing of what is stored.
// A transaction costs more than all that a step writes in it: so writes that are asked for in the same turn share one.
import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { makeFolder } from "../make-folder.ts";
import { Gathered } from "./gathered.ts";
import { refuseNetworkFileSystem } from "./network-file-system.ts";
import { bytesOf } from "./rows.ts";
import { migrate, SCHEMA_VERSION, schemaVersion } from "./schema.ts";
import { isBusy, recordError } from "./sqlite-errors.ts";

/** SQLite waits for a lock by blocking the thread. It gets short turns, so that a run goes on listening between them. */
const BLOCKING_MS = 50;
const PAUSE_MS = 10;
/** A checkpoint syncs twice. A commit writes about 20 pages, so that SQLite's own 1,000 would mean one every 50 steps; 32 MB. */
const CHECKPOINT_PAGES = 8192;
/** The indexes that a run of 100,000 tasks goes through fit. With 64 MiB noting 300,000 tasks takes a tenth less, and steps no less. */
const CACHE_KIB = 16 * 1024;
/** How many writes become one transaction at most. */
const MOST_WRITES = 256;
/** How many ids of one kind are remembered: some 2 MB. All are forgotten then; what is asked for again is soon known again. */
const MOST_IDS = 16_384;

const BEGIN_READ = "BEGIN";
const BEGIN_WRITE = "BEGIN IMMEDIATE";
const COMMIT = "COMMIT";

export class SqliteConnection {
  /** Absolute path of the database. */
  readonly file: string;
  readonly #db: DatabaseSync;
  readonly #busyTimeoutMs: number;
  readonly #statements = new Map<string, StatementSync>();
  readonly #writes = new Gathered<() => unknown, unknown>(
    MOST_WRITES,
    (bodies) => this.#patiently(() => this.#transaction(BEGIN_WRITE, () => bodies.map((body) => body()))),
    nextTurn,
  );
  /** For each look-up, what it gave. */
  readonly #ids = new Map<string, Map<string, number>>();

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
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -${CACHE_KIB};
         PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * 4096}`,
      ),
    );
    if (version < SCHEMA_VERSION) await this.write(() => migrate(this.#db, this.file));
  }

  /** Runs `body`, at once, on one snapshot of the database. `body` must not wait for anything. */
  read<T>(body: () => T): Promise<T> {
    return this.#patiently(() => this.#transaction(BEGIN_READ, body));
  }

  /** Runs `body`, at once, which reads by one statement: that is a snapshot of its own. */
  readOne<T>(body: () => T): Promise<T> {
    return this.#patiently(body);
  }

  /**
   * Runs `body` as the only writer: all of it happens, or nothing. It runs at the end of this turn of the event loop, after those
   * that were asked for before, in one transaction with them; if one of them throws, each in one of its own. So `body` may run
   * again, as it may after a lock was waited for. `mayWait`: for the next write, as long as `Gathered` says.
   */
  write<T>(body: () => T, mayWait?: boolean | Promise<unknown>): Promise<T> {
    return this.#writes.ask(body, mayWait) as Promise<T>;
  }

  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  /** The same, each row a list of its columns. */
  allArrays<Row extends readonly unknown[]>(sql: string, ...values: SQLInputValue[]): Row[] {
    const statement = this.#db.prepare(sql); // of its own: the answers of a kept one may be asked for as objects
    statement.setReturnArrays(true);
    return statement.all(...values) as unknown as Row[];
  }

  /** Returns how many rows were changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** Returns the new row's id. */
  insert(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).lastInsertRowid);
  }

  /** Returns the new row's id; undefined where `sql` selects nothing to insert. */
  insertOne(sql: string, ...values: SQLInputValue[]): number | undefined {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...values);
    return changes === 0 ? undefined : Number(lastInsertRowid);
  }

  /**
   * The id that `sql` selects for these hex digits; remembered, so it must be of a row that is never removed nor gets another
   * id. What was learned in a transaction that did not happen is forgotten.
   */
  id(sql: string, hexDigits: string): number | undefined {
    const known = this.#ids.get(sql)?.get(hexDigits);
    if (known !== undefined) return known;
    const id = this.get<{ id: number }>(sql, bytesOf(hexDigits))?.id;
    if (id !== undefined) this.learn(sql, hexDigits, id);
    return id;
  }

  /** Remembers what `id` would find. */
  learn(sql: string, hexDigits: string, id: number): void {
    const ids = this.#ids.get(sql);
    if (ids !== undefined && ids.size < MOST_IDS) ids.set(hexDigits, id);
    else this.#ids.set(sql, new Map([[hexDigits, id]]));
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
    this.#statement(begin).run();
    try {
      const answer = body();
      this.#statement(COMMIT).run();
      return answer;
    } catch (error) {
      this.#ids.clear();
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

// The embedded record as its tables.
import type { SQLInputValue } from "node:sqlite";
import { SqliteConnection } from "./sqlite-connection.ts";
import { runLives } from "./sqlite-live.ts";
import type { Cell, RecordTables, Row, Table } from "./tables.ts";

const BUSY_TIMEOUT_MS = 30_000;

/** Opens or makes the record in the file, which is an absolute path. Throws what `openSqliteRecord` does. */
export async function openSqliteTables(file: string): Promise<RecordTables> {
  return new SqliteTables(await SqliteConnection.open(file, BUSY_TIMEOUT_MS));
}

class SqliteTables implements RecordTables {
  readonly url: string;
  readonly #db: SqliteConnection;

  constructor(db: SqliteConnection) {
    this.#db = db;
    this.url = `sqlite:${db.file}`;
  }

  tables(): Promise<readonly Table[]> {
    return this.#db.read(() =>
      this.#db
        .all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
        .filter(({ name }) => name !== "identity" && !name.startsWith("sqlite_"))
        .map(({ name }) => {
          const columns = this.#db.all<{ name: string; pk: number }>(`PRAGMA table_info(${name})`);
          const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
          return {
            name,
            columns: columns.map((column) => column.name),
            key: key.map((column) => column.name),
          };
        }),
    );
  }

  identity(): Promise<string> {
    return this.#db.read(() => this.#db.get<{ id: string }>("SELECT id FROM identity")!.id);
  }

  async setIdentity(identity: string): Promise<void> {
    await this.#db.write(() => this.#db.run("UPDATE identity SET id = ?", identity));
  }

  count({ name }: Table): Promise<number> {
    return this.#db.read(() => this.#db.get<{ n: number }>(`SELECT count(*) AS n FROM ${name}`)!.n);
  }

  read({ name, columns, key }: Table, after: Row | undefined, limit: number): Promise<Row[]> {
    const marks = key.map(() => "?").join(", ");
    const where = after === undefined ? "" : `WHERE (${key.join(", ")}) > (${marks})`;
    const sql = `SELECT ${columns.join(", ")} FROM ${name} ${where} ORDER BY ${key.join(", ")} LIMIT ?`;
    return this.#db.read(() =>
      this.#db
        .all<Record<string, Cell>>(sql, ...((after ?? []) as SQLInputValue[]), limit)
        .map((row) => columns.map((column) => row[column]!)),
    );
  }

  async write({ name, columns, key }: Table, rows: readonly Row[]): Promise<void> {
    const rest = columns.filter((column) => !key.includes(column));
    const update = rest.map((column) => `${column} = excluded.${column}`).join(", ");
    const sql = `INSERT INTO ${name} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})
      ON CONFLICT (${key.join(", ")}) DO ${rest.length === 0 ? "NOTHING" : `UPDATE SET ${update}`}`;
    await this.#db.write(() => {
      for (const row of rows) this.#db.run(sql, ...(row as SQLInputValue[]));
    });
  }

  async clear({ name }: Table): Promise<void> {
    await this.#db.write(() => this.#db.run(`DELETE FROM ${name}`));
  }

  async finish(): Promise<void> {} // the next id is one more than the highest there is

  async living(): Promise<number[]> {
    const sql = "SELECT id, run FROM runs WHERE status = 'running'";
    const rows = await this.#db.read(() => this.#db.all<{ id: number; run: string }>(sql));
    return rows.filter(({ run }) => runLives(this.#db, run)).map(({ id }) => id);
  }

  async close(): Promise<void> {
    this.#db.close();
  }
}

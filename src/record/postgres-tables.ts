// The shared record as its tables.
import { PostgresConnection } from "./postgres-connection.ts";
import { migratePostgres, SHARED_COLUMNS, SHARED_TABLES } from "./postgres-schema.ts";
import { postgresPlace } from "./postgres-url.ts";
import type { Cell, RecordTables, Row, Table } from "./tables.ts";

/** Opens the record at the URL; its schema is made if need be. Throws what `openPostgresRecord` does. */
export async function openPostgresTables(url: string): Promise<RecordTables> {
  const db = new PostgresConnection(postgresPlace(url));
  try {
    await migratePostgres(db);
    db.opened();
    return new PostgresTables(db);
  } catch (error) {
    await db.close();
    throw error;
  }
}

interface ColumnRow {
  readonly name: string;
  readonly column: string;
  readonly type: string;
  /** From 1 in the key; 0 for what is not of it. */
  readonly pk: number;
}

class PostgresTables implements RecordTables {
  readonly url: string;
  readonly #db: PostgresConnection;
  /** Type of each column, by `<table>.<column>`. */
  readonly #types = new Map<string, string>();

  constructor(db: PostgresConnection) {
    this.#db = db;
    this.url = db.url;
  }

  async tables(): Promise<readonly Table[]> {
    const rows = await this.#db.rows<ColumnRow>(
      `SELECT c.relname::text AS name, a.attname::text AS column, format_type(a.atttypid, NULL) AS type,
         coalesce(array_position(i.indkey::int2[], a.attnum), -1) + 1 AS pk
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
       WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
       ORDER BY c.oid, a.attnum`,
    );
    const ours = rows.filter(
      ({ name, column }) => !SHARED_TABLES.has(name) && !SHARED_COLUMNS.has(`${name}.${column}`),
    );
    for (const { name, column, type } of ours) this.#types.set(`${name}.${column}`, type);
    return [...Map.groupBy(ours, ({ name }) => name)].map(([name, columns]) => {
      const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
      return { name, columns: columns.map(({ column }) => column), key: key.map(({ column }) => column) };
    });
  }

  async identity(): Promise<string> {
    return (await this.#db.row<{ id: string }>("SELECT id FROM identity"))!.id;
  }

  async setIdentity(identity: string): Promise<void> {
    await this.#db.rows("UPDATE identity SET id = ?", identity);
  }

  async count({ name }: Table): Promise<number> {
    return (await this.#db.row<{ n: number }>(`SELECT count(*) AS n FROM ${name}`))!.n;
  }

  async read({ name, columns, key }: Table, after: Row | undefined, limit: number): Promise<Row[]> {
    const keys = key.map(quoted).join(", ");
    const where = after === undefined ? "" : `WHERE (${keys}) > (${key.map(() => "?").join(", ")})`;
    const sql = `SELECT ${columns.map(quoted).join(", ")} FROM ${name} ${where} ORDER BY ${keys} LIMIT ?`;
    const rows = await this.#db.rows<Record<string, Cell>>(sql, ...(after ?? []), limit);
    return rows.map((row) => columns.map((column) => row[column]!));
  }

  async write({ name, columns, key }: Table, rows: readonly Row[]): Promise<void> {
    const rest = columns.filter((column) => !key.includes(column));
    const update = rest.map((column) => `${quoted(column)} = excluded.${quoted(column)}`).join(", ");
    const arrays = columns.map((column) => `?::${this.#types.get(`${name}.${column}`)}[]`).join(", ");
    await this.#db.rows(
      `INSERT INTO ${name} (${columns.map(quoted).join(", ")}) SELECT * FROM unnest(${arrays})
       ON CONFLICT (${key.map(quoted).join(", ")}) DO ${rest.length === 0 ? "NOTHING" : `UPDATE SET ${update}`}`,
      ...columns.map((_, i) => rows.map((row) => row[i]!)),
    );
  }

  async clear({ name }: Table): Promise<void> {
    await this.#db.rows(`DELETE FROM ${name}`);
  }

  async finish(): Promise<void> {
    for (const { name, key } of await this.tables()) {
      if (key.length !== 1 || key[0] !== "id") continue;
      await this.#db.rows(
        `SELECT setval(pg_get_serial_sequence('${name}', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM ${name}`,
      );
    }
  }

  async living(): Promise<number[]> {
    const rows = await this.#db.rows<{ id: number }>(
      "SELECT id FROM runs WHERE status = 'running' AND lives(id)",
    );
    return rows.map(({ id }) => id);
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}

/** `user` is a word of SQL's own. */
function quoted(column: string): string {
  return `"${column}"`;
}

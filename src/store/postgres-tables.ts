// The tables of a schema as a tree of files: `<table>.csv` with the rows as COPY gives them, under fixed settings and sorted by their text
// in the C collation, and `schema.json` with the columns. So a tree has one digest wherever it lies. Told in docs/FORMAT.md.
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { compareUtf8, sortUtf8 } from "../bencode/order.ts";
import { AlamodeError } from "../errors.ts";
import { summed } from "./hash.ts";
import { Needles } from "./needles.ts";
import type { Session } from "./postgres-connection.ts";
import { copyIn, copyOut } from "./postgres-copy.ts";
import { literal, quoted } from "./postgres-names.ts";
import type { HashedTree, TreeEntry } from "./types.ts";

export const SCHEMA_FILE = "schema.json";
const FORMAT = "a-la-mode tables 1";

export interface Column {
  readonly name: string;
  /** As PostgreSQL writes it: `numeric(10,2)`. */
  readonly type: string;
  /** Where it is another than the type's own. */
  readonly collation?: string;
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
}

/** The tables of a schema, by name; those of another schema, and of none, are none. */
export async function tablesIn(session: Session, schema: string): Promise<Table[]> {
  const rows = await session.rows<{ name: string; columns: Column[] }>(
    `SELECT c.relname::text AS name, coalesce((
       SELECT json_agg(json_strip_nulls(json_build_object(
         'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
         'collation', CASE WHEN a.attcollation <> t.typcollation THEN l.collname END)) ORDER BY a.attnum)
       FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind = 'r'`,
    schema,
  );
  return rows.sort((a, b) => compareUtf8(a.name, b.name));
}

/** The file that says what the tables' columns are. */
export function schemaFile(tables: readonly Table[]): Buffer {
  const described = tables.map(({ name, columns }) => ({
    name,
    columns: columns.map(({ name, type, collation }) => ({
      name,
      type,
      ...(collation === undefined ? {} : { collation }),
    })),
  }));
  return Buffer.from(`${JSON.stringify({ format: FORMAT, tables: described }, undefined, 2)}\n`);
}

/** The tables that a folder says it holds; undefined for any other tree. */
export function tablesOf(folder: string): readonly Table[] | undefined {
  const file = join(folder, SCHEMA_FILE);
  if (!existsSync(file)) return undefined;
  try {
    const { format, tables } = JSON.parse(readFileSync(file, "utf8")) as { format: string; tables: Table[] };
    if (format !== FORMAT || !schemaFile(tables).equals(readFileSync(file))) return undefined;
    return tables.every(({ name }) => existsSync(join(folder, fileOf(name)))) ? tables : undefined;
  } catch {
    return undefined; // somebody else's file of that name
  }
}

function fileOf(table: string): string {
  return `${table}.csv`;
}

/** The rows of a table, in their order. */
function rowsOf(client: pg.ClientBase, schema: string, { name, columns }: Table): AsyncGenerator<Buffer> {
  const all = columns.map((column) => `t.${quoted(column.name)}`).join(", ");
  return copyOut(
    client,
    `COPY (SELECT ${all} FROM ${quoted(schema, name)} AS t ORDER BY ROW(${all})::text COLLATE "C") TO STDOUT (FORMAT csv, HEADER)`,
  );
}

/** Reads all tables of a schema. */
export async function hashTables(
  session: Session,
  schema: string,
  {
    needles = new Needles([]),
    signal,
  }: { needles?: Needles | undefined; signal?: AbortSignal | undefined } = {},
): Promise<HashedTree & { readonly needlesIn: ReadonlyMap<number, string> }> {
  const tables = await tablesIn(session, schema);
  const entries = new Map<string, TreeEntry>();
  const needlesIn = new Map<number, string>();
  const note = (found: ReadonlySet<number>, path: string) => {
    for (const needle of found) if (!needlesIn.has(needle)) needlesIn.set(needle, path);
  };
  for (const table of tables) {
    const path = fileOf(table.name);
    const hash = createHash("sha256");
    let size = 0;
    let before = Buffer.alloc(0); // a needle may lie across the border of two pieces
    for await (const chunk of rowsOf(session.client, schema, table)) {
      signal?.throwIfAborted();
      hash.update(chunk);
      size += chunk.length;
      if (needles.count === 0) continue;
      const joined = Buffer.concat([before, chunk]);
      note(needles.in(joined), path);
      before = joined.subarray(Math.max(0, joined.length - needles.longest + 1));
    }
    entries.set(path, { kind: "file", size, sha256: hash.digest("hex"), executable: false });
  }
  const said = schemaFile(tables);
  note(needles.in(said), SCHEMA_FILE);
  entries.set(SCHEMA_FILE, {
    kind: "file",
    size: said.length,
    sha256: createHash("sha256").update(said).digest("hex"),
    executable: false,
  });
  return {
    ...summed(new Map(sortUtf8([...entries.keys()]).map((path) => [path, entries.get(path)!]))),
    needlesIn,
  };
}

/** Writes the tables of a schema as files into the folder `top`, where nothing lies. */
export async function writeTables(
  session: Session,
  schema: string,
  top: string,
  signal?: AbortSignal,
): Promise<void> {
  mkdirSync(top);
  const tables = await tablesIn(session, schema);
  for (const table of tables) {
    await using file = await open(join(top, fileOf(table.name)), "wx");
    for await (const chunk of rowsOf(session.client, schema, table)) {
      signal?.throwIfAborted();
      await file.writeFile(chunk);
    }
  }
  await using file = await open(join(top, SCHEMA_FILE), "wx");
  await file.writeFile(schemaFile(tables));
}

/** Makes the tables of a folder in a schema. Throws `bad-output` for what cannot be a table of such columns. */
export async function readTables(
  session: Session,
  schema: string,
  { folder, tables }: { readonly folder: string; readonly tables: readonly Table[] },
): Promise<void> {
  for (const { name, columns } of tables) {
    const place = quoted(schema, name);
    try {
      const described: string[] = [];
      for (const { name, type, collation } of columns)
        described.push(
          `${quoted(name)} ${await typeNamed(session, type)}${collation === undefined ? "" : ` COLLATE ${quoted("pg_catalog", collation)}`}`,
        );
      await session.rows(`CREATE TABLE ${place} (${described.join(", ")})`);
      const rows = createReadStream(join(folder, fileOf(name)));
      await copyIn(session.client, `COPY ${place} FROM STDIN (FORMAT csv, HEADER)`, rows);
    } catch (error) {
      const state = error instanceof Error && "code" in error ? String(error.code) : "";
      // Data, syntax and names that PostgreSQL refuses; anything else is no fault of the files.
      if (!/^(22|42|0A|23)/.test(state) || state === "42501") throw error;
      throw new AlamodeError("bad-output", `${fileOf(name)} cannot be a table: ${(error as Error).message}`, {
        facts: { path: fileOf(name) },
        hint: `Its columns are told by ${SCHEMA_FILE}, its rows are CSV as COPY writes it.`,
        cause: error,
      });
    }
  }
}

/** A type as PostgreSQL itself writes it: a file may say anything where it should name one. */
async function typeNamed(session: Session, type: string): Promise<string> {
  // A modifier is numbers; what is left must be the name of a type.
  const [, before = "", modifier = "", after = ""] = /^([^()]*)(\([\d, -]*\))?([^()]*)$/.exec(type) ?? [];
  const bare = `${before}${after}`.trim();
  const [found] = await session.rows<{ name: string | null }>(
    `SELECT format_type(to_regtype(${literal(bare)}), NULL) AS name`,
  );
  if (bare !== "" && found?.name === bare) return `${before}${modifier}${after}`;
  throw new AlamodeError("bad-output", `${JSON.stringify(type)} is no type of this database`, {
    facts: { path: SCHEMA_FILE },
  });
}

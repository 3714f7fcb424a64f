// Publications in a database: views that people find under names of their own choice, over the tables of outputs. A view is known for one of
// ours by its comment, and nothing else is ever replaced.
import { AlamodeError } from "../errors.ts";
import { sqlState } from "../postgres-server.ts";
import type { PostgresServer } from "./postgres-connection.ts";
import { literal, quoted, schemaOf } from "./postgres-names.ts";
import { tablesIn } from "./postgres-tables.ts";
import type { Location } from "./types.ts";

const OURS = "a-la-mode publication of ";
/** invalid_table_definition: columns that went, or changed. */
const OTHER_COLUMNS = "42P16";
/** dependent_objects_still_exist */
const DEPENDED_ON = "2BP01";

/** Makes `<schema>.<view>` show a table of the output at a location. Returns whether it showed something else before. */
export function publishView(server: PostgresServer, location: Location, name: string): Promise<boolean> {
  const [schema = "", view = ""] = name.split(".");
  const place = quoted(schema, view);
  const refused = (why: string, hint: string) =>
    new AlamodeError("publish-refused", `${why}, and was left as it is`, { facts: { view: name }, hint });
  return server.transaction(async (session) => {
    const { rows } = session;
    const from = schemaOf(location);
    const tables = await tablesIn(session, from);
    const table = tables.length === 1 ? tables[0] : tables.find((one) => one.name === view);
    if (table === undefined) {
      throw new AlamodeError(
        "publish-refused",
        `the output has no table "${view}", but ${tables.length} others`,
        {
          facts: { view: name, tables: tables.map((one) => one.name).join(", ") },
          hint: `Name the view after one of them:  publish: '${schema}.${tables[0]?.name ?? "table"}'`,
        },
      );
    }
    await rows("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", name);
    const comment = `${OURS}${from}.${table.name}`;
    const [there] = await rows<{ kind: string; comment: string | null }>(
      `SELECT c.relkind AS kind, obj_description(c.oid, 'pg_class') AS comment FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = $1 AND c.relname = $2`,
      schema,
      view,
    );
    if (there?.comment === comment) return false;
    if (there !== undefined && !(there.kind === "v" && there.comment?.startsWith(OURS)))
      throw refused(`something that was not published is called ${name}`, "Rename it, or name another view.");
    await rows(`CREATE SCHEMA IF NOT EXISTS ${quoted(schema)}`);
    const select = `VIEW ${place} AS SELECT * FROM ${quoted(from, table.name)}`;
    await rows("SAVEPOINT before");
    try {
      await rows(`CREATE OR REPLACE ${select}`); // keeps what was granted on it
    } catch (error) {
      if (sqlState(error) !== OTHER_COLUMNS) throw error;
      await rows("ROLLBACK TO before");
      await replaced();
    }
    await rows(`COMMENT ON VIEW ${place} IS ${literal(comment)}`);
    return true;

    async function replaced(): Promise<void> {
      try {
        await rows(`DROP VIEW ${place}`);
      } catch (error) {
        if (sqlState(error) !== DEPENDED_ON) throw error;
        const said = (error as { detail?: string }).detail ?? "";
        throw refused(
          `${name} has other columns by now, and something depends on it: ${said}`,
          "Drop what depends on it, then say  alamode publish.",
        );
      }
      await rows(`CREATE ${select}`);
    }
  });
}

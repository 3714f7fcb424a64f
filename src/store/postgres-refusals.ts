// What a schema may hold to be an output: tables, with their indices and the sequences of their own columns. Anything else would not be in
// the digest, or would change with something outside, and is refused; and what is accepted is shut against changes.
import { AlamodeError } from "../errors.ts";
import type { Asked } from "./postgres-blobs.ts";
import type { Session } from "./postgres-connection.ts";
import { OWN, quoted } from "./postgres-names.ts";
import { tablesIn } from "./postgres-tables.ts";

/** The name of the trigger on each table of an output. */
const TRIGGER = "alamode_kept";

const NAMESPACE = "(SELECT oid FROM pg_namespace WHERE nspname = $1)";

/** Each gives what it found and why that cannot be kept; $1 is the schema's name. */
const REFUSED = [
  `SELECT pg_describe_object(d.classid, d.objid, 0) AS what, CASE
     WHEN c.relkind = 'v' THEN 'a view is no table: write  CREATE TABLE … AS SELECT …'
     WHEN c.relkind = 'p' THEN 'a partitioned table cannot be kept yet: copy it into a plain one'
     WHEN c.relpersistence = 'u' THEN 'it is unlogged, and would be lost when the server crashes: ALTER TABLE … SET LOGGED'
     WHEN c.relkind = 'S' THEN 'a sequence that is no column''s own: drop it, or use  GENERATED ALWAYS AS IDENTITY'
     ELSE 'only tables can be kept yet: drop it at the end' END AS why
   FROM pg_depend d LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
   WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = ${NAMESPACE}
     AND d.classid <> 'pg_statistic_ext'::regclass
     AND NOT coalesce(c.relkind = 'r' AND c.relpersistence = 'p'
       OR c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid
         AND o.refclassid = 'pg_class'::regclass AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i')), false)`,
  `SELECT format('table %s', c.relname) AS what, CASE
     WHEN c.relrowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) THEN 'it hides rows from some (row security)'
     WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgname <> '${TRIGGER}') THEN 'it has triggers: drop them at the end'
     WHEN EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid) THEN 'it has rules: drop them at the end'
     WHEN EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent)) THEN 'it inherits, or is inherited from'
     WHEN EXISTS (SELECT FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid
       WHERE k.conrelid = c.oid AND k.contype = 'f' AND f.relnamespace <> c.relnamespace) THEN 'it has a foreign key to a table elsewhere'
     WHEN NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) THEN 'it has no columns'
     WHEN c.relname ~ '[/[:cntrl:]]' THEN 'its name cannot be a file''s' END AS why
   FROM pg_class c WHERE c.relnamespace = ${NAMESPACE} AND c.relkind = 'r'`,
  `SELECT format('column %s.%s', c.relname, a.attname) AS what, CASE
     WHEN l.oid IS NOT NULL AND l.collnamespace <> 'pg_catalog'::regnamespace
       THEN 'it has a collation that is not PostgreSQL''s own'
     WHEN t.typnamespace <> 'pg_catalog'::regnamespace OR t.typtype NOT IN ('b', 'r', 'm')
       THEN format('its type %s is not PostgreSQL''s own: cast it, for instance to text', format_type(t.oid, NULL))
     WHEN ltrim(t.typname, '_') ~ '^(oid|oidvector|reg.*|xid8?|cid|tid|aclitem|pg_snapshot|txid_snapshot)$'
       THEN format('its type %s points into this database, as large objects do, which cannot be kept yet', t.typname) END AS why
   FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
   WHERE c.relnamespace = ${NAMESPACE} AND c.relkind = 'r'`,
];

/** Throws `bad-output` for the first thing in a schema that cannot be kept, and for a schema without tables. */
export async function refuseOthers(session: Session, schema: string): Promise<void> {
  for (const sql of REFUSED) {
    const found = await session.rows<{ what: string; why: string | null }>(
      `SELECT * FROM (${sql}) AS found WHERE why IS NOT NULL ORDER BY what`,
      schema,
    );
    const [first] = found;
    if (first === undefined) continue;
    const what = first.what.replaceAll(`${schema}.`, "");
    const more = found.length === 1 ? "" : ` (and ${found.length - 1} more)`;
    throw new AlamodeError("bad-output", `${what}${more} cannot be kept`, { hint: capital(first.why!) });
  }
  if ((await tablesIn(session, schema)).length === 0) {
    throw new AlamodeError("bad-output", "made no table in the schema $OUTPUT", {
      hint: "Its output goes to a database, where $OUTPUT names a schema, which is also the search_path. For a task that makes files name another store:  options: { store: … }",
    });
  }
}

function capital(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

/** From now on every change to a row of the schema's tables is an error, whoever tries. */
export async function shut(session: Session, schema: string): Promise<void> {
  for (const { name } of await tablesIn(session, schema)) {
    const table = quoted(schema, name);
    await session.rows(`DROP TRIGGER IF EXISTS ${TRIGGER} ON ${table}`); // of a commit whose answer was lost
    await session.rows(
      `CREATE TRIGGER ${TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION ${OWN}.refuse_change()`,
    );
    await session.rows(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${TRIGGER}`);
  }
}

/**
 * What changes when tables, columns or rows do, without reading a row: tables by number and file, their columns, and the trigger without
 * which no row can change, with the transaction that last wrote it. Undefined where there is no such schema.
 */
export async function stampsOf(session: Asked, schema: string): Promise<Uint8Array | undefined> {
  const [found] = await session.rows<{ there: boolean; stamps: string }>(
    `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS there, coalesce(string_agg(line, E'\\n' ORDER BY line COLLATE "C"), '') AS stamps
     FROM (SELECT format('%s %s %s %s %s', c.relname, c.oid, pg_relation_filenode(c.oid),
         (SELECT md5(string_agg(format('%s %s %s %s', attnum, attname, atttypid, atttypmod), ',' ORDER BY attnum))
          FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0),
         (SELECT format('%s %s %s', g.oid, g.xmin, g.tgenabled) FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = '${TRIGGER}')) AS line
       FROM pg_class c WHERE c.relnamespace = ${NAMESPACE} AND c.relkind = 'r') AS lines`,
    schema,
  );
  return found?.there ? Buffer.from(found.stamps) : undefined;
}

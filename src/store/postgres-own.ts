// The store's own tables, in a schema of their own: public, and told in docs/FORMAT.md.
import { randomBytes } from "node:crypto";
import { AlamodeError } from "../errors.ts";
import type { PostgresServer } from "./postgres-connection.ts";
import { OWN } from "./postgres-names.ts";

const VERSION = "1";
const OLDEST_SERVER = 130000;
/** Of the advisory lock under which the tables are made. */
const LOCK = "1095520076";

const TABLES = `
  CREATE SCHEMA ${OWN};
  GRANT USAGE ON SCHEMA ${OWN} TO PUBLIC;
  CREATE TABLE ${OWN}.about (key text PRIMARY KEY, value text NOT NULL);
  CREATE TABLE ${OWN}.trees (
    location text COLLATE "C" PRIMARY KEY,
    output text NOT NULL,
    digest text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('tables', 'files', 'place')),
    tree bytea NOT NULL,
    making text UNIQUE,
    made_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE ${OWN}.files (name text COLLATE "C", n integer, content bytea NOT NULL, PRIMARY KEY (name, n));
  CREATE TABLE ${OWN}.receipts (run text, n integer, note bytea NOT NULL, PRIMARY KEY (run, n));
  CREATE TABLE ${OWN}.makings (name text PRIMARY KEY, begun_at timestamptz NOT NULL DEFAULT now());
  CREATE FUNCTION ${OWN}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '%.% is part of an output, which is never changed', TG_TABLE_SCHEMA, TG_TABLE_NAME
      USING HINT = 'Copy what you want to change.'; END $$;
`;

export interface Opened {
  /** 16 hex. */
  readonly id: string;
  /** The role that may read all outputs. */
  readonly readers: string;
}

/** Makes the tables where there are none. Throws `store-unusable` for a server or a store that is too old or too new. */
export async function openOwn(server: PostgresServer): Promise<Opened> {
  return server.transaction(async ({ rows }) => {
    await rows(`SELECT pg_advisory_xact_lock(${LOCK})`);
    const [is] = await rows<{ server: number; there: boolean; super: boolean }>(
      `SELECT current_setting('server_version_num')::int AS server, to_regclass('${OWN}.about') IS NOT NULL AS there`,
    );
    if (is!.server < OLDEST_SERVER) throw unusable(server.url, "its PostgreSQL is older than 13");
    if (!is!.there) {
      const id = randomBytes(8).toString("hex");
      await rows(TABLES);
      await rows(`INSERT INTO ${OWN}.about VALUES ('version', $1), ('id', $2)`, VERSION, id);
      await rows(`CREATE ROLE ${readersOf(id)} NOLOGIN`);
    }
    const about = new Map(
      (await rows<{ key: string; value: string }>(`SELECT key, value FROM ${OWN}.about`)).map(
        ({ key, value }) => [key, value],
      ),
    );
    if (about.get("version") !== VERSION)
      throw unusable(server.url, `its version is ${about.get("version")}, and this program knows ${VERSION}`);
    const id = about.get("id")!;
    return { id, readers: readersOf(id) };
  });
}

function readersOf(id: string): string {
  return `alamode_readers_${id}`;
}

function unusable(url: string, why: string): AlamodeError {
  return new AlamodeError("store-unusable", `${url} cannot be a store: ${why}`, {
    hint: "Use a newer version, or another database with --store.",
  });
}

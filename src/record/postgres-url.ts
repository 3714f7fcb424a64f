// Where a shared record is, from its URL: what libpq's URLs say, and three parameters of our own. What the URL leaves out
// comes from PGHOST, PGUSER and their like, a password also from ~/.pgpass.
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { ClientConfig } from "pg";
import { AlamodeError } from "../errors.ts";

/** The schema that the tables are in, unless the URL names one with `schema`. */
const SCHEMA = "alamode";
/** How long a run counts as living after its last heartbeat, unless the URL says otherwise with `lease_seconds`. */
const LEASE_S = 30;
/** How long a call waits for a database that cannot be reached, unless the URL says otherwise with `patience_seconds`. */
const PATIENCE_S = 600;
const CONNECT_TIMEOUT_MS = 10_000;

export interface PostgresPlace {
  /** With everything in it, and so never to be shown. */
  readonly config: ClientConfig;
  /** The URL without password. */
  readonly shown: string;
  readonly schema: string;
  readonly leaseMs: number;
  readonly patienceMs: number;
}

export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text);
}

/** Throws `bad-record-url`. */
export function postgresPlace(text: string): PostgresPlace {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw badUrl(shownUrl(text), "it cannot be read as a URL"); // its own error would show a password
  }
  const shown = shownUrl(text);
  const own = (name: string, usual: string) => {
    const value = url.searchParams.get(name) ?? usual;
    url.searchParams.delete(name);
    return value;
  };
  const seconds = (name: string, usual: number) => {
    const value = own(name, `${usual}`);
    if (!/^[1-9]\d{0,5}$/.test(value)) throw badUrl(shown, `${name} must be a whole number of seconds`);
    return Number(value) * 1000;
  };
  const schema = own("schema", SCHEMA);
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw badUrl(shown, "a schema's name has small letters, digits and _ only, at most 63 of them");
  }
  const leaseMs = seconds("lease_seconds", LEASE_S);
  const patienceMs = seconds("patience_seconds", PATIENCE_S);
  // Functions keep the plans of their first calls, when tables may have been empty: those have to go by the indexes too.
  const always = `-c search_path=${schema} -c enable_seqscan=off -c jit=off`;
  const options = [url.searchParams.get("options"), always].filter(Boolean).join(" ");
  url.searchParams.delete("options");
  const password = passwordFor(url);
  if (password !== undefined) url.searchParams.set("password", password);
  return {
    config: {
      connectionString: url.href,
      options,
      application_name: "alamode",
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: CONNECT_TIMEOUT_MS,
    },
    shown,
    schema,
    leaseMs,
    patienceMs,
  };
}

/** A URL as it may be shown: without a password, wherever in it that is. */
export function shownUrl(text: string): string {
  return text
    .replace(/^([a-z]+:\/\/[^:/?#@]*):.*@/i, "$1@") // to the last @: a password may hold anything
    .replace(/([?&])(?:password|sslpassword)=[^&]*(&|$)/gi, (_, before: string, after: string) =>
      after === "" ? "" : before,
    );
}

/** The password of ~/.pgpass, where neither URL nor PGPASSWORD has one: pg would warn of each use of that file. */
function passwordFor(url: URL): string | undefined {
  const { env } = process;
  if (url.password !== "" || url.searchParams.has("password") || env["PGPASSWORD"]) return undefined;
  const file = env["PGPASSFILE"] ?? join(homedir(), ".pgpass");
  const given = (name: string, value: string, variable: string, usual: string) =>
    url.searchParams.get(name) || value || env[variable] || usual;
  const user = given("user", decodeURIComponent(url.username), "PGUSER", env["USER"] ?? "");
  const host = given("host", decodeURIComponent(url.hostname), "PGHOST", "localhost");
  const wanted = [
    host.startsWith("/") ? "localhost" : host,
    given("port", url.port, "PGPORT", "5432"),
    given("database", decodeURIComponent(url.pathname.slice(1)), "PGDATABASE", user),
    user,
  ];
  return passwordIn(file, wanted);
}

/** https://www.postgresql.org/docs/current/libpq-pgpass.html: the first line that fits counts. */
function passwordIn(file: string, wanted: readonly string[]): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile() || (stat.mode & 0o077) !== 0) return undefined; // others could read it: pg says so
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line.startsWith("#")) continue;
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)].map(([, field = ""]) =>
      field.replaceAll(/\\(.)/g, "$1"),
    );
    if (fields.length > 4 && wanted.every((value, i) => fields[i] === "*" || fields[i] === value))
      return fields[4];
  }
  return undefined;
}

function badUrl(shown: string, why: string): AlamodeError {
  return new AlamodeError("bad-record-url", `the record ${shown} cannot be opened: ${why}`, {
    hint: "Write it as  postgres://user@host:5432/database?schema=alamode",
  });
}

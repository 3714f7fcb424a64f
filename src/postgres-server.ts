// What record and store have in common where they are in PostgreSQL: how a server is named and connected to, where its password is,
// when it is away, and what a transaction is.
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { errnoOf } from "./errors.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CONNECTION_CLASS = "08";
const UNREACHABLE = new Set([
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now: it is starting up
  "57P05", // idle_session_timeout
  "53300", // too_many_connections
  "25006", // read_only_sql_transaction: this one is a standby now
]);
const ERRNOS = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EAI_AGAIN",
  "ENOENT", // the socket of a server that is not up
]);

/** The five characters that PostgreSQL gives its errors. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as Error & { code?: unknown };
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Whether the call may succeed once the database is there again. Whether it has done its work is not known then. */
export function isUnreachable(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isUnreachable);
  const state = sqlState(error);
  if (state !== undefined && (UNREACHABLE.has(state) || state.startsWith(CONNECTION_CLASS))) return true;
  if (ERRNOS.has(errnoOf(error) ?? "")) return true;
  // What pg says itself has no code.
  return (
    error instanceof Error &&
    /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying|timeout expired|Query read timeout)/.test(
      error.message,
    )
  );
}

export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text);
}

/** A URL as it may be shown: without a password, wherever in it that is. */
export function shownUrl(text: string): string {
  return text
    .replace(/^([a-z]+:\/\/[^:/?#@]*):.*@/i, "$1@") // to the last @: a password may hold anything
    .replace(/([?&])(?:password|sslpassword)=[^&]*(&|$)/gi, (_, before: string, after: string) =>
      after === "" ? "" : before,
    );
}

/**
 * How to connect to what a URL names, as one of our programs; with everything in it, and so never to be shown. `settings` are told to
 * the server after the URL's own options, and so count before them.
 */
export function connectionConfig(given: URL, settings: Readonly<Record<string, string>>): pg.ClientConfig {
  const url = new URL(given);
  const told = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const options = [url.searchParams.get("options"), ...told].filter(Boolean).join(" ");
  url.searchParams.delete("options");
  const password = passwordFor(url);
  if (password !== undefined) url.searchParams.set("password", password);
  return {
    connectionString: url.href,
    options,
    application_name: "alamode",
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: CONNECT_TIMEOUT_MS,
  };
}

/** What `body` asks of the connection happens as a whole, or not at all. `begin` is the statement that says how. */
export async function inTransaction<T>(
  pool: pg.Pool,
  body: (client: pg.PoolClient) => Promise<T>,
  begin = "BEGIN",
): Promise<T> {
  const client = await pool.connect();
  const broken = () => {}; // the query under way tells of it
  client.on("error", broken);
  let failed = true;
  try {
    await client.query(begin);
    const answer = await body(client);
    await client.query("COMMIT");
    failed = false;
    return answer;
  } finally {
    client.off("error", broken);
    client.release(failed); // what is left of the transaction ends with its connection
  }
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
  for (const line of passwordFile(file).split("\n")) {
    if (line.startsWith("#")) continue;
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)].map(([, field = ""]) =>
      field.replaceAll(/\\(.)/g, "$1"),
    );
    if (fields.length > 4 && wanted.every((value, i) => fields[i] === "*" || fields[i] === value))
      return fields[4];
  }
  return undefined;
}

/** Its text; as with libpq, one that cannot be read is none. With `sudo`, HOME may be another's, whose folders are closed to us. */
function passwordFile(file: string): string {
  try {
    const stat = statSync(file);
    const isOurs = stat.isFile() && (stat.mode & 0o077) === 0; // what others could read does not count
    return isOurs ? readFileSync(file, "utf8") : "";
  } catch {
    return "";
  }
}

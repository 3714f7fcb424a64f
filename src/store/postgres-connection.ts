// Connections of a store in PostgreSQL: queries and transactions under settings that make every value the same text everywhere,
// and patience with a server that is away for a while. Every call may be made twice, when its answer was lost.
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { AlamodeError, errnoOf } from "../errors.ts";
import { nearNames } from "../plan/near.ts";
import { connectionConfig, inTransaction, isUnreachable, shownUrl, sqlState } from "../postgres-server.ts";
import { Reach } from "./away.ts";

const CONNECTIONS = 8;
const IDLE_MS = 10_000;
/** How long a call waits for a server that is away; while a store is opened nobody waits for a mistyped name. */
const PATIENCE_MS = 60_000;
const OPENING_PATIENCE_MS = 5_000;
const PAUSE_MS = 50;
const MAX_PAUSE_MS = 2_000;

/** Whatever server, database and user have set: what is read from a table is the same text. Part of the format: docs/FORMAT.md. */
export const SETTINGS: Readonly<Record<string, string>> = {
  search_path: "pg_catalog",
  client_encoding: "UTF8",
  DateStyle: "ISO,MDY",
  TimeZone: "UTC",
  IntervalStyle: "postgres",
  extra_float_digits: "1",
  bytea_output: "hex",
  lc_monetary: "C",
  xmlbinary: "base64",
  row_security: "off",
};
/**
 * Nothing ends a long copy; what is committed has reached the disk, with all that was committed before it, whoever did that; and the server notices
 * soon when this machine is gone, and lets go of what it held.
 */
const OURS = {
  statement_timeout: "0",
  synchronous_commit: "on",
  idle_in_transaction_session_timeout: "0",
  tcp_keepalives_idle: "30",
  tcp_keepalives_interval: "10",
  tcp_keepalives_count: "3",
};

export type Value = string | number | boolean | Uint8Array | null | readonly string[];

/** Text of this form stands in SQL for a value: `$1`. Rows come as pg gives them. */
export interface Session {
  rows<Row>(sql: string, ...values: Value[]): Promise<Row[]>;
  /** For copies. */
  readonly client: pg.ClientBase;
}

/** Where programs find the server, as libpq's variables say it; without user and password. */
export interface ServerPlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** Parameters of the URL that concern encryption. */
  readonly ssl: Readonly<Record<string, string>>;
}

export class PostgresServer {
  /** Without password and parameters. */
  readonly url: string;
  readonly place: ServerPlace;
  /** How inputs that are tables are compared with their commit: by all rows, or only by what the catalogues say of them. */
  readonly check: "digest" | "stamps";
  readonly #config: pg.ClientConfig;
  readonly #pool: pg.Pool;
  readonly #reach: Reach;
  #opened = false;

  /** Throws `bad-store`. */
  constructor(url: string) {
    const { config, ssl, check } = parsed(url);
    this.check = check;
    this.url = shownUrl(url).split("?")[0]!;
    this.#reach = new Reach(this.url);
    this.#config = config;
    const { host, port, database = "" } = new pg.Client(config);
    this.place = { host, port, database, ssl };
    this.#pool = new pg.Pool({ ...config, max: CONNECTIONS, idleTimeoutMillis: IDLE_MS });
    this.#pool.on("error", () => {}); // of an idle connection: the next call opens another
  }

  /** From now on a server that is away is waited for. */
  opened(): void {
    this.#opened = true;
  }

  rows<Row>(sql: string, ...values: Value[]): Promise<Row[]> {
    return this.#patiently(async () => (await this.#pool.query(sql, [...values])).rows as Row[]);
  }

  /** All of it happens, or nothing; `body` may run again. `how`: of the transaction, e.g. "REPEATABLE READ READ ONLY". */
  transaction<T>(body: (session: Session) => Promise<T>, how = ""): Promise<T> {
    const begin = how === "" ? "BEGIN" : `BEGIN ISOLATION LEVEL ${how}`;
    const within = (client: pg.ClientBase) =>
      body({ client, rows: async (sql, ...values) => (await client.query(sql, [...values])).rows });
    return this.#patiently(() => inTransaction(this.#pool, within, begin));
  }

  /** A connection of its own, for locks that are held as long as it lives. */
  async connect(): Promise<pg.Client> {
    return this.#patiently(async () => {
      const client = new pg.Client(this.#config);
      await client.connect();
      return client;
    });
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }

  async #patiently<T>(body: () => Promise<T>): Promise<T> {
    const since = performance.now();
    for (let tries = 0; ; tries++) {
      try {
        const done = await body();
        this.#reach.answered();
        return done;
      } catch (error) {
        const patienceMs = this.#opened ? PATIENCE_MS : OPENING_PATIENCE_MS;
        if (!isUnreachable(error) || performance.now() - since > patienceMs) throw this.#told(error);
        this.#reach.failed(since, saidBy(error));
      }
      const ms = Math.min(PAUSE_MS * 2 ** Math.min(tries, 10), MAX_PAUSE_MS);
      await delay(ms * (0.5 + Math.random()));
    }
  }

  #told(error: unknown): unknown {
    if (error instanceof AlamodeError) return error;
    const said = saidBy(error);
    const told = (code: string, message: string, hint: string, transient = false) =>
      new AlamodeError(code, message, { facts: { store: this.url }, hint, transient, cause: error });
    if (isUnreachable(error)) {
      const hint = "See whether the database runs and lets this machine in, then run again.";
      return told("store-unreachable", `the store ${this.url} cannot be reached: ${said}`, hint, true);
    }
    const state = sqlState(error);
    if (state === "28000" || state === "28P01" || /password must be a string|SASL/i.test(said)) {
      const hint = "Give the right user in the URL, and the password in PGPASSWORD or ~/.pgpass.";
      return told("store-unusable", `the store ${this.url} does not let us in: ${said}`, hint);
    }
    if (state === "3D000" || errnoOf(error) === "ENOTFOUND") {
      const hint = "Check the URL, or make the database first:  createdb NAME";
      return told("store-unreachable", `the store ${this.url} is not there: ${said}`, hint);
    }
    if (state === "42501") {
      const hint = `Its user needs both:  ALTER ROLE … CREATEROLE;  GRANT CREATE ON DATABASE ${this.place.database} TO …;`;
      return told("store-unusable", `the store ${this.url} may not be used so: ${said}`, hint);
    }
    if (state === "53100") {
      return told(
        "no-space",
        `no space left for the store ${this.url}`,
        "Free some space on the server and run again.",
      );
    }
    return error;
  }
}

function saidBy(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}

/** Parameters of our own in a URL. */
const OWN = ["check"];

function parsed(text: string): {
  readonly config: pg.ClientConfig;
  readonly ssl: Readonly<Record<string, string>>;
  readonly check: PostgresServer["check"];
} {
  const bad = (why: string) =>
    new AlamodeError("bad-store", `${shownUrl(text)} names no store: ${why}`, {
      hint: "Write it as  postgres://user@host:5432/database",
    });
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw bad("it cannot be read as a URL"); // its own error would show a password
  }
  const check = url.searchParams.get("check") ?? "digest";
  if (check !== "digest" && check !== "stamps") throw bad("its parameter check must be digest or stamps");
  url.searchParams.delete("check");
  for (const name of url.searchParams.keys()) {
    const [near] = nearNames(name, OWN); // all others are libpq's
    if (near !== undefined) throw bad(`"${name}" is no parameter of it. Near: ${near}`);
  }
  const ssl: Record<string, string> = {};
  for (const [name, variable] of SSL) {
    const value = url.searchParams.get(name);
    if (value !== null) ssl[variable] = value;
  }
  return { config: connectionConfig(url, { ...SETTINGS, ...OURS }), ssl, check };
}

const SSL = [
  ["sslmode", "PGSSLMODE"],
  ["sslrootcert", "PGSSLROOTCERT"],
] as const;

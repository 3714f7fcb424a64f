// Connections to a shared record: queries, transactions, and patience with a database that is away for a while. Knows
// nothing of what is stored. Every call may be made twice, when its answer was lost: so each is made to bear that.
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { inTransaction, isUnreachable } from "../postgres-server.ts";
import { isolationSuffices } from "./isolation.ts";
import type { PauseListener } from "./pause.ts";
import { isConflict, isolationAsked, postgresError } from "./postgres-errors.ts";
import type { PostgresPlace } from "./postgres-url.ts";

/** Connections of one process, opened as they are needed, beside the heartbeat's and the listener's. */
const CONNECTIONS = 4;
/** A connection that gives no answer for so long is taken for broken, and the call made again on another. */
const SILENCE_MS = 180_000;
const IDLE_MS = 10_000;
/** First and longest pause between two tries to reach the database. */
const PAUSE_MS = 50;
const MAX_PAUSE_MS = 5_000;
/** How often a transaction is tried that others get in the way of. */
const MAX_CONFLICTS = 20;
/** How long opening waits for a database that may be starting: nobody waits for a mistyped name. */
const OPENING_PATIENCE_MS = 5_000;

export type Value = string | number | boolean | Uint8Array | null | readonly Value[];

/** A connection within a transaction. */
export interface Session {
  rows<Row>(sql: string, ...values: Value[]): Promise<Row[]>;
}

export class PostgresConnection implements Session {
  /** Without password. */
  readonly url: string;
  readonly place: PostgresPlace;
  readonly #pool: pg.Pool;
  readonly #listeners = new Set<PauseListener>();
  #waiting = 0;
  /** Patience is over: one try each, until one succeeds. */
  #gaveUp = false;
  #hurry = new AbortController();
  #opened = false;

  constructor(place: PostgresPlace) {
    this.place = place;
    this.url = place.shown;
    this.#pool = new pg.Pool({
      ...place.config,
      max: CONNECTIONS,
      idleTimeoutMillis: IDLE_MS,
      query_timeout: SILENCE_MS,
      types: TYPES,
    });
    this.#pool.on("error", () => {}); // of an idle connection: the next call opens another
  }

  /** To be called once the record is open: from now on a database that is away is waited for. */
  opened(): void {
    this.#opened = true;
  }

  async rows<Row>(sql: string, ...values: Value[]): Promise<Row[]> {
    return this.#patiently(async () => (await this.#pool.query(statement(sql, values))).rows as Row[]);
  }

  async row<Row>(sql: string, ...values: Value[]): Promise<Row | undefined> {
    return (await this.rows<Row>(sql, ...values))[0];
  }

  /** All of it happens, or nothing. `body` may run again. */
  transaction<T>(body: (session: Session) => Promise<T>): Promise<T> {
    const within = (client: pg.ClientBase) =>
      body({ rows: async (sql, ...values) => (await client.query(statement(sql, values))).rows });
    return this.#patiently(() => inTransaction(this.#pool, within));
  }

  onPause(listener: PauseListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** From now on no call waits for the database. */
  giveUp(): void {
    this.#gaveUp = true;
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }

  async #patiently<T>(body: () => Promise<T>): Promise<T> {
    let since: number | undefined;
    let conflicts = 0;
    try {
      for (let tries = 0; ; tries++) {
        try {
          const answer = await body();
          this.#gaveUp = false;
          return answer;
        } catch (error) {
          if (isolationAsked(error)) {
            await this.#noteIsolation(isolationAsked(error)!);
            continue;
          }
          if (isConflict(error) && conflicts++ < MAX_CONFLICTS) {
            await delay(Math.random() * 5 * conflicts);
            continue;
          }
          if (!isUnreachable(error)) throw error;
          const now = performance.now();
          if (since === undefined) {
            since = now;
            tries = 0;
            this.#pause(error);
          }
          const patienceMs = this.#opened ? this.place.patienceMs : OPENING_PATIENCE_MS;
          if (now - since > patienceMs) this.#gaveUp = true;
          if (this.#gaveUp) throw error;
        }
        // Spread out, so that those whom one outage stopped do not all come back at the same moment.
        const ms = Math.min(PAUSE_MS * 2 ** Math.min(tries, 10), MAX_PAUSE_MS) * (0.5 + Math.random());
        await delay(ms, undefined, { signal: this.#hurry.signal }).catch(() => {});
      }
    } catch (error) {
      throw postgresError(error, this.url);
    } finally {
      if (since !== undefined) this.#goOn();
    }
  }

  async #noteIsolation([have, want]: readonly [string, string]): Promise<void> {
    const sql = "INSERT INTO isolation_order (have, want, suffices) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    await this.rows(sql, have, want, isolationSuffices(have, want));
  }

  #pause(error: unknown): void {
    if (this.#waiting++ > 0 || !this.#opened) return;
    const giveUp = () => this.giveUp();
    const told = postgresError(error, this.url) as Error;
    for (const listener of this.#listeners) listener({ error: told, giveUp });
  }

  #goOn(): void {
    if (--this.#waiting > 0 || !this.#opened || this.#gaveUp) return;
    for (const listener of this.#listeners) listener(undefined);
  }
}

const INT8 = 20;
const TEXT = 25;

/** Our integers fit into a double, and text may hold what stands for NUL. */
export const TYPES = {
  getTypeParser(oid: number, format?: "text" | "binary") {
    if (oid === INT8) return Number;
    if (oid === TEXT) return textFrom;
    return pg.types.getTypeParser(oid, format);
  },
} as pg.CustomTypesConfig;

function statement(sql: string, values: readonly Value[]): { text: string; values: unknown[] } {
  return { text: numbered(sql), values: values.map(parameter) };
}

const numberedBefore = new Map<string, string>();

/** Both kinds of record mark values with `?`; PostgreSQL numbers them. */
function numbered(sql: string): string {
  let text = numberedBefore.get(sql);
  if (text === undefined) {
    let n = 0;
    text = sql.replaceAll("?", () => `$${++n}`);
    numberedBefore.set(sql, text);
  }
  return text;
}

function parameter(value: Value): unknown {
  if (typeof value === "string") return textTo(value);
  return Array.isArray(value) ? value.map(parameter) : value;
}

// PostgreSQL's text has no NUL, which names of tasks may have: it is written as ␀0, and ␀ itself as ␀␀.

function textTo(text: string): string {
  return /[\0␀]/.test(text) ? text.replaceAll(/[\0␀]/g, (char) => (char === "\0" ? "␀0" : "␀␀")) : text;
}

function textFrom(text: string): string {
  return text.includes("␀") ? text.replaceAll(/␀(.)/g, (_, char) => (char === "0" ? "\0" : char)) : text;
}

/** A value as an argument of the type jsonb; its placeholder is `JSONB`. */
export function jsonOf(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value, (_, part) => (typeof part === "string" ? textTo(part) : part)));
}

/** A placeholder for what `jsonOf` gives: a text would have to be escaped twice. */
export const JSONB = "convert_from(?, 'UTF8')::jsonb";

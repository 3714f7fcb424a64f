// Who waits for another's execution hears of its end by LISTEN, over a connection that is opened when the first one waits.
// Only a help: whoever waits asks now and then all the same.
import pg from "pg";
import type { PostgresConnection } from "./postgres-connection.ts";
import type { ExecutionId } from "./types.ts";

/** How long it is left alone after the connection was lost: those who wait ask meanwhile. */
const PAUSE_MS = 1_000;

export class Endings {
  readonly #db: PostgresConnection;
  readonly #waiting = new Map<ExecutionId, Set<() => void>>();
  #client: pg.Client | undefined;
  #closed = false;

  constructor(db: PostgresConnection) {
    this.#db = db;
  }

  /** Calls `ended` once, when the execution ends or may have ended unheard. Returns what calls that off. */
  on(execution: ExecutionId, ended: () => void): () => void {
    const calls = this.#waiting.get(execution) ?? new Set();
    this.#waiting.set(execution, calls.add(ended));
    if (this.#client === undefined && !this.#closed) void this.#listen();
    return () => {
      calls.delete(ended);
      if (calls.size === 0 && this.#waiting.get(execution) === calls) this.#waiting.delete(execution);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#client?.end().catch(() => {});
  }

  async #listen(): Promise<void> {
    const client = new pg.Client({ ...this.#db.place.config, application_name: "alamode listener" });
    this.#client = client;
    client.on("notification", ({ payload = "" }) => this.#tell(payload));
    client.on("error", () => this.#lost(client));
    client.on("end", () => this.#lost(client));
    try {
      await client.connect();
      await client.query("LISTEN alamode_ended");
      for (const execution of [...this.#waiting.keys()]) this.#tell(execution); // it may have ended before
    } catch {
      this.#lost(client);
    }
  }

  #tell(execution: ExecutionId): void {
    const calls = this.#waiting.get(execution);
    this.#waiting.delete(execution);
    for (const ended of calls ?? []) ended();
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client || this.#closed) return;
    client.end().catch(() => {});
    setTimeout(() => {
      this.#client = undefined;
      if (this.#waiting.size > 0 && !this.#closed) void this.#listen();
    }, PAUSE_MS).unref();
  }
}

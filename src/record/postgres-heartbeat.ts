// The heartbeat of this process's runs, from a thread that does nothing else: hashing a large output must not cost a lease.
import { Worker } from "node:worker_threads";
import type { PostgresConnection } from "./postgres-connection.ts";
import type { RunId } from "./types.ts";

/** What the thread is told: which runs live here. */
export interface HeartbeatRuns {
  readonly runs: readonly RunId[];
}

export class Heartbeat {
  readonly #db: PostgresConnection;
  readonly #url: string;
  readonly #runs = new Set<RunId>();
  #thread: Worker | undefined;

  /** `url` is the record's, with its password. */
  constructor(db: PostgresConnection, url: string) {
    this.#db = db;
    this.#url = url;
  }

  /** For a run whose row of `live` is written. */
  start(run: RunId): void {
    this.#runs.add(run);
    if (this.#thread === undefined) {
      const file = new URL(
        `./postgres-heartbeat-thread${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`,
        import.meta.url,
      );
      this.#thread = new Worker(file, { workerData: this.#url, stdin: false, execArgv: [] });
      this.#thread.unref();
      // It can only fail by a bug: then the leases expire, and commits are refused with that as the reason.
      this.#thread.on("error", () => {});
    }
    this.#tell();
  }

  async stop(run: RunId): Promise<void> {
    this.#runs.delete(run);
    this.#tell();
    if (this.#runs.size === 0) await this.#end();
  }

  /** Runs that were not ended are as good as killed from here on. */
  async close(): Promise<void> {
    await this.#end();
    const runs = [...this.#runs];
    this.#runs.clear();
    if (runs.length === 0) return;
    this.#db.giveUp();
    const sql = "DELETE FROM live USING runs r WHERE r.id = live.run_id AND r.run = ANY(?::text[])";
    await this.#db.rows(sql, runs).catch(() => {}); // should the database be away: they run out by themselves
  }

  #tell(): void {
    this.#thread?.postMessage({ runs: [...this.#runs] } satisfies HeartbeatRuns);
  }

  async #end(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }
}

// Promise 2 after power loss: a success is settled once a file-system sync on its host has passed. Syncs are batched.
import type { RecordDb } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import type { Host } from "./host.ts";

/** How long successes may stay unsettled while a run goes on. */
const SYNC_EVERY_MS = 10_000;

export class Settler {
  #record: RecordDb;
  #stores: Stores;
  #host: Host;
  /** Ids of the stores that something was committed to. */
  #unsettled = new Set<string>();
  #busy: Promise<void> | undefined;
  #last = performance.now();

  constructor(record: RecordDb, stores: Stores, host: Host) {
    this.#record = record;
    this.#stores = stores;
    this.#host = host;
  }

  /** To be called after each commit, with the store's id. */
  committed(store: string): void {
    this.#unsettled.add(store);
    if (this.#busy === undefined && performance.now() - this.#last > SYNC_EVERY_MS) void this.#settle();
  }

  /** Settles what is left. A sync that fails leaves successes unsettled: they are hashed again before use after a reboot. */
  async finish(): Promise<void> {
    await this.#busy;
    if (this.#unsettled.size > 0) await this.#settle();
  }

  #settle(): Promise<void> {
    const ids = [...this.#unsettled];
    this.#unsettled.clear();
    this.#last = performance.now();
    const settle = async () => {
      const upTo = await this.#record.lastSuccess();
      for (const id of ids) {
        const store = await this.#stores.of({ store: id });
        if (!store.durable) await store.sync();
        await this.#record.settle(id, this.#host.host, this.#host.boot, upTo);
      }
    };
    this.#busy = settle()
      .catch(() => {})
      .finally(() => {
        this.#busy = undefined;
      });
    return this.#busy;
  }
}

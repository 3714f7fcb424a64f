// Promise 2 after power loss: a success is settled once a file-system sync on its host has passed. Syncs are batched.
import type { RecordDb } from "../record/types.ts";
import type { Store } from "../store/types.ts";
import type { Host } from "./host.ts";

/** How long successes may stay unsettled while a run goes on. */
const SYNC_EVERY_MS = 10_000;

export class Settler {
  #record: RecordDb;
  #store: Store;
  #host: Host;
  #unsettled = false;
  #busy: Promise<void> | undefined;
  #last = performance.now();

  constructor(record: RecordDb, store: Store, host: Host) {
    this.#record = record;
    this.#store = store;
    this.#host = host;
  }

  /** To be called after each commit. */
  committed(): void {
    this.#unsettled = true;
    if (this.#busy === undefined && performance.now() - this.#last > SYNC_EVERY_MS) void this.#settle();
  }

  /** Settles what is left. A sync that fails leaves successes unsettled: they are hashed again before use after a reboot. */
  async finish(): Promise<void> {
    await this.#busy;
    if (this.#unsettled) await this.#settle();
  }

  #settle(): Promise<void> {
    this.#unsettled = false;
    this.#last = performance.now();
    const settle = async () => {
      const upTo = await this.#record.lastSuccess();
      await this.#store.sync();
      await this.#record.settle(this.#store.id, this.#host.host, this.#host.boot, upTo);
    };
    this.#busy = settle()
      .catch(() => {})
      .finally(() => {
        this.#busy = undefined;
      });
    return this.#busy;
  }
}

// The scratch slots of a run, shared by all plans it performs: whoever holds one may run a step.

export class SlotPool {
  readonly #free: string[];
  readonly #waiting = new Set<() => void>();

  constructor(slots: readonly string[]) {
    this.#free = [...slots];
  }

  get size(): number {
    return this.#free.length;
  }

  /** A free slot; undefined when all are taken. */
  take(): string | undefined {
    return this.#free.pop();
  }

  give(slot: string): void {
    this.#free.push(slot);
    for (const wake of this.#waiting) wake();
  }

  /** Calls `wake` whenever a slot has become free, until the returned function is called. */
  onFree(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }
}

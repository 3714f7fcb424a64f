// Servers of stores may be away for a while: calls are made again until they answer, and whoever watches is told, once.

/** After so long without an answer a wait is told of; what works the second time is nobody's business. */
const TOLD_AFTER_MS = 2_000;

export interface AwayNews {
  /** Of the store, without credentials. */
  readonly url: string;
  /** Why it cannot be reached; undefined: it is there again. */
  readonly why: string | undefined;
}

/** Only the last of them is told: a run, and not the command around it that opened its stores. */
const listeners: ((news: AwayNews) => void)[] = [];

/** What is known of one store's server. */
export class Reach {
  readonly #url: string;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #isTold = false;

  constructor(url: string) {
    this.#url = url;
  }

  /** A call that began at that time, by `performance.now()`, has failed once more, and will be made again. */
  failed(beganMs: number, why: string): void {
    const isAway = this.#answeredMs < beganMs && performance.now() - beganMs > TOLD_AFTER_MS;
    if (!isAway || this.#isTold) return;
    this.#isTold = true;
    listeners.at(-1)?.({ url: this.#url, why });
  }

  answered(): void {
    this.#answeredMs = performance.now();
    if (!this.#isTold) return;
    this.#isTold = false;
    listeners.at(-1)?.({ url: this.#url, why: undefined });
  }
}

/** Calls `listener` whenever a store goes away, or is there again, until it is disposed of. */
export function onStoreAway(listener: (news: AwayNews) => void): Disposable {
  listeners.push(listener);
  return { [Symbol.dispose]: () => void listeners.splice(listeners.indexOf(listener), 1) };
}

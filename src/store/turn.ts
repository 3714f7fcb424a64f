// Synchronous file calls are several times faster than asynchronous ones for many small files, but nothing else runs
// meanwhile. A turn is how long such work may go on.
import { setImmediate as nextTurn } from "node:timers/promises";

const turnMs = 20;

/** Says when synchronous work has had its turn. Use: `if (turn.over()) await turn.next();` */
export class Turn {
  readonly #signal: AbortSignal | undefined;
  /** When it is over; undefined until it is first asked about, for most work is done before that. */
  #end: number | undefined;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  over(): boolean {
    const now = performance.now();
    this.#end ??= now + turnMs;
    return now > this.#end;
  }

  /** Lets everything else run. Throws the signal's reason when it was aborted. */
  async next(): Promise<void> {
    await nextTurn();
    this.#signal?.throwIfAborted();
    this.#end = performance.now() + turnMs;
  }
}

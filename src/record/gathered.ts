// Calls that come while an earlier one is under way go together in the next: one round trip, and one sync of the
// database's log, for all of them. A call that finds nothing under way goes at once, or when what it waits for has passed; one
// that can wait goes with the next that cannot.
import { AlamodeError } from "../errors.ts";

/** How long a call that can wait does so at most, in ms. */
const LATEST_MS = 4;

interface Asked<Request, Answer> {
  readonly request: Request;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export class Gathered<Request, Answer> {
  readonly #most: number;
  readonly #call: (requests: readonly Request[]) => Promise<readonly Answer[]>;
  readonly #turn: (() => Promise<void>) | undefined;
  #waiting: Asked<Request, Answer>[] = [];
  #busy = false;
  /** Whether one of those that wait cannot. */
  #pressed = false;
  #timer: NodeJS.Timeout | undefined;

  /**
   * `call` answers in the order of its requests, of which it gets `most` at once. When it throws, each is asked by itself.
   * `turn` is waited for before each call: what comes meanwhile goes with it.
   */
  constructor(
    most: number,
    call: (requests: readonly Request[]) => Promise<readonly Answer[]>,
    turn?: () => Promise<void>,
  ) {
    this.#most = most;
    this.#call = call;
    this.#turn = turn;
  }

  /** `mayWait`: a few milliseconds, for another to go with, and no longer than until that resolves. All go in the order in which they were asked. */
  ask(request: Request, mayWait: boolean | Promise<unknown> = false): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = { request, resolve, reject };
      this.#waiting.push(asked);
      if (mayWait === false) return this.#goNow();
      this.#goLater();
      if (mayWait !== true) void mayWait.then(() => this.#waiting.includes(asked) && this.#goNow());
    });
  }

  #goLater(): void {
    if (!this.#busy && this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#goNow(), LATEST_MS);
  }

  #goNow(): void {
    this.#pressed = true;
    if (!this.#busy) void this.#go();
  }

  async #go(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#busy = true;
    while (this.#pressed) {
      if (this.#turn !== undefined) await this.#turn();
      const together = this.#waiting.splice(0, this.#most);
      this.#pressed = this.#waiting.length > 0;
      await this.#askAll(together);
    }
    this.#busy = false;
    this.#goLater();
  }

  async #askAll(together: readonly Asked<Request, Answer>[]): Promise<void> {
    try {
      const answers = await this.#call(together.map(({ request }) => request));
      for (const [i, { resolve }] of together.entries()) resolve(answers[i]!);
    } catch (error) {
      const transient = error instanceof AlamodeError && error.transient; // nobody's in particular
      if (transient || together.length === 1) for (const { reject } of together) reject(error);
      else for (const one of together) await this.#askAll([one]); // one bad request must not fail the others
    }
  }
}

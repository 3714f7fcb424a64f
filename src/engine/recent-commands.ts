// Whether a run's commands are so short lately that what a step takes before its command counts. Knows no clock.

/** So many are looked at, and most of them have to be short. */
const LOOKED_AT = 16;
/** Claiming and staging take half a millisecond. */
const SHORT_MS = 20;

export class RecentCommands {
  #short: boolean[] = [];

  /** Takes note of one that has ended. */
  note(ms: number): void {
    this.#short.push(ms <= SHORT_MS);
    if (this.#short.length > LOOKED_AT) this.#short.shift();
  }

  /** What was noted tells nothing of what comes. */
  forget(): void {
    this.#short = [];
  }

  /** False until enough were noted. */
  get areShort(): boolean {
    return this.#short.length === LOOKED_AT && this.#short.filter((short) => short).length * 2 > LOOKED_AT;
  }
}

// Looks for several byte strings at once, in time that hardly depends on how many there are: after Wu and Manber (1994), a table
// says for each pair of bytes how far the next needle must be, so that most bytes are never looked at.

const PAIRS = 65536;

/** What was looked for and not found. */
const NONE: ReadonlySet<number> = new Set();

export class Needles {
  /** Bytes of the longest; 0 where there are none. */
  readonly longest: number;
  readonly #all: readonly Buffer[];
  readonly #shortest: number;
  #table: { shift: Uint8Array; ending: Map<number, number[]> } | undefined;

  /** Text is its UTF-8. Each has at least two bytes. */
  constructor(needles: readonly (string | Uint8Array)[]) {
    this.#all = needles.map((needle) => Buffer.from(needle as string));
    const lengths = this.#all.map(({ length }) => length);
    this.longest = Math.max(0, ...lengths);
    this.#shortest = Math.min(...lengths);
  }

  /** The bytes of each. */
  get all(): readonly Uint8Array[] {
    return this.#all;
  }

  get count(): number {
    return this.#all.length;
  }

  /** Indices of the needles that are in `bytes`. */
  in(bytes: Buffer): ReadonlySet<number> {
    if (this.#all.length === 0) return NONE;
    if (this.#all.length === 1) return bytes.includes(this.#all[0]!) ? new Set([0]) : NONE;
    let found: Set<number> | undefined;
    this.#each(bytes, (_, needle) => {
      found ??= new Set();
      found.add(needle);
    });
    return found ?? NONE;
  }

  /** The same of text. */
  inText(text: string): ReadonlySet<number> {
    return this.#all.length === 0 ? NONE : this.in(Buffer.from(text));
  }

  /** Where needles are in `bytes`: start and end of each, ordered by start; those that overlap are one. */
  places(bytes: Buffer): [start: number, end: number][] {
    const all: [number, number][] = [];
    if (this.#all.length > 0)
      this.#each(bytes, (at, needle) => all.push([at, at + this.#all[needle]!.length]));
    const merged: [number, number][] = [];
    for (const [start, end] of all.sort(([a], [b]) => a - b)) {
      const last = merged.at(-1);
      if (last !== undefined && start < last[1]) last[1] = Math.max(last[1], end);
      else merged.push([start, end]);
    }
    return merged;
  }

  /** How many of the last bytes may be the beginning of a needle that goes on in what follows. */
  begunAtEnd(bytes: Buffer): number {
    let most = 0;
    for (const needle of this.#all) {
      for (let length = Math.min(needle.length - 1, bytes.length); length > most; length--) {
        if (bytes.compare(needle, 0, length, bytes.length - length) === 0) most = length;
      }
    }
    return most;
  }

  #each(bytes: Buffer, found: (at: number, needle: number) => void): void {
    this.#table ??= this.#tables();
    const { shift, ending } = this.#table;
    const back = this.#shortest - 2;
    const last = bytes.length - 2;
    for (let at = back; at <= last; ) {
      const pair = (bytes[at]! << 8) | bytes[at + 1]!;
      const far = shift[pair]!;
      if (far > 0) {
        at += far;
        continue;
      }
      const start = at - back;
      for (const needle of ending.get(pair)!) {
        const wanted = this.#all[needle]!;
        if (
          start + wanted.length <= bytes.length &&
          bytes.compare(wanted, 0, wanted.length, start, start + wanted.length) === 0
        )
          found(start, needle);
      }
      at++;
    }
  }

  /** `shift`: how far a pair of bytes is from ending the first `shortest` bytes of any; `ending`: of which it is the end. */
  #tables(): { shift: Uint8Array; ending: Map<number, number[]> } {
    const shift = new Uint8Array(PAIRS).fill(Math.min(255, this.#shortest - 1));
    const ending = new Map<number, number[]>();
    for (const [needle, bytes] of this.#all.entries()) {
      for (let at = 0; at + 1 < this.#shortest; at++) {
        const pair = (bytes[at]! << 8) | bytes[at + 1]!;
        const far = Math.min(255, this.#shortest - 2 - at);
        shift[pair] = Math.min(shift[pair]!, far);
        if (far === 0) ending.set(pair, [...(ending.get(pair) ?? []), needle]);
      }
    }
    return { shift, ending };
  }
}

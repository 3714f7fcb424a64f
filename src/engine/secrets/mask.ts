// Bytes that pass through with every secret in them replaced by ***, however they are cut into pieces.
import type { Needles } from "../../store/needles.ts";

const STARS = Buffer.from("***");

export class Mask {
  readonly #needles: Needles;
  /** What may go on as a needle in the next piece. */
  #held: Buffer = Buffer.alloc(0);
  /** How many bytes of it belong to what was masked already. */
  #covered = 0;

  constructor(needles: Needles) {
    this.#needles = needles;
  }

  /** What can be let go of so far: all but an end that may be the beginning of a secret. */
  push(piece: Buffer): Buffer {
    const all = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    return this.#release(all, all.length - this.#needles.begunAtEnd(all));
  }

  /** The rest. */
  end(): Buffer {
    return this.#release(this.#held, this.#held.length);
  }

  /** Masks `all` up to `end`, and holds what follows. */
  #release(all: Buffer, end: number): Buffer {
    const parts: Buffer[] = [];
    let at = Math.min(this.#covered, end);
    let covered = Math.max(0, this.#covered - end);
    for (const [start, stop] of this.#needles.places(all)) {
      if (start >= end) break;
      if (start >= at) parts.push(all.subarray(at, start), STARS);
      at = Math.max(at, Math.min(stop, end));
      covered = Math.max(covered, stop - end);
    }
    parts.push(all.subarray(at, end));
    // A copy: the piece may be a buffer that is filled again.
    this.#held = Buffer.from(all.subarray(end));
    this.#covered = covered;
    return Buffer.concat(parts);
  }
}

/** Text with every secret in it replaced by ***. */
export function maskText(needles: Needles, text: string): string {
  if (needles.inText(text).size === 0) return text;
  const mask = new Mask(needles);
  return Buffer.concat([mask.push(Buffer.from(text)), mask.end()]).toString();
}

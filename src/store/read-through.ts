// Reads a file to its end, piece by piece: for the thread that steps work in, and for those that do nothing but this.
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { Needles } from "./needles.ts";

/** `readSync` with pieces of this size comes to nine tenths of the rate in memory; an asynchronous read waits for another thread. */
const PIECE_BYTES = 1024 * 1024;

const NONE = Buffer.alloc(0);
/** What was used last, while nobody uses it: new memory is touched for the first time page by page. */
let spare = NONE;

/** What reading a file to its end gave. */
export interface FileContent {
  readonly sha256: string;
  readonly size: number;
  /** Which of the needles are in it, by their index; none where none were given. */
  readonly found: ReadonlySet<number>;
}

/** Yields after each piece, for whoever has something else to do meanwhile. System errors come through. */
export function* readThrough(path: string, needles: Needles): Generator<void, FileContent> {
  const hash = createHash("sha256");
  // What was read last stays in front of the next piece, so that a needle across the border is seen.
  const kept = Math.max(0, needles.longest - 1);
  const buffer = spare.length >= kept + PIECE_BYTES ? spare : Buffer.allocUnsafeSlow(kept + PIECE_BYTES);
  spare = NONE;
  let before = 0;
  let size = 0;
  let found: ReadonlySet<number> = new Set();
  const fd = openSync(path, "r");
  try {
    for (;;) {
      const read = readSync(fd, buffer, before, PIECE_BYTES, null);
      if (read === 0) return { sha256: hash.digest("hex"), size, found };
      size += read;
      hash.update(buffer.subarray(before, before + read));
      if (found.size < needles.count) {
        const end = before + read;
        const more = needles.in(buffer.subarray(0, end));
        if (more.size > 0) found = found.union(more);
        before = Math.min(kept, end);
        buffer.copy(buffer, 0, end - before, end);
      }
      yield;
    }
  } finally {
    closeSync(fd);
    spare = buffer;
  }
}

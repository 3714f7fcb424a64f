// Turns short ASCII bytes into text, and gives the text of before where the same bytes come again: keys and values of a
// plan repeat a million times, and one string each would be most of its memory.

import type { MemoryBudget } from "./memory-budget.ts";

const LONGEST = 40;
const SLOTS = 4096;

/** One for the process: a cache for each file would cost more than most files. */
const texts: (string | undefined)[] = new Array(SLOTS).fill(undefined);

/** The text of these bytes; undefined where they are more than 40 or not all ASCII. New text is taken from `memory`. */
export function shortText(
  bytes: Buffer,
  start: number,
  length: number,
  memory: MemoryBudget,
): string | undefined {
  if (length > LONGEST) return undefined;
  let mixed = length;
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + i]!;
    if (byte > 0x7f) return undefined;
    mixed = (Math.imul(mixed, 31) + byte) | 0;
  }
  const slot = (mixed ^ (mixed >>> 12)) & (SLOTS - 1);
  const before = texts[slot];
  if (before !== undefined && equal(before, bytes, start, length)) return before;
  memory.string(length, start);
  const text = bytes.toString("latin1", start, start + length);
  texts[slot] = text;
  return text;
}

function equal(text: string, bytes: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

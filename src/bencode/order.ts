// The order of keys: by their UTF-8 bytes, which beyond U+FFFF is not the order of JavaScript's UTF-16 units.

/** Of more than these it is found out by sorting. */
const FEW = 64;

/**
 * Orders two well-formed texts by their UTF-8 bytes, which is the order of their code points: negative, 0 or positive.
 * UTF-16 differs only where a surrogate (a code point beyond U+FFFF) meets U+E000…U+FFFF.
 */
export function compareUtf8(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? rank(x) - rank(y) : x - y;
  }
  return a.length - b.length;
}

/** Sorts in place by UTF-8 bytes. JavaScript's own sort is much faster, and right where no unit is a surrogate or above. */
export function sortUtf8(keys: string[]): string[] {
  if (keys.length < 2) return keys;
  if (keys.length <= FEW && areSorted(keys)) return keys; // as most specs are written: sorting them took six times as long
  return keys.every(belowSurrogates) ? keys.sort() : keys.sort(compareUtf8);
}

function areSorted(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if (compareUtf8(keys[i - 1]!, keys[i]!) >= 0) return false;
  return true;
}

function belowSurrogates(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0xd800) return false;
  return true;
}

/** Surrogates stand for code points above all others. */
function rank(unit: number): number {
  return unit < 0xe000 ? unit + 0x10000 : unit;
}

// Canonical bencode to values in normal form (see types.ts).
import { BencodeReader } from "./reader.ts";
import type { Bnormal } from "./types.ts";

/**
 * The value that `encode` makes exactly these bytes of. Bytes that are UTF-8 come as text, others as a `Uint8Array` of
 * their own. Throws `not-bencode` with the byte offset for anything else: leading zeros, `-0`, unsorted or repeated keys,
 * trailing bytes, more than 500 lists and maps within each other, and what would not fit into memory.
 */
export function decode(bytes: Uint8Array): Bnormal {
  const reader = new BencodeReader(bytes);
  const value = reader.value();
  reader.end();
  return value;
}

// A cursor over canonical bencode. Strict: whatever `encode` would not have written is refused, with its offset.
import { isUtf8 } from "node:buffer";
import { emptyMap } from "./empty-map.ts";
import { MAX_DEPTH, MAX_DIGITS, MAX_TEXT_BYTES } from "./limits.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { notBencode } from "./not-bencode.ts";
import { shortText } from "./text-cache.ts";
import type { Bnormal } from "./types.ts";

const COLON = 0x3a;
const D = 0x64;
const E = 0x65;
const I = 0x69;
const L = 0x6c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/** Every method throws `not-bencode`, with the byte offset, where the bytes are not what it reads. */
export class BencodeReader {
  readonly #bytes: Buffer;
  readonly #memory: MemoryBudget;
  #offset = 0;
  /** Depth of the value to be read next. */
  #depth = 0;
  /** Where the bytes of the string that `#string` read last begin and end. */
  #start = 0;
  #end = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#memory = new MemoryBudget(bytes.length);
  }

  /** How many bytes have been read. */
  get offset(): number {
    return this.#offset;
  }

  /** Refuses bytes after the value. */
  end(): void {
    if (this.#offset < this.#bytes.length) this.#fail("more bytes follow the value");
  }

  value(): Bnormal {
    const first = this.#peek();
    if (first === I) return this.#integer();
    if (first === L) return this.#list();
    if (first === D) {
      const map = emptyMap<Bnormal>();
      this.entries((key) => {
        map[key] = this.value();
      });
      return map;
    }
    this.#string();
    return this.#text() ?? this.#copy();
  }

  /** Reads a string that has to be UTF-8. */
  text(): string {
    this.#string();
    return this.#text() ?? this.#fail("text is not UTF-8", this.#start);
  }

  /**
   * The next value, if it is a string of exactly so many bytes (10 to 99), as Latin-1 text, without stepping over it: for what is known to be ASCII
   * where it is what is looked for. Then `skip` with the same length.
   */
  ahead(length: number): string | undefined {
    const bytes = this.#bytes;
    const at = this.#offset;
    const end = at + 3 + length;
    const isIt =
      end <= bytes.length &&
      bytes[at] === ZERO + Math.floor(length / 10) &&
      bytes[at + 1] === ZERO + (length % 10) &&
      bytes[at + 2] === COLON;
    return isIt ? bytes.toString("latin1", at + 3, end) : undefined;
  }

  /** Steps over what `ahead` gave. */
  skip(length: number): void {
    this.#memory.string(length, this.#offset);
    this.#offset += 3 + length;
  }

  /** Whether the next value is a map. */
  atMap(): boolean {
    return this.#peek() === D;
  }

  /** Whether the next value is a string. */
  atString(): boolean {
    const first = this.#peek();
    return first >= ZERO && first <= NINE;
  }

  /** Reads a map: calls `entry` after each key, with the key and its offset; it has to read the value. */
  entries(entry: (key: string, keyOffset: number) => void): void {
    this.#open(D, "a map");
    let before = -1;
    let beforeEnd = -1;
    while (this.#peek() !== E) {
      const keyOffset = this.#offset;
      if (!this.atString()) this.#fail("a key must be text");
      this.#string();
      const start = this.#start;
      const end = this.#end;
      const key = this.#text() ?? this.#fail("a key is not UTF-8", keyOffset);
      if (before !== -1) this.#checkOrder(before, beforeEnd, start, end, keyOffset);
      before = start;
      beforeEnd = end;
      this.#memory.mapEntry(keyOffset);
      entry(key, keyOffset);
    }
    this.#close();
  }

  #list(): Bnormal[] {
    this.#open(L, "a list");
    const list: Bnormal[] = [];
    while (this.#peek() !== E) {
      this.#memory.listItem(this.#offset);
      list.push(this.value());
    }
    this.#close();
    return list;
  }

  #open(mark: number, what: string): void {
    if (this.#peek() !== mark) this.#fail(`${what} is missing`);
    if (this.#depth === MAX_DEPTH) this.#fail(`more than ${MAX_DEPTH} lists and maps lie within each other`);
    this.#memory.container(this.#offset);
    this.#depth++;
    this.#offset++;
  }

  #close(): void {
    this.#depth--;
    this.#offset++;
  }

  #integer(): number | bigint {
    const start = this.#offset + 1;
    const negative = this.#bytes[start] === MINUS;
    const digits = negative ? start + 1 : start;
    let at = digits;
    let value = 0;
    for (; at < this.#bytes.length; at++) {
      const byte = this.#bytes[at]!;
      if (byte < ZERO || byte > NINE) break;
      value = value * 10 + (byte - ZERO);
    }
    if (at === digits) this.#fail("an integer has no digits");
    if (this.#bytes[digits] === ZERO && (negative || at - digits > 1)) {
      this.#fail(
        negative && at - digits === 1 ? "-0 is not an integer's normal form" : "an integer begins with 0",
      );
    }
    if (at - digits > MAX_DIGITS) this.#fail(`an integer has more than ${MAX_DIGITS} digits`);
    if (this.#bytes[at] !== E)
      this.#fail(
        at < this.#bytes.length ? "an integer holds more than digits" : "the bytes end within an integer",
        at,
      );
    this.#offset = at + 1;
    if (value <= Number.MAX_SAFE_INTEGER) return negative ? -value : value;
    this.#memory.string(at - digits, start);
    return BigInt(this.#bytes.toString("latin1", start, at));
  }

  /** Reads a string's length and steps over its bytes, which are then those from `#start` to `#end`. */
  #string(): void {
    const start = this.#offset;
    let at = start;
    let length = 0;
    for (; at < this.#bytes.length; at++) {
      const byte = this.#bytes[at]!;
      if (byte < ZERO || byte > NINE) break;
      length = length * 10 + (byte - ZERO);
      if (length > this.#bytes.length) break;
    }
    if (at === start)
      this.#fail(at < this.#bytes.length ? "no value begins like this" : "the bytes end too early");
    if (this.#bytes[start] === ZERO && at - start > 1) this.#fail("a length begins with 0");
    if (length > this.#bytes.length - at - 1) this.#fail("a text is longer than what is left");
    if (this.#bytes[at] !== COLON) this.#fail("a length is not followed by a colon", at);
    if (length > MAX_TEXT_BYTES) this.#fail(`a text is larger than ${MAX_TEXT_BYTES} bytes`);
    this.#start = at + 1;
    this.#end = this.#start + length;
    this.#offset = this.#end;
  }

  /** The string just read as text; undefined where it is not UTF-8. */
  #text(): string | undefined {
    const length = this.#end - this.#start;
    const short = shortText(this.#bytes, this.#start, length, this.#memory);
    if (short !== undefined) return short;
    this.#memory.string(length, this.#start);
    const text = this.#bytes.toString("utf8", this.#start, this.#end);
    // Decoding puts U+FFFD for what is not UTF-8, so only text that has one need be looked at: twice as fast.
    const isText = !text.includes("\ufffd") || isUtf8(this.#bytes.subarray(this.#start, this.#end));
    return isText ? text : undefined;
  }

  /** The string just read as bytes of its own, so that the file they came from is not held. */
  #copy(): Uint8Array {
    this.#memory.byteArray(this.#end - this.#start, this.#start);
    return new Uint8Array(this.#bytes.subarray(this.#start, this.#end));
  }

  #checkOrder(a: number, aEnd: number, b: number, bEnd: number, keyOffset: number): void {
    const bytes = this.#bytes;
    while (a < aEnd && b < bEnd && bytes[a] === bytes[b]) {
      a++;
      b++;
    }
    if (b === bEnd || (a < aEnd && bytes[a]! > bytes[b]!)) {
      this.#fail(
        a === aEnd && b === bEnd ? "a key is repeated" : "keys are not sorted by their UTF-8 bytes",
        keyOffset,
      );
    }
  }

  #peek(): number {
    if (this.#offset >= this.#bytes.length) this.#fail("the bytes end too early");
    return this.#bytes[this.#offset]!;
  }

  /** Throws `not-bencode` at `offset`, by default where the reader is. */
  #fail(what: string, offset = this.#offset): never {
    throw notBencode(what, offset);
  }
}

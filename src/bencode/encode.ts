// Values to canonical bencode (BEP 3, https://www.bittorrent.org/beps/bep_0003.html).
import { hash } from "node:crypto";
import { AlamodeError } from "../errors.ts";
import { ByteWriter } from "./byte-writer.ts";
import { MAX_DEPTH, MAX_DIGITS, MAX_TEXT_BYTES } from "./limits.ts";
import { sortUtf8 } from "./order.ts";
import { LONE_SURROGATE, type Refusal, refusalOf } from "./refusal.ts";
import type { Bvalue } from "./types.ts";
import { pathText } from "./value-path.ts";

export interface EncodeOptions {
  /** Where the value lies, for messages: `task "fit", spec` gives `task "fit", spec.args[2]: 0.05 is…`. */
  readonly at?: string;
  /** How many lists and maps are around it, where it is to become part of a larger value. */
  readonly depth?: number;
}

const COLON = 0x3a;
const D = 0x64;
const E = 0x65;
const I = 0x69;
const L = 0x6c;

/**
 * Canonical bencode of `value`. Its digest is every output's ID: one changed byte renames them all.
 * Keys sort by UTF-8 bytes; JavaScript's default sort uses UTF-16 units and differs beyond U+FFFF.
 * Throws `not-encodable` with the path of the value, e.g. `spec.args[2]`, for floats, unsafe integers, null, undefined,
 * objects of a class, lone surrogates, cycles and more than 500 lists and maps within each other.
 */
export function encode(value: Bvalue, options?: EncodeOptions): Uint8Array {
  return withWriter((writer) => {
    encodeInto(writer, value, options);
    return writer.bytes();
  });
}

/** sha256 of `encode(value)`, 64 hex digits. */
export function digestOf(value: Bvalue): string {
  return withWriter((writer) => {
    encodeInto(writer, value);
    const [first = NOTHING, ...more] = writer.chunks();
    return more.length === 0 ? hash("sha256", first) : hash("sha256", writer.bytes());
  });
}

const NOTHING = new Uint8Array();
const SPARE_BYTES = 16 * 1024;
/** The writer that was used last, while nobody uses it: the memory of a new one takes longer to get than a small value to encode. */
let spare: ByteWriter | undefined;

function withWriter<Result>(use: (writer: ByteWriter) => Result): Result {
  const writer = spare ?? new ByteWriter(SPARE_BYTES);
  spare = undefined;
  const result = use(writer);
  // After an error it goes, and so does one that grew.
  if (writer.sizeBytes <= SPARE_BYTES) {
    writer.reset();
    spare = writer;
  }
  return result;
}

/** The same bytes, appended to `writer`. After an error it holds the bytes up to it. */
export function encodeInto(writer: ByteWriter, value: Bvalue, options: EncodeOptions = {}): void {
  new Encoder(writer, options.at ?? "", options.depth ?? 0).value(value);
}

/** Appends well-formed text, length first. */
export function encodeText(writer: ByteWriter, text: string): void {
  if (!writer.asciiText(text)) encodeOther(writer, text, Buffer.byteLength(text, "utf8"));
}

function encodeOther(writer: ByteWriter, text: string, sizeBytes: number): void {
  writer.ascii(String(sizeBytes));
  writer.byte(COLON);
  writer.utf8(text, sizeBytes);
}

/** Whether `value` is a map as an author writes it: an object of no class. (Another realm's plain objects are, too.) */
export function isPlainObject(value: unknown): value is { readonly [key: string]: unknown } {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

class Encoder {
  readonly #writer: ByteWriter;
  readonly #at: string;
  readonly #startDepth: number;
  /** The lists and maps we are in, and at which step of each; only for messages. */
  readonly #containers: object[] = [];
  readonly #steps: (string | number)[] = [];

  constructor(writer: ByteWriter, at: string, startDepth: number) {
    this.#writer = writer;
    this.#at = at;
    this.#startDepth = startDepth;
  }

  value(value: unknown): void {
    if (typeof value === "string") this.#text(value);
    else if (typeof value === "number" && Number.isSafeInteger(value))
      this.#integer(String(value)); // String(-0) is "0"
    else if (typeof value === "boolean") this.#integer(value ? "1" : "0");
    else if (typeof value === "bigint") this.#integer(this.#digits(value));
    else if (Array.isArray(value)) this.#list(value);
    else if (value instanceof Uint8Array) this.#bytes(value);
    else if (value instanceof Map) this.#map(value, this.#textKeys(value), (key) => value.get(key));
    else if (isPlainObject(value)) this.#map(value, Object.keys(value), (key) => value[key]);
    else this.#refuse(refusalOf(value));
  }

  #text(text: string): void {
    if (this.#writer.asciiText(text)) return;
    if (!text.isWellFormed()) this.#refuse(LONE_SURROGATE);
    const sizeBytes = Buffer.byteLength(text, "utf8");
    if (sizeBytes > MAX_TEXT_BYTES) this.#refuseSize();
    encodeOther(this.#writer, text, sizeBytes);
  }

  #bytes(bytes: Uint8Array): void {
    if (bytes.length > MAX_TEXT_BYTES) this.#refuseSize();
    this.#writer.ascii(String(bytes.length));
    this.#writer.byte(COLON);
    this.#writer.raw(bytes);
  }

  #integer(digits: string): void {
    this.#writer.byte(I);
    this.#writer.ascii(digits);
    this.#writer.byte(E);
  }

  #digits(value: bigint): string {
    // Hexadecimal takes linear time, so a monster is found out before it is turned into decimal.
    const small = value > -(2n ** 64n) && value < 2n ** 64n;
    const digits = small || value.toString(16).length < MAX_DIGITS ? value.toString() : "";
    if (digits === "" || digits.length - (value < 0n ? 1 : 0) > MAX_DIGITS) {
      this.#refuse({
        what: "this integer has more than 1,000,000 digits.",
        hint: "Pass it as bytes, or in a file.",
      });
    }
    return digits;
  }

  #list(list: readonly unknown[]): void {
    const depth = this.#enter(list);
    this.#writer.byte(L);
    for (let i = 0; i < list.length; i++) {
      this.#steps[depth] = i;
      this.value(list[i]);
    }
    this.#writer.byte(E);
    this.#leave();
  }

  #map(map: object, keys: string[], get: (key: string) => unknown): void {
    const depth = this.#enter(map);
    this.#writer.byte(D);
    for (const key of sortUtf8(keys)) {
      this.#steps[depth] = key;
      this.#text(key);
      this.value(get(key));
    }
    this.#writer.byte(E);
    this.#leave();
  }

  #textKeys(map: ReadonlyMap<unknown, unknown>): string[] {
    const keys: string[] = [];
    for (const key of map.keys()) {
      if (typeof key === "string") keys.push(key);
      else
        this.#refuse({
          what: `a Map has the key ${String(key)}; keys are text.`,
          hint: "Write the key as text.",
        });
    }
    return keys;
  }

  #enter(container: object): number {
    const depth = this.#containers.length;
    if (this.#startDepth + depth >= MAX_DEPTH) this.#refuseDepth(container);
    this.#containers.push(container);
    this.#steps.push(0);
    return depth;
  }

  #leave(): void {
    this.#containers.pop();
    this.#steps.pop();
  }

  #refuseDepth(container: object): never {
    // Whoever goes round in a circle gets this deep, so this is the one place that has to look for one.
    const repeat = this.#containers.lastIndexOf(container);
    if (repeat === -1) {
      this.#refuse({
        what: `more than ${MAX_DEPTH} lists and maps lie within each other.`,
        hint: "Flatten it, or put it into a file.",
      });
    }
    const period = this.#containers.length - repeat;
    const first = this.#containers.findIndex((outer, depth) => outer === this.#containers[depth + period]);
    this.#steps.length = first + period;
    const whole = pathText(this.#steps.slice(0, first), this.#at);
    this.#refuse({
      what: `this is ${whole === "" ? "the value" : whole} again: a cycle.`,
      hint: "Write what is meant without the cycle.",
    });
  }

  #refuseSize(): never {
    this.#refuse({ what: "this is larger than 512 MiB.", hint: "Put it into a file." });
  }

  #refuse({ what, hint }: Refusal): never {
    const path = pathText(this.#steps, this.#at);
    throw new AlamodeError("not-encodable", path === "" ? what : `${path}: ${what}`, { hint });
  }
}

// JSON that goes into IDs. JavaScript's own JSON.parse is not good enough for that: it rounds large integers, drops
// repeated keys, and in Node 24 and 26 gives wrong keys where one is escaped (https://github.com/nodejs/node/issues/63785).
import { MAX_DEPTH } from "../bencode/limits.ts";
import { AlamodeError } from "../errors.ts";

/** What JSON text says; integers that a number does not hold exactly are bigints. Maps have no prototype. */
export type ParsedJson =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly ParsedJson[]
  | { readonly [key: string]: ParsedJson };

const SPACE = /[\t\n\r ]*/y;
const TEXT = /"(?:[^"\\]|\\[\s\S])*"/y;
const WORD = /true|false|null|-?[0-9][0-9+\-.eE]*/y;

/** Throws `not-json` with the offset in UTF-16 units, also for repeated keys and more than 500 levels. */
export function parseJson(text: string): ParsedJson {
  const reader = new JsonReader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

class JsonReader {
  readonly #text: string;
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): ParsedJson {
    if (depth > MAX_DEPTH) this.#fail(`more than ${MAX_DEPTH} lists and maps lie within each other`);
    if (this.#take("[")) return this.#list(depth);
    if (this.#take("{")) return this.#map(depth);
    if (this.#text[this.#offset] === '"') return this.#string();
    const word = this.#match(WORD) ?? this.#fail("no value begins like this");
    const value = this.#parse(word) as number | boolean | null;
    return typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(word)
      ? BigInt(word)
      : value;
  }

  end(): void {
    this.#match(SPACE);
    if (this.#offset < this.#text.length) this.#fail("more text follows the value");
  }

  #list(depth: number): ParsedJson[] {
    const list: ParsedJson[] = [];
    if (this.#take("]")) return list;
    do list.push(this.value(depth + 1));
    while (this.#take(","));
    if (!this.#take("]")) this.#fail("a list does not end");
    return list;
  }

  #map(depth: number): ParsedJson {
    const map: Record<string, ParsedJson> = Object.create(null);
    if (this.#take("}")) return map;
    do {
      this.#match(SPACE);
      const key = this.#string();
      if (key in map) this.#fail(`the key ${JSON.stringify(key)} is repeated`);
      if (!this.#take(":")) this.#fail("a key is not followed by a colon");
      map[key] = this.value(depth + 1);
    } while (this.#take(","));
    if (!this.#take("}")) this.#fail("a map does not end");
    return map;
  }

  #string(): string {
    // A text by itself is parsed rightly; only keys within a map are not.
    return this.#parse(this.#match(TEXT) ?? this.#fail("text in double quotes is missing")) as string;
  }

  #parse(literal: string): unknown {
    try {
      return JSON.parse(literal);
    } catch {
      this.#offset -= literal.length;
      return this.#fail("this is not JSON");
    }
  }

  #take(mark: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#offset] !== mark) return false;
    this.#offset++;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.#text)?.[0];
    this.#offset += found?.length ?? 0;
    return found;
  }

  #fail(what: string): never {
    throw new AlamodeError("not-json", `not JSON at character ${this.#offset}: ${what}.`, {
      facts: { offset: this.#offset },
    });
  }
}

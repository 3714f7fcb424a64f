// A growing run of bytes. Kept in chunks, so that a huge value is never copied while it grows and never one string.

const LARGEST_CHUNK = 16 * 1024 * 1024;
const COLON = 0x3a;
const ZERO = 0x30;
/** Up to so many units a loop is faster than a call out of JavaScript. */
const LONGEST_LOOPED = 32;
/** What `asciiText` tries, and how many digits that has. */
const LONGEST_TRIED = 9999;
const LENGTH_DIGITS = 4;

/** Appends bytes. What was written is taken out whole (`bytes`) or as the chunks it lies in (`chunks`). */
export class ByteWriter {
  readonly #full: Buffer[] = [];
  #chunk: Buffer;
  #used = 0;

  constructor(firstChunkBytes = 1024) {
    this.#chunk = Buffer.allocUnsafeSlow(firstChunkBytes);
  }

  /** How many bytes were written. */
  get sizeBytes(): number {
    let size = this.#used;
    for (const chunk of this.#full) size += chunk.length;
    return size;
  }

  /** Forgets what was written and keeps the newest chunk for what comes. */
  reset(): void {
    this.#full.length = 0;
    this.#used = 0;
  }

  byte(value: number): void {
    if (this.#used === this.#chunk.length) this.#grow(1);
    this.#chunk[this.#used++] = value;
  }

  /** Appends text that is known to be ASCII. */
  ascii(text: string): void {
    const { length } = text;
    if (this.#chunk.length - this.#used < length) this.#grow(length);
    if (length > 40) {
      this.#chunk.write(text, this.#used, length, "latin1");
    } else {
      for (let i = 0; i < length; i++) this.#chunk[this.#used + i] = text.charCodeAt(i);
    }
    this.#used += length;
  }

  /** Appends text, length first, if it is ASCII: found out while it is written, for looking first took a fifth of all encoding. */
  asciiText(text: string): boolean {
    const { length } = text;
    if (length > LONGEST_TRIED) return false;
    const room = LENGTH_DIGITS + 1 + (length > LONGEST_LOOPED ? length * 3 : length);
    if (this.#chunk.length - this.#used < room) this.#grow(room);
    const chunk = this.#chunk;
    let at = this.#used;
    if (length >= 1000) chunk[at++] = ZERO + Math.trunc(length / 1000);
    if (length >= 100) chunk[at++] = ZERO + (Math.trunc(length / 100) % 10);
    if (length >= 10) chunk[at++] = ZERO + (Math.trunc(length / 10) % 10);
    chunk[at++] = ZERO + (length % 10);
    chunk[at++] = COLON;
    if (length > LONGEST_LOOPED) {
      // Whatever is not ASCII takes two bytes and more for each unit.
      if (chunk.write(text, at, length * 3, "utf8") !== length) return false;
    } else {
      for (let i = 0; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit > 0x7f) return false;
        chunk[at + i] = unit;
      }
    }
    this.#used = at + length;
    return true;
  }

  /** Appends well-formed text of `sizeBytes` bytes in UTF-8. */
  utf8(text: string, sizeBytes: number): void {
    if (this.#chunk.length - this.#used < sizeBytes) this.#grow(sizeBytes);
    this.#used += this.#chunk.write(text, this.#used, sizeBytes, "utf8");
  }

  raw(bytes: Uint8Array): void {
    if (this.#chunk.length - this.#used < bytes.length) this.#grow(bytes.length);
    this.#chunk.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Everything written, in one piece that is the caller's own. */
  bytes(): Uint8Array {
    const whole = new Uint8Array(this.sizeBytes);
    let at = 0;
    for (const chunk of this.chunks()) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  /** Everything written, in order. Views: they are valid until the next `reset`. */
  chunks(): Uint8Array[] {
    return this.#used === 0 ? [...this.#full] : [...this.#full, this.#chunk.subarray(0, this.#used)];
  }

  #grow(needed: number): void {
    if (this.#used > 0) this.#full.push(this.#chunk.subarray(0, this.#used));
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.#chunk.length * 2, LARGEST_CHUNK)));
    this.#used = 0;
  }
}

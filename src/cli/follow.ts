// Reads the growing logs of tasks as whole lines, also past the size at which the engine cuts them. Used by `run --logs`
// and `log --follow`.
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { stripVTControlCharacters } from "node:util";

const CHUNK = 64 * 1024;
/** So much is read at a time while a log grows: the rest waits for the next call. */
const MOST_BYTES = 4 * 2 ** 20;
/** By so many of the last bytes read a reader finds its place again in a log that was cut. */
const SEEN_BYTES = 1024;
const GAP = "[… left out: it was printed faster than it could be followed …]";
/** Where the engine left out the middle of a log that it put together from its two ends. */
const LEFT_OUT = "\n[… ";
const LEFT_OUT_END = " bytes left out …]\n";

/** One log that grows. It need not exist yet. */
export class LogReader {
  readonly #path: string;
  #offset = 0;
  #inode: number | undefined;
  #decoder = new StringDecoder("utf8");
  #partial = "";
  /** The last bytes read, at most SEEN_BYTES. */
  #seen: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The lines that were finished since the last call; with `last` all that is left, also a line without an end. Of a log that
   * was cut meanwhile its end is always among them: a line says where something was missed, and rather than that something
   * is missed unsaid, lines come twice. Reading is synchronous, so that lines come before what is told of the task afterwards.
   */
  read(last = false): string[] {
    let file: number;
    try {
      file = openSync(this.#path, "r");
    } catch {
      return this.#lines("", last); // not there yet, or nothing was ever printed
    }
    let text = "";
    try {
      const { size, ino } = fstatSync(file);
      this.#inode ??= ino;
      if (this.#seen.length === 0) text += this.#begunLate();
      if (ino !== this.#inode) {
        this.#inode = ino;
        this.#offset = size;
        const whole = Buffer.alloc(size);
        const log = whole.subarray(0, readSync(file, whole, 0, size, 0));
        return this.#lines(this.#seen.length === 0 ? this.#take(log) : this.#missed(tailOf(log)), last);
      }
      if (!this.#isWhereItWas(file, size)) {
        this.#offset = 0;
        text += this.#missed(contentOf(`${this.#path}.tail`));
      }
      const end = last ? size : Math.min(size, this.#offset + MOST_BYTES);
      const chunk = Buffer.allocUnsafe(CHUNK);
      while (this.#offset < end) {
        const read = readSync(file, chunk, 0, Math.min(CHUNK, end - this.#offset), this.#offset);
        if (read === 0) break;
        this.#offset += read;
        text += this.#take(chunk.subarray(0, read));
      }
    } finally {
      closeSync(file);
    }
    return this.#lines(text, last);
  }

  /** Whether what lies before the place in the log is what was read there: it may have been emptied and have grown again. */
  #isWhereItWas(file: number, size: number): boolean {
    if (size < this.#offset) return false;
    const count = Math.min(this.#offset, this.#seen.length);
    const found = Buffer.alloc(count);
    readSync(file, found, 0, count, this.#offset - count);
    return found.equals(this.#seen.subarray(this.#seen.length - count));
  }

  /** Of a log that was cut before anything was read of it, what was put aside. */
  #begunLate(): string {
    const head = contentOf(`${this.#path}.head`);
    return head.length === 0 ? "" : `${this.#take(head)}\n${this.#missed(contentOf(`${this.#path}.tail`))}`;
  }

  /** What comes in `tail` after what was read last; where that is not in it, a line that says so, and all of it. */
  #missed(tail: Buffer): string {
    const at = tail.indexOf(this.#seen);
    if (at >= 0) return this.#take(tail.subarray(at + this.#seen.length));
    const gap = `${this.#partial === "" ? "" : "\n"}${GAP}\n`;
    this.#decoder = new StringDecoder("utf8");
    return gap + this.#take(tail);
  }

  #take(bytes: Buffer): string {
    const seen = Buffer.concat([this.#seen, bytes.subarray(-SEEN_BYTES)]);
    this.#seen = Buffer.from(seen.subarray(-SEEN_BYTES));
    return this.#decoder.write(bytes);
  }

  #lines(text: string, last: boolean): string[] {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop() ?? "";
    if (last && this.#partial !== "") {
      lines.push(this.#partial);
      this.#partial = "";
    }
    return lines.map(shown);
  }
}

/** Of a log that was put together from its ends, the second; else all. */
function tailOf(log: Buffer): Buffer {
  const from = log.indexOf(LEFT_OUT);
  const to = from < 0 ? -1 : log.indexOf(LEFT_OUT_END, from);
  return to < 0 ? log : log.subarray(to + Buffer.byteLength(LEFT_OUT_END));
}

/** Empty where there is no such file. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

/** What a terminal would be left with: a progress bar's last state, without colours and cursor movements. */
function shown(line: string): string {
  const bare = stripVTControlCharacters(line).replace(/\r+$/, "");
  return bare.slice(bare.lastIndexOf("\r") + 1);
}

// Reads the growing logs of tasks as whole lines. Used by `run --logs` and `log --follow`.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { stripVTControlCharacters } from "node:util";

const CHUNK = 64 * 1024;

/** One log that grows. It need not exist yet. */
export class LogReader {
  readonly #path: string;
  #offset = 0;
  #inode: number | undefined;
  #decoder = new StringDecoder("utf8");
  #partial = "";

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The lines that were finished since the last call; with `last` also one without an end. A log that reached its size cap
   * begins anew; one that was put together from its two ends (another file then) is not read again. Reading is synchronous,
   * so that lines come before what is told of the task afterwards.
   */
  read(last = false): string[] {
    let text = this.#partial;
    let file: number;
    try {
      file = openSync(this.#path, "r");
    } catch {
      return this.#lines(text, last); // not there yet, or nothing was ever printed
    }
    try {
      const { size, ino } = fstatSync(file);
      this.#inode ??= ino;
      if (ino !== this.#inode) return this.#lines(text, last);
      if (size < this.#offset) this.#offset = 0;
      const chunk = Buffer.allocUnsafe(CHUNK);
      for (;;) {
        const read = readSync(file, chunk, 0, CHUNK, this.#offset);
        if (read === 0) break;
        this.#offset += read;
        text += this.#decoder.write(chunk.subarray(0, read));
      }
    } finally {
      closeSync(file);
    }
    return this.#lines(text, last);
  }

  #lines(text: string, last: boolean): string[] {
    const lines = text.split("\n");
    this.#partial = lines.pop() ?? "";
    if (last && this.#partial !== "") {
      lines.push(this.#partial);
      this.#partial = "";
    }
    return lines.map(shown);
  }
}

/** What a terminal would be left with: a progress bar's last state, without colours and cursor movements. */
function shown(line: string): string {
  const bare = stripVTControlCharacters(line).replace(/\r+$/, "");
  return bare.slice(bare.lastIndexOf("\r") + 1);
}

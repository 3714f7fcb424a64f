// Logs of executions. Commands write straight to the file, so output costs the engine nothing; a log past its cap is cut
// while it grows, keeping both ends, so that a task that prints without end cannot fill the disk.
import {
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";

/** A log larger than this is cut. */
const CAP_BYTES = 16 * 2 ** 20;
/** How many of its last lines a failure shows. */
export const TAIL_LINES = 20;
/** How much of each end is kept. */
const END_BYTES = 2 ** 20;

/** Watches one growing log. Call `trim` now and then while the command runs, and `finish` once when it has ended. */
export class CappedLog {
  readonly path: string;
  #spare: string | undefined;
  #cap: number;
  #dropped = 0;
  #trimmed = false;
  #kept = false;

  /**
   * `spare`: a file on the same file system that is empty, or not there. The log begins as that, and gets its name once there
   * is something in it: most commands print nothing, and a file that is made for each and removed again costs more than
   * any other step of the engine (0.5 ms where the disk is busy).
   */
  constructor(path: string, capBytes = CAP_BYTES, spare?: string) {
    this.path = path;
    this.#spare = spare;
    this.#cap = capBytes;
  }

  /** Where it is to be written to. */
  get file(): string {
    return this.#spare ?? this.path;
  }

  /** A rename: whoever writes to it goes on. */
  #getName(): void {
    if (this.#spare === undefined || sizeOf(this.#spare) === 0) return;
    try {
      renameSync(this.#spare, this.path);
    } catch (error) {
      // The error names the file in the slot; what may not be written is the folder of logs.
      throw Object.assign(error as NodeJS.ErrnoException, { path: this.path });
    }
    this.#spare = undefined;
  }

  /**
   * Cuts the log if it is past its cap: the first time its head is put aside, each time its tail. The command's own
   * descriptor appends, so after the cut it goes on at the new end. Lines written in between are among the dropped.
   */
  trim(): void {
    this.#getName();
    if (this.#spare !== undefined) return;
    const size = sizeOf(this.path);
    if (size <= this.#cap) return;
    const end = Math.min(END_BYTES, this.#cap / 4);
    if (!this.#trimmed) copyFileSync(this.path, this.#side("head"));
    if (!this.#trimmed) truncateSync(this.#side("head"), end);
    writeRange(this.path, size - end, this.#side("tail"));
    truncateSync(this.path, 0);
    this.#dropped += size - (this.#trimmed ? 0 : end);
    this.#trimmed = true;
  }

  /** Puts the ends together. Returns false, and leaves no file of that name, when nothing was printed. */
  finish(): boolean {
    this.trim();
    if (this.#spare !== undefined) return false;
    if (this.#trimmed) {
      const end = Math.min(END_BYTES, this.#cap / 4);
      const tail = Buffer.concat([readTail(this.#side("tail"), end), readTail(this.path, end)]).subarray(
        -end,
      );
      const dropped = this.#dropped + sizeOf(this.path) - tail.length;
      const fd = openSync(this.#side("head"), "a");
      try {
        writeSync(fd, `\n[… ${dropped} bytes left out …]\n`);
        writeSync(fd, tail);
      } finally {
        closeSync(fd);
      }
      renameSync(this.#side("head"), this.path);
      rmSync(this.#side("tail"), { force: true });
      this.#kept = true;
    } else {
      this.#kept = sizeOf(this.path) > 0;
      if (!this.#kept) rmSync(this.path, { force: true });
    }
    return this.#kept;
  }

  /** Whether there is a log to be read, once it is finished. */
  get kept(): boolean {
    return this.#kept;
  }

  #side(name: string): string {
    return `${this.path}.${name}`;
  }
}

/** The last `count` lines of a log, without line ends and terminal control sequences. Empty when there is no file. */
export function lastLines(path: string, count: number): string[] {
  const text = readTail(path, 64 * 1024).toString("utf8");
  const lines = text.replace(/\r*\n$/, "").split(/\r*\n/);
  return text === "" ? [] : lines.slice(-count).map((line) => plain(line.slice(line.lastIndexOf("\r") + 1)));
}

/** Without escape sequences and other control characters but tab: a log must not drive the reader's terminal. */
function plain(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return line.replace(/\u001b\[[0-?]*[ -/]*[@-~]|\u001b[@-_]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function readTail(path: string, bytes: number): Buffer {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return Buffer.alloc(0);
  }
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(bytes, size));
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, size - buffer.length));
  } finally {
    closeSync(fd);
  }
}

function writeRange(from: string, start: number, to: string): void {
  const input = openSync(from, "r");
  const output = openSync(to, "w");
  try {
    const buffer = Buffer.alloc(64 * 1024);
    for (let at = start, got = 1; got > 0; at += got) {
      got = readSync(input, buffer, 0, buffer.length, at);
      writeSync(output, buffer, 0, got);
    }
  } finally {
    closeSync(input);
    closeSync(output);
  }
}

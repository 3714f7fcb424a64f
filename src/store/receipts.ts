// The receipts of one run: a file that only grows, one note for each success, from which a lost record can be built.
// A note is framed as
//   <length in decimal> ":" <that many bytes: the bencoded note> <32 bytes: their sha256>
// without anything between two notes. Each note holds under the key `n` its number in the file, from 0. A file may end
// in a torn note, when its writer was killed: readers stop before it.
import { hash } from "node:crypto";
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { decode } from "../bencode/decode.ts";
import { encode } from "../bencode/encode.ts";
import type { Bmap, BnormalMap } from "../bencode/types.ts";
import { systemError } from "./system-error.ts";

const digestBytes = 32;
/** Digits of the largest length and the colon. */
const headBytes = 17;

/** `writeSync` of node:fs, as far as it is used here: how many bytes it took. */
export type WriteAt = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => number;

/** A note as it lies in a file or an object. */
export function frameReceipt(note: Bmap, n: number): Uint8Array {
  const bytes = encode({ ...note, n });
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, hash("sha256", bytes, "buffer")]);
}

/** Appends notes to one file. One writer at a time: a run's receipts are its own. */
export class ReceiptFile {
  readonly #path: string;
  readonly #write: WriteAt;
  readonly #fd: number;
  /** Where the last whole note ends. */
  #end = 0;
  #notes = 0;

  /** Opens or creates the file, and cuts off a torn note left by an earlier writer. */
  constructor(path: string, write: WriteAt = writeSync) {
    this.#path = path;
    this.#write = write;
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    for (const { end } of wholeNotes(this.#fd)) {
      this.#end = end;
      this.#notes++;
    }
    ftruncateSync(this.#fd, this.#end);
  }

  /** Adds `n` and appends the note whole; when that fails, the file is cut back to the notes before it. */
  append(note: Bmap): void {
    const framed = frameReceipt(note, this.#notes);
    try {
      for (let done = 0; done < framed.length; ) {
        done += this.#write(this.#fd, framed, done, framed.length - done, this.#end + done);
      }
    } catch (error) {
      this.#cutBack();
      throw systemError(error, "writing a receipt", { path: this.#path });
    }
    this.#end += framed.length;
    this.#notes++;
  }

  #cutBack(): void {
    try {
      ftruncateSync(this.#fd, this.#end);
    } catch {
      // The error before this one is told. Readers stop before the torn note, and the next is written over it.
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The whole notes of a receipt file, in order. Stops before the first that is torn or damaged. */
export function* readReceipts(path: string): Generator<BnormalMap> {
  const fd = openSync(path, "r");
  try {
    for (const { bytes } of wholeNotes(fd)) yield decode(bytes) as BnormalMap;
  } finally {
    closeSync(fd);
  }
}

function* wholeNotes(fd: number): Generator<{ readonly bytes: Uint8Array; readonly end: number }> {
  const { size } = fstatSync(fd);
  let at = 0;
  for (;;) {
    const head = readAt(fd, at, Math.min(headBytes, size - at)).toString("latin1");
    const [, digits] = /^(0|[1-9][0-9]*):/.exec(head) ?? [];
    if (digits === undefined) return;
    const start = at + digits.length + 1;
    const end = start + Number(digits) + digestBytes;
    if (end > size) return;
    const framed = readAt(fd, start, end - start);
    const bytes = framed.subarray(0, -digestBytes);
    if (!hash("sha256", bytes, "buffer").equals(framed.subarray(-digestBytes))) return;
    yield { bytes, end };
    at = end;
  }
}

/** Up to `length` bytes from `position`; fewer where the file ends. */
function readAt(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(Math.max(0, length));
  let done = 0;
  while (done < length) {
    const count = readSync(fd, buffer, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}

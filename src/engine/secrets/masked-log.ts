// The log of a step with secrets: the executor is given a FIFO for it, and what comes through is masked here and only then written.
// A FIFO and not one of Node's pipes, which are sockets: programs open /dev/stdout.
import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readSync, rmSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { systemError } from "../../store/system-error.ts";
import type { Mask } from "./mask.ts";

export interface MaskedLog {
  /** What the command is to print to. */
  readonly path: string;
  /** Writes what is left. Whoever holds the FIFO still cannot write any more. */
  finish(): void;
}

/** `log`: the file to append to; `slot`: an absolute folder. Throws system errors as ours. */
export function openMaskedLog(log: string, slot: string, mask: Mask): MaskedLog {
  const path = join(slot, "print");
  rmSync(path, { force: true });
  const made = spawnSync("mkfifo", ["-m", "600", path], { encoding: "utf8" });
  if (made.status !== 0)
    throw systemError(made.error ?? new Error(made.stderr.trim()), `making a FIFO in ${slot}`);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  // Held as long as the reader is, so that it never comes to an end: there may be no writer yet, or none for a moment.
  const writer = openSync(path, constants.O_WRONLY);
  const file = openSync(log, "a", 0o644);
  let full = false;
  const write = (bytes: Buffer) => {
    try {
      for (let at = 0; !full && at < bytes.length; ) at += writeSync(file, bytes, at);
    } catch {
      full = true; // the disk: the output cannot be kept either, and that is told
    }
  };
  const socket = new Socket({ fd: reader, readable: true, writable: false });
  socket.on("data", (bytes: Buffer) => write(mask.push(bytes)));
  socket.on("error", () => {});
  return {
    path,
    finish() {
      socket.removeAllListeners("data");
      socket.pause();
      for (let left = socket.read(); left !== null; left = socket.read()) write(mask.push(left));
      drain(reader, (bytes) => write(mask.push(bytes)));
      write(mask.end());
      socket.destroy();
      closeSync(writer);
      closeSync(file);
      rmSync(path, { force: true });
    },
  };
}

/** How much is read of what goes on being written: it belongs to something that left its step, and is not waited for. */
const MOST_READS = 256;

/** Reads what a FIFO holds, without waiting for more. */
function drain(fd: number, take: (bytes: Buffer) => void): void {
  const buffer = Buffer.allocUnsafe(65536);
  for (let reads = 0; reads < MOST_READS; reads++) {
    let count: number;
    try {
      count = readSync(fd, buffer);
    } catch {
      return; // EAGAIN: it is empty
    }
    take(buffer.subarray(0, count));
  }
}

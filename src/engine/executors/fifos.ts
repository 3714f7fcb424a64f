// FIFOs: pipes with a name. Node.js has no call that makes one, nor one that makes a pipe without a name.
import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { AlamodeError } from "../../errors.ts";
import { systemError } from "../../store/system-error.ts";

/** Makes FIFOs at these absolute paths. Throws `store-unusable` where the file system has none. */
export function makeFifos(paths: readonly string[]): void {
  const made = spawnSync("mkfifo", paths, { encoding: "utf8" });
  if (made.error !== undefined) throw systemError(made.error, `making ${paths[0]} with mkfifo`);
  if (made.status !== 0) {
    throw new AlamodeError("store-unusable", `cannot make the FIFO ${paths[0]}: ${made.stderr.trim()}`, {
      hint: "Put the store on a local file system with --store.",
    });
  }
}

/** The ends of a pipe: descriptors. */
export interface Pipe {
  readonly reader: number;
  readonly writer: number;
}

/** A write takes what there is room for, or none (EAGAIN), and never waits. */
const WAITS_NEVER = constants.O_WRONLY | constants.O_NONBLOCK;

/** Both ends of a FIFO, without waiting for anybody. The writer is the only one there is, with those flags. */
export function openFifo(path: string, flags = WAITS_NEVER): Pipe {
  const both = openSync(path, constants.O_RDWR);
  try {
    const reader = openSync(path, "r");
    try {
      return { reader, writer: openSync(path, flags) };
    } catch (error) {
      closeSync(reader);
      throw error;
    }
  } finally {
    closeSync(both);
  }
}

/** The same as a pipe that nobody else finds: the FIFO goes. */
export function openPipe(path: string, flags = WAITS_NEVER): Pipe {
  try {
    return openFifo(path, flags);
  } finally {
    unlinkSync(path);
  }
}

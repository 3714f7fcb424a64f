// The pipe that all launchers of a run write lines to. They wake the engine once for what several of them say at a time.
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import type { Pipe } from "./fifos.ts";

export class Answers {
  readonly writer: number;
  readonly #socket: Socket;
  #awaited = 0;
  #line = "";

  constructor({ reader, writer }: Pipe, read: (line: string) => void) {
    this.writer = writer;
    const buffer = Buffer.allocUnsafeSlow(4096);
    const callback = (size: number) => {
      const lines = (this.#line + buffer.toString("latin1", 0, size)).split("\n");
      this.#line = lines.pop()!;
      for (const line of lines) read(line);
      return true;
    };
    // One buffer for all that comes: a stream makes one of 64 KiB for each answer, which takes 20 µs.
    this.#socket = new Socket({
      fd: reader,
      readable: true,
      writable: false,
      onread: { buffer, callback },
    });
    this.#socket.resume();
    this.#socket.unref();
  }

  /** Who waits for no answer is not kept from exiting. */
  awaited(more: 1 | -1): void {
    const before = this.#awaited;
    this.#awaited += more;
    if (before === 0) this.#socket.ref();
    else if (this.#awaited === 0) this.#socket.unref();
  }

  close(): void {
    this.#socket.destroy();
    closeSync(this.writer);
  }
}

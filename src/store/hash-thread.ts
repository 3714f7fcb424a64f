// A thread that hashes large files, one after another. Told by hash-threads.ts.
import { parentPort, workerData } from "node:worker_threads";
import type { HashAnswer, HashRequest } from "./hash-threads.ts";
import { Needles } from "./needles.ts";
import { readThrough } from "./read-through.ts";

/** Set while nobody waits any more for what is being read. */
const stopped = new Int32Array(workerData as SharedArrayBuffer);

parentPort!.on("message", ({ path, needles }: HashRequest) => {
  parentPort!.postMessage(answerTo(path, new Needles(needles)));
});

function answerTo(path: string, needles: Needles): HashAnswer {
  try {
    const reading = readThrough(path, needles);
    for (;;) {
      const step = reading.next();
      if (step.done) return { content: step.value };
      if (Atomics.load(stopped, 0) !== 0) {
        reading.return({ sha256: "", size: 0, found: new Set() });
        return {};
      }
    }
  } catch (error) {
    const { message, code, errno, syscall } = error as NodeJS.ErrnoException;
    return { failed: { message, code, errno, syscall, path } }; // what a system error says does not come along with its clone
  }
}

// Threads that hash large files: a core each, while steps go on being started and waited for. They are started when there is
// first something for them to do, and keep no process alive.
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { FileContent } from "./read-through.ts";

/** What a thread is asked. */
export interface HashRequest {
  readonly path: string;
  readonly needles: readonly Uint8Array[];
}

/** What it answers: neither where nobody waited any more. */
export interface HashAnswer {
  readonly content?: FileContent;
  readonly failed?: { readonly message: string; readonly [key: string]: unknown };
}

interface Job {
  readonly request: HashRequest;
  readonly signal: AbortSignal | undefined;
  resolve(content: FileContent): void;
  reject(error: unknown): void;
}

interface Thread {
  readonly worker: Worker;
  readonly stopped: Int32Array;
  job: Job | undefined;
}

/** One for each core: more would only take turns. */
export const HASH_THREADS = availableParallelism();

const threads: Thread[] = [];
const waiting: Job[] = [];

/** Reads the file at an absolute path in a thread of its own. Rejects with the signal's reason, and with system errors. */
export function hashInThread(request: HashRequest, signal?: AbortSignal): Promise<FileContent> {
  return new Promise((resolve, reject) => {
    waiting.push({ request, signal, resolve, reject });
    assign();
  });
}

function assign(): void {
  while (waiting.length > 0) {
    let thread = threads.find(({ job }) => job === undefined);
    if (thread === undefined) {
      if (threads.length === HASH_THREADS) return;
      thread = start();
    }
    const job = waiting.shift()!;
    if (job.signal?.aborted) job.reject(job.signal.reason);
    else give(thread, job);
  }
}

function give(thread: Thread, job: Job): void {
  thread.job = job;
  thread.worker.ref(); // whoever waits for the answer must not be ended before it
  Atomics.store(thread.stopped, 0, 0);
  const stop = () => void Atomics.store(thread.stopped, 0, 1);
  job.signal?.addEventListener("abort", stop, { once: true });
  const end = () => {
    job.signal?.removeEventListener("abort", stop);
    thread.job = undefined;
    thread.worker.unref();
  };
  thread.worker.once("message", ({ content, failed }: HashAnswer) => {
    thread.worker.off("exit", gone);
    end();
    if (content !== undefined) job.resolve(content);
    else if (failed !== undefined) job.reject(Object.assign(new Error(failed.message), failed));
    else job.reject(job.signal?.reason);
    assign();
  });
  const gone = () => {
    end();
    job.reject(new Error(`the thread that hashed ${job.request.path} ended`));
    assign();
  };
  thread.worker.once("exit", gone);
  thread.worker.postMessage(job.request);
}

function start(): Thread {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const memory = new SharedArrayBuffer(4);
  const worker = new Worker(new URL(`./hash-thread${extension}`, import.meta.url), {
    workerData: memory,
    stdin: false,
    execArgv: [],
  });
  const thread: Thread = { worker, stopped: new Int32Array(memory), job: undefined };
  threads.push(thread);
  worker.unref();
  worker.on("error", () => {}); // `exit` follows, and says so to who waits
  worker.once("exit", () => threads.splice(threads.indexOf(thread), 1));
  return thread;
}

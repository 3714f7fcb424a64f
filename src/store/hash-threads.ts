// Threads that hash large files: a core each, while steps go on being started and waited for. They are started when there is
// first something for them to do, and keep no process alive.
import { readFileSync } from "node:fs";
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
  resolve(content: FileContent | undefined): void;
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

/**
 * Reads the file at an absolute path in a thread of its own; undefined where none is to be had. Rejects with the signal's reason, and
 * with system errors.
 */
export function hashInThread(request: HashRequest, signal?: AbortSignal): Promise<FileContent | undefined> {
  return new Promise((resolve, reject) => {
    waiting.push({ request, signal, resolve, reject });
    assign();
  });
}

function assign(): void {
  while (waiting.length > 0) {
    const thread = threads.find(({ job }) => job === undefined) ?? start();
    if (thread === undefined && threads.length > 0) return;
    const job = waiting.shift()!;
    if (job.signal?.aborted) job.reject(job.signal.reason);
    else if (thread === undefined) job.resolve(undefined);
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
    job.resolve(undefined);
    assign();
  };
  thread.worker.once("exit", gone);
  thread.worker.postMessage(job.request);
}

/** Undefined where there are enough, or there may be no more. */
function start(): Thread | undefined {
  if (threads.length === HASH_THREADS || areAddressesLimited()) return undefined;
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const memory = new SharedArrayBuffer(4);
  let worker: Worker;
  try {
    worker = new Worker(new URL(`./hash-thread${extension}`, import.meta.url), {
      workerData: memory,
      stdin: false,
      execArgv: [],
    });
  } catch {
    return undefined; // EAGAIN: the user may have no more threads (`ulimit -u`)
  }
  const thread: Thread = { worker, stopped: new Int32Array(memory), job: undefined };
  threads.push(thread);
  worker.unref();
  worker.on("error", () => {}); // `exit` follows, and tells who waits
  worker.once("exit", () => threads.splice(threads.indexOf(thread), 1));
  return thread;
}

/** Each thread reserves more than a gigabyte of addresses, and the whole process ends where they do not suffice (`ulimit -v`). */
function areAddressesLimited(): boolean {
  try {
    return !/^Max address space +unlimited /m.test(readFileSync("/proc/self/limits", "latin1"));
  } catch {
    return false; // no Linux: there nobody limits them
  }
}

// One resident process that starts commands when it is told to, and says how they ended.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, writeSync } from "node:fs";
import { constants as os } from "node:os";
import { errnoOf } from "../../errors.ts";
import type { Pipe } from "./fifos.ts";
import type { Job } from "./types.ts";

const SIGNALS = new Map(Object.entries(os.signals).map(([name, number]) => [number, name]));

/** The program is there and does not work: it ended at once, or the system says one of these. Nothing was started. */
export class NoLauncher extends Error {}
const NOT_RUNNABLE = ["EACCES", "ENOENT", "ENOEXEC"];

/** What a launcher is, and how it is told of a job. */
export interface Kind {
  readonly program: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Whether its jobs are of its own process group; otherwise it says which group each of them leads. */
  readonly isGroupOfJobs: boolean;
  /** What it reads. Called once for each job, in turn: what it knows from the job before may be left out. */
  told(job: Job): string;
}

/** How a command ended. */
export interface End {
  readonly code: number | null;
  readonly signal: string | null;
  /** Something of it may be left in its group, or may hold the slot's FIFO. */
  readonly left: boolean;
}

/** A command that a launcher has started. */
export interface Launched {
  readonly group: number;
  /** Whose group it is, if not the command's own: it stays when the command has ended. Closed, it takes no other. */
  readonly launcher: Pick<Launcher, "close"> | undefined;
  /** Undefined where it could not be begun, which only a launcher whose group it is tells so late. */
  readonly ended: Promise<End | undefined>;
}

interface Waiting {
  started(group: number): void;
  ended(how: End | undefined): void;
  failed(error: Error): void;
}

export class Launcher {
  readonly #kind: Kind;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #writer: number;
  #gone = false;
  #hasAnswered = false;
  #waiting: Waiting | undefined;

  /**
   * `gone` is called when it has ended, however that came; `broken` before that, when it cannot be started, or ended by itself before it
   * answered anything: so others would.
   */
  constructor(kind: Kind, { reader, writer }: Pipe, answers: number, on: { gone(): void; broken(): void }) {
    this.#kind = kind;
    this.#writer = writer;
    const [program, ...args] = kind.program;
    try {
      this.#child = spawn(program!, args, {
        cwd: "/",
        env: kind.env,
        detached: true, // no signal of the terminal reaches it
        stdio: [reader, answers, "ignore"],
      });
    } finally {
      closeSync(reader);
    }
    this.#child.unref();
    this.#exited = new Promise((resolve) => {
      const gone = (signal: NodeJS.Signals | null = null) => {
        if (!this.#gone) closeSync(writer);
        this.#gone = true;
        // What it was at is without a parent now: whoever waits looks for what is left, and ends it. A signal was most likely its group's.
        const killed: End = { code: null, signal: (kind.isGroupOfJobs && signal) || "SIGKILL", left: true };
        // A shell that ends by itself could not make a copy of itself.
        const began = signal !== null || !kind.isGroupOfJobs;
        this.#waiting?.ended(began ? killed : undefined);
        this.#waiting = undefined;
        on.gone();
        resolve();
      };
      const failed = (error: Error) => {
        if (error instanceof NoLauncher) on.broken();
        this.#waiting?.failed(error);
        this.#waiting = undefined;
        gone();
      };
      this.#child.once("error", (error) =>
        failed(NOT_RUNNABLE.includes(errnoOf(error) ?? "") ? new NoLauncher() : error),
      );
      this.#child.once("exit", (code, signal) =>
        code && !this.#hasAnswered ? failed(new NoLauncher()) : gone(signal),
      );
    });
  }

  /** Somebody killed it: another is to be started. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Undefined where it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** `over` is called once when nothing more is to come of it. */
  start(job: Job, over: () => void): Promise<Launched> {
    return new Promise((resolve, reject) => {
      let end: (how: End | undefined) => void = () => {};
      const ended = new Promise<End | undefined>((resolve) => {
        end = resolve;
      });
      const launcher = this.#kind.isGroupOfJobs ? this : undefined;
      let group = 0;
      this.#waiting = {
        started: (pid) => {
          group = pid;
          resolve({ group, launcher, ended });
        },
        ended: (how) => {
          over();
          if (group === 0) reject(new Error("the process that starts commands was ended"));
          end(how);
        },
        failed: (error) => {
          over();
          reject(error);
          end(undefined); // where it counted as started when it was told
        },
      };
      if (launcher !== undefined && this.pid !== undefined) this.#waiting.started(this.pid);
      this.#tell(Buffer.from(this.#kind.told(job)));
    });
  }

  /** Writes what the pipe takes at once, nearly always all; the rest as the launcher reads. 3 µs, where a stream takes 50. */
  #tell(bytes: Uint8Array): void {
    if (this.#gone) return;
    let done = 0;
    try {
      done = writeSync(this.#writer, bytes);
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN") {
        this.#child.kill("SIGKILL"); // it was killed, or cannot be told: its exit tells
        return;
      }
    }
    if (done < bytes.length) setTimeout(() => this.#tell(bytes.subarray(done)), 1);
  }

  /** It ends by itself when nobody can ask it for anything any more. */
  async close(): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    closeSync(this.#writer);
    this.#child.ref();
    await this.#exited;
  }

  /** A line of its own, by words. */
  answered([what, first, ...rest]: readonly string[]): void {
    this.#hasAnswered = true;
    const waiting = this.#waiting;
    const number = Number(first);
    if (what === "started") {
      waiting?.started(number);
      return;
    }
    this.#waiting = undefined;
    if (what === "ended") {
      const signal = number & 127;
      waiting?.ended({ ...howEnded(number >> 8, signal), left: rest[0] !== "0" });
    } else if (what === "exited") {
      // As a shell tells it: what is above 128 was a signal, since nothing that it takes exits with such a code.
      waiting?.ended({ ...howEnded(number, Math.max(0, number - 128)), left: false });
    } else if (what === "refused") waiting?.ended(undefined);
    else {
      const error: NodeJS.ErrnoException = new Error(`cannot start the command: ${rest.join(" ")}`);
      const name = Object.entries(os.errno).find(([, value]) => value === number)?.[0];
      if (name !== undefined) error.code = name;
      waiting?.failed(error);
    }
  }
}

function howEnded(code: number, signal: number): Omit<End, "left"> {
  if (signal === 0) return { code, signal: null };
  return { code: null, signal: SIGNALS.get(signal) ?? `signal ${signal}` };
}

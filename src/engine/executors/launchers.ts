// Launchers: small resident processes, one for each slot, that fork and become commands when they are told to. A process costs
// Node.js the more to start the more memory it holds (1.7 ms bare, 8.4 ms with 500 MiB of buffers); a launcher starts it in
// 0.8 ms whatever Node.js holds, and the command's shell is a fresh one all the same. Written in Perl, which nearly every
// system has and which can do what shells cannot: begin a session, and tell a signal from an exit code. Where there is none,
// commands are started without.
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, writeSync } from "node:fs";
import { constants as os } from "node:os";
import { join } from "node:path";
import { errnoOf } from "../../errors.ts";
import { Answers } from "./answers.ts";
import { makeFifos, openPipe, type Pipe } from "./fifos.ts";
import { LAUNCHER_SCRIPT } from "./launcher-script.ts";
import type { Job } from "./types.ts";

/** Becomes a program that is found by PATH, or tells in the log that it is not there: as the executor does without launchers. */
const BECOME = ["/bin/sh", "-c", 'exec "$@"', "sh"];

/** Linux takes no word of 128 KiB or more (MAX_ARG_STRLEN); macOS takes 1 MiB in all. Larger ones are not for launchers. */
const MOST_WORD_BYTES = 120_000;
const MOST_BYTES = 500_000;

/** Pipes that are made before they are needed, by one call of `mkfifo`. Each takes two descriptors till its launcher has started. */
const PIPES_AT_ONCE = 32;

const SIGNALS = new Map(Object.entries(os.signals).map(([name, number]) => [number, name]));

/** Perl is there and does not work: it ended at once, or the system says one of these. Nothing was started. */
export class NoLauncher extends Error {}
const NOT_RUNNABLE = ["EACCES", "ENOENT", "ENOEXEC"];

/** A command that a launcher has started. */
export interface Launched {
  readonly group: number;
  /** How it ended. `left`: something of it may be left in its group, or may hold the slot's FIFO. */
  readonly ended: Promise<{
    readonly code: number | null;
    readonly signal: string | null;
    readonly left: boolean;
  }>;
}

export class Launchers {
  readonly #perl: string;
  readonly #bySlot = new Map<string, Launcher>();
  readonly #byNumber = new Map<string, Launcher>();
  /** FIFOs that were asked for and become pipes: of the answers, and of each slot. */
  #fifos: { readonly answers: string; readonly jobs: ReadonlyMap<string, string> } | undefined;
  /** Pipes of slots that have no launcher yet. */
  readonly #pipes = new Map<string, Pipe>();
  #answers: Answers | undefined;
  #started = 0;
  #isBroken = false;

  constructor(perl = "/usr/bin/perl") {
    this.#perl = perl;
  }

  /** Absolute paths below `folder` of FIFOs that are to be made before `openPipes`. None where there is no Perl. */
  pipesOf(folder: string, slots: readonly string[]): string[] {
    if (!isExecutable(this.#perl)) return [];
    const jobs = new Map(slots.map((slot, n) => [slot, join(folder, `jobs-${n}`)]));
    this.#fifos = { answers: join(folder, "answers"), jobs };
    return [this.#fifos.answers, ...this.#atOnce.map(([, fifo]) => fifo)];
  }

  get #atOnce(): [slot: string, fifo: string][] {
    return [...(this.#fifos?.jobs ?? [])].slice(0, PIPES_AT_ONCE);
  }

  /** Opens them. Their names go: no task can write to them. */
  openPipes(): void {
    if (this.#fifos === undefined) return;
    this.#answers = new Answers(openPipe(this.#fifos.answers, constants.O_WRONLY), (line) =>
      this.#read(line),
    );
    for (const [slot, fifo] of this.#atOnce) this.#pipes.set(slot, openPipe(fifo));
  }

  /**
   * Starts the job from the launcher of its slot; `guard` is the FIFO of a supervisor that lives. Undefined, with nothing done, where a launcher cannot: there is no Perl, or
   * the command is too long. Rejects with a system error where the job cannot be started at all, and with `NoLauncher`, after which
   * it is undefined for every job.
   */
  start(job: Job, guard: string): Promise<Launched> | undefined {
    if (this.#answers === undefined || this.#isBroken) return undefined;
    const request = requestOf(job);
    if (request === undefined) return undefined;
    const launcher = this.#launcherOf(job.slot, guard);
    this.#answers.awaited(1);
    const over = () => this.#answers?.awaited(-1);
    return launcher.start(request, over);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#bySlot.values()].map((launcher) => launcher.close()));
    this.#bySlot.clear();
    for (const { reader, writer } of this.#pipes.values()) {
      closeSync(reader);
      closeSync(writer);
    }
    this.#pipes.clear();
    this.#answers?.close();
    this.#answers = undefined;
  }

  #launcherOf(slot: string, guard: string): Launcher {
    const there = this.#bySlot.get(slot);
    if (there !== undefined && !there.gone) return there;
    const number = String(++this.#started);
    // Another one than that of a launcher that was killed, which may hold a job that it never read.
    const pipe = this.#pipes.get(slot) ?? this.#newPipe(slot);
    this.#pipes.delete(slot);
    const launcher = new Launcher(
      [this.#perl, "-e", LAUNCHER_SCRIPT, guard, number],
      pipe,
      this.#answers!.writer,
      () => {
        this.#isBroken = true;
      },
    );
    this.#bySlot.set(slot, launcher);
    this.#byNumber.set(number, launcher);
    return launcher;
  }

  #newPipe(slot: string): Pipe {
    const fifo = this.#fifos!.jobs.get(slot)!;
    makeFifos([fifo]);
    return openPipe(fifo);
  }

  #read(line: string): void {
    const [number, ...answer] = line.split(" ");
    this.#byNumber.get(number!)?.answered(answer);
  }
}

interface Waiting {
  started(group: number): void;
  ended(code: number | null, signal: string | null, left: boolean): void;
  failed(error: Error): void;
}

class Launcher {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #writer: number;
  #gone = false;
  #hasAnswered = false;
  #waiting: Waiting | undefined;
  /** What the job before was told of where it runs. */
  #place = "";

  /** `broken` is called when it cannot be started, or ended by itself before it answered anything: so others would. */
  constructor(
    [program, ...args]: readonly string[],
    { reader, writer }: Pipe,
    answers: number,
    broken: () => void,
  ) {
    this.#writer = writer;
    try {
      this.#child = spawn(program!, args, {
        cwd: "/",
        // Bound now, a function is not looked up anew by each child that calls it: ten pages less to copy.
        env: { PATH: "/usr/local/bin:/usr/bin:/bin", LD_BIND_NOW: "1" },
        detached: true, // no signal of the terminal reaches it
        stdio: [reader, answers, "ignore"],
      });
    } finally {
      closeSync(reader);
    }
    this.#child.unref();
    this.#exited = new Promise((resolve) => {
      const gone = () => {
        if (!this.#gone) closeSync(writer);
        this.#gone = true;
        // What it was at is without a parent now: whoever waits looks for what is left, and ends it.
        this.#waiting?.ended(null, "SIGKILL", true);
        this.#waiting = undefined;
        resolve();
      };
      const failed = (error: Error) => {
        if (error instanceof NoLauncher) broken();
        this.#waiting?.failed(error);
        this.#waiting = undefined;
        gone();
      };
      this.#child.once("error", (error) =>
        failed(NOT_RUNNABLE.includes(errnoOf(error) ?? "") ? new NoLauncher() : error),
      );
      this.#child.once("exit", (code) => (code && !this.#hasAnswered ? failed(new NoLauncher()) : gone()));
    });
  }

  /** Somebody killed it: another is to be started. */
  get gone(): boolean {
    return this.#gone;
  }

  /** `over` is called once when nothing more is to come of it. */
  start(request: Request, over: () => void): Promise<Launched> {
    return new Promise((resolve, reject) => {
      let end: (how: Awaited<Launched["ended"]>) => void = () => {};
      const ended = new Promise<Awaited<Launched["ended"]>>((resolve) => {
        end = resolve;
      });
      let group = 0;
      this.#waiting = {
        started: (pid) => {
          group = pid;
          resolve({ group, ended });
        },
        ended: (code, signal, left) => {
          over();
          if (group === 0) reject(new Error("the process that starts commands was ended"));
          end({ code, signal, left });
        },
        failed: (error) => {
          over();
          reject(error);
        },
      };
      // Where a job runs, and its variables, are told only where they differ from those of the job before.
      const { place, words } = request;
      const text = (place === this.#place ? fields(["0"]) : place) + words;
      this.#place = place;
      this.#tell(Buffer.from(`${Buffer.byteLength(text)}\n${text}`));
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
    if (what === "started") {
      waiting?.started(Number(first));
      return;
    }
    this.#waiting = undefined;
    if (what === "ended") {
      const signal = Number(first) & 127;
      const code = signal === 0 ? Number(first) >> 8 : null;
      const name = signal === 0 ? null : (SIGNALS.get(signal) ?? `signal ${signal}`);
      waiting?.ended(code, name, rest[0] !== "0");
    } else {
      const error: NodeJS.ErrnoException = new Error(`cannot start the command: ${rest.join(" ")}`);
      const name = Object.entries(os.errno).find(([, number]) => number === Number(first))?.[0];
      if (name !== undefined) error.code = name;
      waiting?.failed(error);
    }
  }
}

/** A job as fields. */
interface Request {
  /** Where it runs, and its variables. */
  readonly place: string;
  readonly words: string;
}

/** Undefined for what no launcher takes. */
function requestOf({ argv, cwd, log, slot, env, step }: Job): Request | undefined {
  const place = [cwd, log, slot];
  for (const name of Object.keys(env)) place.push(`${name}=${env[name]}`);
  const words = [step, ...(argv[0] === "/bin/sh" ? [] : BECOME), ...argv];
  let bytes = 0;
  for (const all of [place, words]) {
    for (const field of all) {
      // A unit of UTF-16 takes at most three bytes.
      const most = field.length * 3 <= MOST_WORD_BYTES ? field.length * 3 : Buffer.byteLength(field);
      if (most > MOST_WORD_BYTES || field.includes("\0")) return undefined;
      bytes += most;
    }
  }
  if (bytes > MOST_BYTES) return undefined;
  return { place: fields([String(place.length), ...place]), words: fields(words) };
}

function fields(all: readonly string[]): string {
  return `${all.join("\0")}\0`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

// Launchers: small resident processes, of each kind one for a slot, that become commands when they are told to. A process costs
// Node.js the more to start the more memory it holds (1.7 ms bare, 8.4 ms with 500 MiB of buffers); a launcher starts it in
// 0.8 ms whatever Node.js holds. Nearly all commands are started by one in Perl, which makes a fresh shell of its copy; text that
// needs nothing but a shell by a shell of its kind. Where there is neither, commands are started without.
import { accessSync, closeSync, constants } from "node:fs";
import { join } from "node:path";
import { Answers } from "./answers.ts";
import { makeFifos, openPipe, type Pipe } from "./fifos.ts";
import { type Kind, type Launched, Launcher } from "./launcher.ts";
import { perlLauncher, perlTakes } from "./perl-launcher.ts";
import { hasShellLauncher, shellLauncher, shellTakes } from "./shell-launcher.ts";
import type { Job } from "./types.ts";

/** Pipes that are made before they are needed, by one call of `mkfifo`. Each takes two descriptors till its launcher has started. */
const PIPES_AT_ONCE = 32;

type KindName = "perl" | "shell";

export interface Usable {
  /** Absolute path; what is not there is not used. */
  readonly perl?: string;
  readonly shell?: boolean;
}

/** Who hears of process groups that jobs share with their launcher: of each before its first job, and when it has ended. */
export interface Groups {
  begun(group: number): void;
  gone(group: number): void;
}

export class Launchers {
  readonly #perl: string;
  /** Kinds that work, as far as is known. */
  readonly #kinds = new Set<KindName>();
  /** By kind and slot. */
  readonly #all = new Map<string, Launcher>();
  readonly #byNumber = new Map<string, Launcher>();
  /** FIFOs that were asked for and become pipes: of the answers, and of each kind and slot. */
  #fifos: { readonly answers: string; readonly jobs: ReadonlyMap<string, string> } | undefined;
  /** Pipes of launchers that have not been started. */
  readonly #pipes = new Map<string, Pipe>();
  #answers: Answers | undefined;
  #started = 0;
  #groups: Groups | undefined;

  constructor({ perl = "/usr/bin/perl", shell = hasShellLauncher() }: Usable = {}) {
    this.#perl = perl;
    if (shell) this.#kinds.add("shell");
    if (isExecutable(perl)) this.#kinds.add("perl");
  }

  /** Absolute paths below `folder` of FIFOs that are to be made before `openPipes`. None where there can be no launchers. */
  pipesOf(folder: string, slots: readonly string[]): string[] {
    if (this.#kinds.size === 0) return [];
    const jobs = slots.flatMap((slot, n) =>
      [...this.#kinds].map((kind) => [keyOf(kind, slot), join(folder, `${kind}-${n}`)] as const),
    );
    this.#fifos = { answers: join(folder, "answers"), jobs: new Map(jobs) };
    return [this.#fifos.answers, ...this.#atOnce.map(([, fifo]) => fifo)];
  }

  get #atOnce(): [key: string, fifo: string][] {
    return [...(this.#fifos?.jobs ?? [])].slice(0, PIPES_AT_ONCE);
  }

  /** Opens them. Their names go: no task can write to them. */
  openPipes(groups: Groups): void {
    if (this.#fifos === undefined) return;
    this.#groups = groups;
    this.#answers = new Answers(openPipe(this.#fifos.answers, constants.O_WRONLY), (line) =>
      this.#read(line),
    );
    for (const [key, fifo] of this.#atOnce) this.#pipes.set(key, openPipe(fifo));
  }

  /**
   * Starts the job from a launcher of its slot; `guard` is the FIFO of a supervisor that lives. Undefined, with nothing done, where
   * none can: there is no Perl, or the command is too long. Rejects with a system error where the job cannot be started at all, and with
   * `NoLauncher`, after which no launcher of that kind is asked again. `anew`: a shell's copy could not begin it.
   */
  start(job: Job, guard: string, anew: boolean): Promise<Launched> | undefined {
    if (this.#answers === undefined) return undefined;
    if (!anew && this.#kinds.has("shell") && shellTakes(job))
      return this.#told("shell", job, (number) => shellLauncher(job.slot, number));
    if (this.#kinds.has("perl") && perlTakes(job))
      return this.#told("perl", job, (number) => perlLauncher(this.#perl, guard, number));
    return undefined;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all.values()].map((launcher) => launcher.close()));
    this.#all.clear();
    for (const { reader, writer } of this.#pipes.values()) {
      closeSync(reader);
      closeSync(writer);
    }
    this.#pipes.clear();
    this.#answers?.close();
    this.#answers = undefined;
  }

  #told(name: KindName, job: Job, kind: (number: string) => Kind): Promise<Launched> {
    const launcher = this.#launcherOf(name, job.slot, kind);
    this.#answers!.awaited(1);
    return launcher.start(job, () => this.#answers?.awaited(-1));
  }

  #launcherOf(name: KindName, slot: string, kind: (number: string) => Kind): Launcher {
    const key = keyOf(name, slot);
    const there = this.#all.get(key);
    if (there !== undefined && !there.gone) return there;
    const number = String(++this.#started);
    // Another one than that of a launcher that was killed, which may hold a job that it never read.
    const pipe = this.#pipes.get(key) ?? this.#newPipe(key);
    this.#pipes.delete(key);
    const made = kind(number);
    const launcher: Launcher = new Launcher(made, pipe, this.#answers!.writer, {
      broken: () => this.#kinds.delete(name),
      gone: () => {
        this.#byNumber.delete(number);
        if (made.isGroupOfJobs && launcher.pid !== undefined) this.#groups!.gone(launcher.pid);
      },
    });
    if (made.isGroupOfJobs && launcher.pid !== undefined) this.#groups!.begun(launcher.pid);
    this.#all.set(key, launcher);
    this.#byNumber.set(number, launcher);
    return launcher;
  }

  #newPipe(key: string): Pipe {
    const fifo = this.#fifos!.jobs.get(key)!;
    makeFifos([fifo]);
    return openPipe(fifo);
  }

  #read(line: string): void {
    const [number, ...answer] = line.split(" ");
    this.#byNumber.get(number!)?.answered(answer);
  }
}

function keyOf(kind: KindName, slot: string): string {
  return `${kind} ${slot}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

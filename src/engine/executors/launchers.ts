// Launchers: small resident processes, one for each slot, that fork and become commands when they are told to. A process costs
// Node.js the more to start the more memory it holds (1.7 ms bare, 8.4 ms with 500 MiB of buffers); a launcher starts it in
// 0.8 ms whatever Node.js holds, and the command's shell is a fresh one all the same. Written in Perl, which nearly every
// system has and which can do what shells cannot: begin a session, and tell a signal from an exit code. Where there is none,
// commands are started without.
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { constants as os } from "node:os";
import type { Readable, Writable } from "node:stream";
import type { Job } from "./types.ts";

// A job is its length in bytes, a line end, and fields that end in NUL: cwd, log, slot, how many variables, each as name=value,
// then the words of the command. Everything that can fail is opened before the fork, so that it can be told of. Answers:
// `started <group>`, then `ended <wait status> <whether anything is left>`; or `failed <errno> <what>`. Nothing of the
// launcher's is open in a command: Perl closes all above 2 at exec, and 3, the slot's FIFO, is put there by dup2.
const SCRIPT = `
use strict; use POSIX ();
$| = 1;
umask 022;
my $guard = shift;
open(my $nothing, '<', '/dev/null') or exit 1;
while (defined(my $size = <STDIN>)) {
  read(STDIN, my $job, $size) == $size or last;
  my ($cwd, $log, $slot, $count, @words) = split /\\0/, $job, -1;
  pop @words;
  my @env = splice(@words, 0, $count);
  my ($out, $alive, $supervisor, $fifo) = (undef, undef, undef, "$slot/alive");
  unless (sysopen($out, $log, POSIX::O_WRONLY | POSIX::O_APPEND | POSIX::O_CREAT, 0644)) { failed($log); next }
  unless (sysopen($alive, $fifo, POSIX::O_RDWR)) { failed($fifo); next }
  # ENXIO: nobody reads, the supervisor was killed. Whoever asked for the job starts another.
  unless (sysopen($supervisor, $guard, POSIX::O_WRONLY | POSIX::O_NONBLOCK)) { failed($guard); next }
  unless (chdir $cwd) { failed($cwd); next }
  my $pid = fork();
  unless (defined $pid) { failed('fork'); next }
  if ($pid == 0) {
    POSIX::setsid();
    # Before it becomes the command: there is no instant in which it runs unknown to the supervisor.
    my $line = "+$$\\n";
    syswrite($supervisor, $line) == length($line) or POSIX::_exit(125);
    POSIX::dup2(fileno($nothing), 0);
    POSIX::dup2(fileno($out), 1);
    POSIX::dup2(fileno($out), 2);
    POSIX::dup2(fileno($alive), 3);
    %ENV = map { split /=/, $_, 2 } @env;
    { no warnings; exec { $words[0] } @words; }
    POSIX::_exit(127);
  }
  close $alive;
  close $out;
  close $supervisor;
  print "started $pid\\n";
  waitpid($pid, 0);
  my $status = $?;
  # Is anything left, in its group or holding the FIFO? Two calls; who has to know what is left looks closer.
  my $left = (kill(0, -$pid) || $! == POSIX::EPERM) ? 1 : 0;
  if (!$left) {
    my ($reader, $byte);
    $left = sysopen($reader, $fifo, POSIX::O_RDONLY | POSIX::O_NONBLOCK) && defined($left = sysread($reader, $byte, 1)) && $left == 0 ? 0 : 1;
  }
  print "ended $status $left\\n";
}
sub failed { my $what = shift; print "failed ", $! + 0, " $what\\n"; }
`;

/** Becomes a program that is found by PATH, or tells in the log that it is not there: as the executor does without launchers. */
const BECOME = ["/bin/sh", "-c", 'exec "$@"', "sh"];

/** Linux takes no word of 128 KiB or more (MAX_ARG_STRLEN); macOS takes 1 MiB in all. Larger ones are not for launchers. */
const MOST_WORD_BYTES = 120_000;
const MOST_BYTES = 500_000;

const SIGNALS = new Map(Object.entries(os.signals).map(([name, number]) => [number, name]));

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
  #usable: boolean | undefined;

  constructor(perl = "/usr/bin/perl") {
    this.#perl = perl;
  }

  /**
   * Starts the job from the launcher of its slot; `guard` is the FIFO of a supervisor that lives. Undefined, with nothing done, where a launcher cannot: there is no Perl, or
   * the command is too long. Rejects with a system error where the job cannot be started at all.
   */
  start(job: Job, guard: string): Promise<Launched> | undefined {
    this.#usable ??= isExecutable(this.#perl);
    const request = this.#usable ? encoded(job) : undefined;
    if (request === undefined) return undefined;
    let launcher = this.#bySlot.get(job.slot);
    if (launcher === undefined || launcher.gone) {
      launcher = new Launcher(this.#perl, guard);
      this.#bySlot.set(job.slot, launcher);
    }
    return launcher.start(request);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#bySlot.values()].map((launcher) => launcher.close()));
    this.#bySlot.clear();
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
  #gone = false;
  #waiting: Waiting | undefined;
  #line = "";

  constructor(perl: string, guard: string) {
    this.#child = spawn(perl, ["-e", SCRIPT, guard], {
      cwd: "/",
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
      detached: true, // no signal of the terminal reaches it
      stdio: ["pipe", "pipe", "ignore"],
    });
    const { stdin, stdout } = this.#child as { stdin?: Writable; stdout?: Readable };
    this.#exited = new Promise((resolve) => {
      const gone = () => {
        this.#gone = true;
        // What it was at is without a parent now: whoever waits looks for what is left, and ends it.
        this.#waiting?.ended(null, "SIGKILL", true);
        this.#waiting = undefined;
        resolve();
      };
      this.#child.once("error", (error) => {
        this.#waiting?.failed(error);
        gone();
      });
      this.#child.once("close", gone);
    });
    // Without descriptors to be had there are no pipes either: the error that comes then says so.
    if (stdin === undefined || stdout === undefined) return;
    stdin.on("error", () => {}); // it was killed: `close` tells
    stdout.setEncoding("latin1");
    stdout.on("data", (text: string) => this.#read(text));
    this.#idle(true);
  }

  /** Somebody killed it: another is to be started. */
  get gone(): boolean {
    return this.#gone;
  }

  start(request: Buffer): Promise<Launched> {
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
          if (group === 0) reject(new Error("the process that starts commands was ended"));
          end({ code, signal, left });
        },
        failed: reject,
      };
      this.#idle(false);
      this.#child.stdin?.write(request);
    });
  }

  /** It ends by itself when nobody can ask it for anything any more. */
  async close(): Promise<void> {
    this.#idle(false);
    this.#child.stdin?.end();
    await this.#exited;
  }

  #read(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop()!;
    for (const line of lines) {
      const [what, first, ...rest] = line.split(" ");
      const waiting = this.#waiting;
      if (what === "started") {
        waiting?.started(Number(first));
        continue;
      }
      this.#waiting = undefined;
      this.#idle(true);
      if (what === "ended") {
        const signal = Number(first) & 127;
        const code = signal === 0 ? Number(first) >> 8 : null;
        waiting?.ended(
          code,
          signal === 0 ? null : (SIGNALS.get(signal) ?? `signal ${signal}`),
          rest[0] !== "0",
        );
      } else {
        const error: NodeJS.ErrnoException = new Error(`cannot start the command: ${rest.join(" ")}`);
        const name = Object.entries(os.errno).find(([, number]) => number === Number(first))?.[0];
        if (name !== undefined) error.code = name;
        waiting?.failed(error);
      }
    }
  }

  /** An idle launcher keeps nobody from exiting. */
  #idle(idle: boolean): void {
    const parts = [this.#child, this.#child.stdin, this.#child.stdout] as unknown as {
      ref(): void;
      unref(): void;
    }[];
    for (const part of parts) idle ? part?.unref?.() : part?.ref?.();
  }
}

/** Undefined for what no launcher takes. */
function encoded(job: Job): Buffer | undefined {
  const words = job.argv[0] === "/bin/sh" ? job.argv : [...BECOME, ...job.argv];
  const env = Object.entries(job.env).map(([name, value]) => `${name}=${value}`);
  env.push(`ALAMODE_STEP=${job.step}`);
  const fields = [job.cwd, job.log, job.slot, String(env.length), ...env, ...words];
  const longest = fields.reduce((most, { length }) => Math.max(most, length), 0);
  const text = `${fields.join("\0")}\0`;
  const bytes = Buffer.byteLength(text);
  if (longest * 3 > MOST_WORD_BYTES && fields.some((field) => Buffer.byteLength(field) > MOST_WORD_BYTES))
    return undefined;
  if (bytes > MOST_BYTES || fields.some((field) => field.includes("\0"))) return undefined;
  return Buffer.from(`${bytes}\n${text}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

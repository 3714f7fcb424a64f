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

// A job is its length in bytes, a line end, and fields that end in NUL: how many of them follow that say where it is to run (none:
// where the one before did), namely cwd, log, slot and variables, each as name=value; then the value of ALAMODE_STEP, and the
// words of the command. Answers: `started <group>`, then `ended <wait status> <whether anything is left>`; or
// `failed <errno> <what>`. Everything that can fail is opened before the fork, so that it can be told of, and where the command
// is to find it: a page that is touched after a fork is copied first, which takes 4 µs. The child touches 50 of them this way,
// and 110 when it sets all this up itself. Nothing of the launcher's is open in a command: Perl closes what is above 3 ($^F) at
// exec, and 3 is the slot's FIFO.
const SCRIPT = `
use strict; use POSIX ();
umask 022;
my $guard = shift;
my ($append, $both, $tell, $look) = (POSIX::O_WRONLY | POSIX::O_APPEND | POSIX::O_CREAT, POSIX::O_RDWR, POSIX::O_WRONLY | POSIX::O_NONBLOCK, POSIX::O_RDONLY | POSIX::O_NONBLOCK);
$^F = 3;
POSIX::dup2(2, 3);
open(my $jobs, '<&', 0) && open(my $answers, '>&', 1) or POSIX::_exit(1);
POSIX::close($_) for 0, 1, 3;
POSIX::open('/dev/null', POSIX::O_RDONLY) eq '0 but true' or POSIX::_exit(1);
my ($job, $end, $cwd, $log, $fifo, $pid, $supervisor, $reader, $byte, $status, $left, @words) = ('');
for (;;) {
  while (($end = index($job, "\\n")) < 0 || length($job) <= $end + substr($job, 0, $end)) {
    sysread($jobs, $job, 65536, length $job) or POSIX::_exit(0);
  }
  @words = split /\\0/, substr($job, $end + 1), -1;
  $job = '';
  pop @words;
  if ($left = shift @words) {
    ($cwd, $log, $fifo) = splice(@words, 0, 3);
    $fifo .= '/alive';
    %ENV = map { split /=/, $_, 2 } splice(@words, 0, $left - 3);
  }
  $ENV{ALAMODE_STEP} = shift @words;
  put($log, $append, 1) or next;
  POSIX::dup2(1, 2);
  put($fifo, $both, 3) or next;
  # ENXIO: nobody reads, the supervisor was killed. Whoever asked for the job starts another.
  defined($supervisor = POSIX::open($guard, $tell)) or failed($guard), next;
  unless (chdir $cwd) { failed($cwd); POSIX::close($supervisor); next }
  unless (defined($pid = fork)) { failed('fork'); POSIX::close($supervisor); next }
  unless ($pid) {
    POSIX::setsid();
    # Before it becomes the command: there is no instant in which it runs unknown to the supervisor.
    POSIX::write($supervisor, "+$$\\n", 1 + length "+$$") == 1 + length "+$$" or POSIX::_exit(125);
    POSIX::close($supervisor);
    { no warnings; exec { $words[0] } @words; }
    POSIX::_exit(127);
  }
  POSIX::close($_) for $supervisor, 1, 3;
  POSIX::dup2(0, 2);
  syswrite $answers, "started $pid\\n";
  waitpid($pid, 0);
  $status = $?;
  # Is anything left, in its group or holding the FIFO? Two calls; who has to know what is left looks closer.
  $left = (kill(0, -$pid) || $! == POSIX::EPERM) ? 1 : 0;
  if (!$left) {
    $left = 1;
    if (defined($reader = POSIX::open($fifo, $look))) {
      $end = POSIX::read($reader, $byte, 1);
      $left = 0 if defined $end && $end == 0;
      POSIX::close($reader);
    }
  }
  syswrite $answers, "ended $status $left\\n";
}
# Opens a file as that descriptor.
sub put {
  my ($path, $flags, $as) = @_;
  my $fd = POSIX::open($path, $flags, 0644);
  unless (defined $fd) { failed($path); return 0 }
  if ($fd != $as) { POSIX::dup2($fd, $as); POSIX::close($fd) }
  return 1;
}
sub failed {
  my $answer = "failed " . ($! + 0) . " $_[0]\\n";
  POSIX::close($_) for 1, 3;
  syswrite $answers, $answer;
}
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
    if (!this.#usable || !isShort(job)) return undefined;
    let launcher = this.#bySlot.get(job.slot);
    if (launcher === undefined || launcher.gone) {
      launcher = new Launcher(this.#perl, guard);
      this.#bySlot.set(job.slot, launcher);
    }
    return launcher.start(job);
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
  /** What the job before was told of where it runs. */
  #place = "";

  constructor(perl: string, guard: string) {
    this.#child = spawn(perl, ["-e", SCRIPT, guard], {
      cwd: "/",
      // Bound now, a function is not looked up anew by each child that calls it: ten pages less to copy.
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", LD_BIND_NOW: "1" },
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

  start(job: Job): Promise<Launched> {
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
      this.#child.stdin?.write(this.#encoded(job));
    });
  }

  /** It ends by itself when nobody can ask it for anything any more. */
  async close(): Promise<void> {
    this.#idle(false);
    this.#child.stdin?.end();
    await this.#exited;
  }

  /** Where a job runs, and its variables, are told only where they differ from those of the job before. */
  #encoded({ argv, cwd, log, slot, env, step }: Job): Buffer {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const place = fields([String(variables.length + 3), cwd, log, slot, ...variables]);
    const words = argv[0] === "/bin/sh" ? argv : [...BECOME, ...argv];
    const text = (place === this.#place ? fields(["0"]) : place) + fields([step, ...words]);
    this.#place = place;
    return Buffer.from(`${Buffer.byteLength(text)}\n${text}`);
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

/** Whether a launcher takes it. */
function isShort({ argv, cwd, log, slot, env, step }: Job): boolean {
  let bytes = 0;
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  for (const field of [cwd, log, slot, step, ...variables, ...argv]) {
    // A unit of UTF-16 takes at most three bytes.
    const most = field.length * 3 <= MOST_WORD_BYTES ? field.length * 3 : Buffer.byteLength(field);
    if (most > MOST_WORD_BYTES || field.includes("\0")) return false;
    bytes += most;
  }
  return bytes <= MOST_BYTES;
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

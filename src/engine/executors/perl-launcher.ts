// A launcher in Perl, that reads jobs, and a copy of which becomes each. Written in Perl, which nearly every system has and which
// can do what shells cannot: begin a session, and tell a signal from an exit code. A job is its length in bytes, a line end, and
// fields that end in NUL: how many of them follow that say where it is to run (none: where the one before did), namely cwd, log,
// slot and variables, each as name=value; then the value of ALAMODE_STEP, and the words of the command. Answers, each a line
// that begins with the launcher's number: `started <group>`, then `ended <wait status> <whether anything is left>`; or `failed
// <errno> <what>`. Everything that can fail is opened before the fork, so that it can be told of, and where the command is to
// find it: a page that is touched after a fork is copied first, which takes 4 µs. The child touches 50 of them this way, and 110
// when it sets all this up itself. Nothing of the launcher's is open in a command: Perl closes what is above 3 ($^F) at exec,
// and 3 is the slot's FIFO.
import { constants } from "node:fs";
import { constants as os } from "node:os";
import type { Kind } from "./launcher.ts";
import type { Job } from "./types.ts";

const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

/**
 * Perl has no word for this system call but in POSIX, a module of 1.7 MB, four times all else that a fork copies the tables of: 0.09 ms
 * of processor time a command. Where the number is another's, nothing that returns the process's own id is called.
 */
const SETSID = process.platform === "linux" ? { x64: 112, arm64: 157 }[process.arch as string] : undefined;

const BEGIN_SESSION =
  SETSID === undefined
    ? "require POSIX; POSIX::setsid();"
    : `syscall(${SETSID}) == $$ or require POSIX, POSIX::setsid();`;

const SCRIPT = `
use strict;
${SETSID === undefined ? "require POSIX;" : ""}
umask 022;
my ($guard, $me) = @ARGV;
$^F = 3;
# 3 is taken while the others are found their places above it.
open(ALIVE, '>&', 2) && open(my $jobs, '<&', 0) && open(my $answers, '>&', 1) or exit 1;
close STDIN; close STDOUT; close STDERR; close ALIVE;
open(STDIN, '<', '/dev/null') or exit 1;
my ($job, $end, $cwd, $log, $fifo, $pid, $byte, $status, $left, $line, @words) = ('');
while (sysread($jobs, $job, 65536, length $job)) {
  next if ($end = index($job, "\\n")) < 0 || length($job) <= $end + substr($job, 0, $end);
  @words = split /\\0/, substr($job, $end + 1), -1;
  $job = '';
  pop @words;
  if ($left = shift @words) {
    ($cwd, $log, $fifo) = splice(@words, 0, 3);
    $fifo .= '/alive';
    %ENV = map { split /=/, $_, 2 } splice(@words, 0, $left - 3);
  }
  $ENV{ALAMODE_STEP} = shift @words;
  # Each takes the lowest descriptor that is free: 1, 2, 3.
  sysopen(STDOUT, $log, ${O_WRONLY | O_APPEND | O_CREAT}, 0644) && open(STDERR, '>&', 1) or failed($log), next;
  sysopen(ALIVE, $fifo, ${O_RDWR}) or failed($fifo), next;
  # ENXIO: nobody reads, the supervisor was killed. Whoever asked for the job starts another.
  sysopen(GUARD, $guard, ${O_WRONLY | O_NONBLOCK}) or failed($guard), next;
  chdir $cwd or failed($cwd), close(GUARD), next;
  unless ($pid = fork) {
    defined $pid or failed('fork'), close(GUARD), next;
    # A session of its own; and before it becomes the command: there is no instant in which it runs unknown to the supervisor.
    ${BEGIN_SESSION}
    syswrite GUARD, "+$$\\n" or exit 125;
    exec { $words[0] } @words;
    exit 127;
  }
  close GUARD; close STDOUT; close STDERR; close ALIVE;
  syswrite $answers, "$me started $pid\\n";
  waitpid($pid, 0);
  $status = $?;
  # Is anything left, in its group or holding the FIFO? Two calls; who has to know what is left looks closer.
  $left = (kill(0, -$pid) || $! == ${os.errno.EPERM}) ? 1 : 0;
  if (!$left) {
    $left = 1;
    if (sysopen(ALIVE, $fifo, ${O_RDONLY | O_NONBLOCK})) {
      $end = sysread(ALIVE, $byte, 1);
      $left = 0 if defined $end && $end == 0;
      close ALIVE;
    }
  }
  syswrite $answers, "$me ended $status $left\\n";
}
sub failed {
  $line = "$me failed " . ($! + 0) . " $_[0]\\n";
  close STDOUT; close STDERR; close ALIVE;
  syswrite $answers, $line;
}
`;

/** Becomes a program that is found by PATH, or tells in the log that it is not there: as the executor does without launchers. */
const BECOME = ["/bin/sh", "-c", 'exec "$@"', "sh"];

/** Linux takes no word of 128 KiB or more (MAX_ARG_STRLEN); macOS takes 1 MiB in all. Larger ones are not for launchers. */
const MOST_WORD_BYTES = 120_000;
const MOST_BYTES = 500_000;

/** Whether the job is of a size that such a launcher takes. */
export function perlTakes(job: Job): boolean {
  let bytes = 0;
  for (const all of [placeOf(job), wordsOf(job)]) {
    for (const field of all) {
      // A unit of UTF-16 takes at most three bytes.
      const most = field.length * 3 <= MOST_WORD_BYTES ? field.length * 3 : Buffer.byteLength(field);
      if (most > MOST_WORD_BYTES || field.includes("\0")) return false;
      bytes += most;
    }
  }
  return bytes <= MOST_BYTES;
}

/** `guard` is the FIFO of a supervisor that lives; `number` begins its answers. */
export function perlLauncher(perl: string, guard: string, number: string): Kind {
  /** What the job before was told of where it runs. */
  let before = "";
  return {
    program: [perl, "-e", SCRIPT, guard, number],
    // Bound now, a function is not looked up anew by each child that calls it: ten pages less to copy.
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", LD_BIND_NOW: "1" },
    isGroupOfJobs: false,
    told(job) {
      const place = placeOf(job);
      const where = fields([String(place.length), ...place]);
      const text = (where === before ? fields(["0"]) : where) + fields(wordsOf(job));
      before = where;
      return `${Buffer.byteLength(text)}\n${text}`;
    },
  };
}

/** Where a job runs, and its variables: told only where they differ from those of the job before. */
function placeOf({ cwd, log, slot, env }: Job): string[] {
  const place = [cwd, log, slot];
  for (const name of Object.keys(env)) place.push(`${name}=${env[name]}`);
  return place;
}

function wordsOf({ argv, step }: Job): string[] {
  return [step, ...(argv[0] === "/bin/sh" ? [] : BECOME), ...argv];
}

function fields(all: readonly string[]): string {
  return `${all.join("\0")}\0`;
}

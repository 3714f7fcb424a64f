// One small process a run, in a session of its own, that ends the tasks if the engine dies. Each task's process writes its
// group to the supervisor's FIFO before it becomes the command; that nobody holds the FIFO any more means the engine has gone.
// A FIFO and not a pipe, so that who starts commands need not hold it open, and so keep the end from being seen.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, writeSync } from "node:fs";
import { openFifo } from "./fifos.ts";

// Lines: `+<group>` started, `-<group>` over, `q` the engine ended in order. Then KILL, since nobody is left to wait
// for a gentle end; and a look through the environments for what has left its group (Linux; GNU and BusyBox grep).
const SCRIPT = `
trap '' HUP INT TERM QUIT
groups=' '
while read -r line; do
  case $line in
    +*) groups="$groups\${line#+} " ;;
    -*) g=\${line#-}
        case $groups in *" $g "*) groups="\${groups%% $g *} \${groups#* $g }" ;; esac ;;
    q) exit 0 ;;
  esac
done
for g in $groups; do kill -KILL "-$g" 2>/dev/null; done
n=0
while [ -d /proc/self ] && [ $n -lt 50 ]; do
  found=$(grep -ls "ALAMODE_STEP=$1/" /proc/[0-9]*/environ) # fails for any file it may not read or that goes
  [ -n "$found" ] || break
  for file in $found; do p=\${file#/proc/}; kill -KILL "\${p%/environ}" 2>/dev/null; done
  n=$((n + 1)); sleep 0.1
done
rm -rf "/dev/shm/alamode-$1" "/tmp/alamode-$1" # links to inputs, which only a later run in the same store would remove
`;

/** What a launcher runs first: it tells the supervisor (fd 4) its group, lets go of it, and becomes the command. */
export const LAUNCHER = `umask 022; echo "+$$" >&4 || exit 125; exec 4>&-; exec "$@"`;

/** How long a group may be over before it is told. Its number is not given to another in so short a time. */
const OVER_MS = 50;

export interface Supervisor {
  /** Absolute path of its FIFO: open for writing it is to be the fd 4 of LAUNCHER. ENXIO, where nobody reads any more. */
  readonly fifo: string;
  /** False once it was killed: another one is to be started, and told what runs. */
  readonly alive: boolean;
  started(group: number): void;
  /** Losing this line does no harm but a signal to a group that has gone. */
  ended(group: number): void;
  close(): Promise<void>;
}

/** `fifo` lies there. */
export function startSupervisor(run: string, fifo: string): Supervisor {
  const { reader, writer: fd } = openFifo(fifo);
  const child: ChildProcess = spawn("/bin/sh", ["-c", SCRIPT, "alamode-supervisor", run], {
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    detached: true,
    stdio: [reader, "ignore", "ignore"],
  });
  closeSync(reader);
  const exited = once(child, "exit").catch(() => {});
  child.unref();
  const tell = (line: string) => {
    try {
      writeSync(fd, line); // 2 µs, where a stream takes ten
    } catch {
      // It was killed: `alive` says so. Or it was stopped, and has 64 KiB to read: a line that is lost does no harm.
    }
  };
  /** Groups that are over, to be told of together: each line wakes the supervisor, and costs as much as a small command's hash. */
  let over = "";
  let telling: NodeJS.Timeout | undefined;
  const tellOver = () => {
    telling = undefined;
    tell(over);
    over = "";
  };
  return {
    fifo,
    get alive() {
      return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    },
    started: (group) => tell(`+${group}\n`),
    ended(group) {
      over += `-${group}\n`;
      telling ??= setTimeout(tellOver, OVER_MS).unref();
    },
    async close() {
      clearTimeout(telling);
      tell("q\n");
      closeSync(fd);
      child.ref();
      await exited;
    },
  };
}

// One small process a run, in a session of its own, that ends the tasks if the engine dies. Each task's launcher
// writes its own group to the supervisor's pipe before it becomes the command; the pipe's end means the engine has gone.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";

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
`;

/** What a launcher runs first: it tells the supervisor (fd 4) its group, lets go of it, and becomes the command. */
export const LAUNCHER = `umask 022; echo "+$$" >&4 || exit 125; exec 4>&-; exec "$@"`;

export interface Supervisor {
  /** To be a launcher's fd 4. */
  readonly pipe: Socket;
  /** False once it was killed: another one is to be started, and told what runs. */
  readonly alive: boolean;
  started(group: number): void;
  /** Losing this line does no harm but a signal to a group that has gone. */
  ended(group: number): void;
  close(): Promise<void>;
}

export function startSupervisor(run: string): Supervisor {
  const child: ChildProcess = spawn("/bin/sh", ["-c", SCRIPT, "alamode-supervisor", run], {
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const pipe = child.stdin as Socket;
  const exited = once(child, "exit").catch(() => {});
  pipe.on("error", () => {}); // it was killed: `alive` says so
  child.unref();
  pipe.unref();
  const tell = (line: string) => {
    if (child.exitCode === null && child.signalCode === null) pipe.write(line);
  };
  return {
    pipe,
    get alive() {
      return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    },
    started: (group) => tell(`+${group}\n`),
    ended: (group) => tell(`-${group}\n`),
    async close() {
      tell("q\n");
      child.ref();
      await exited;
      pipe.destroy();
    },
  };
}

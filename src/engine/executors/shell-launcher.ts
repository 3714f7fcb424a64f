// A launcher that is a shell itself: a resident /bin/sh, a copy of which performs each job whose text needs nothing but the shell
// (builtins-only.ts). To start a fresh shell takes 1.1 ms of processor time and a launcher's copy 0.45, a shell's own copy 0.3. Only
// where /bin/sh is dash, whose messages for what a function does are those for the same text by itself.
//
// For such text a copy is as good as a fresh shell: it starts no process, so nothing of it is left when it has ended; the
// process group, which is the launcher's own, holds nothing else; and it can name nothing that differs. A signal to the group ends
// both, and another launcher takes the next job.
import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { shellQuoted } from "../../plan/shell-quoted.ts";
import { NAME, usesBuiltinsOnly } from "./builtins-only.ts";
import type { Kind } from "./launcher.ts";
import type { Job } from "./types.ts";

/** The variable that holds the slot, for who looks for what a dead engine has left of it. No command sees it. */
export const SLOT_VARIABLE = "ALAMODE_SLOT";

const SHELL = "/bin/sh";
/** Given in the environment, these mean nothing to a fresh shell, or something of their own. */
const OWN_VARIABLES = new Set("IFS LINENO OLDPWD OPTARG OPTIND PPID PS1 PS2 PS4 PWD".split(" "));

/** Its answers go to 4, which no copy holds. What is opened for a job is opened here, so that where it fails nothing was begun. */
const BEGIN = `unset ${SLOT_VARIABLE}; umask 022; exec 4>&1 >/dev/null 2>&1\n`;

/** Whether this machine's shell can be such a launcher. */
export function hasShellLauncher(): boolean {
  try {
    return basename(realpathSync(SHELL)) === "dash";
  } catch {
    return false;
  }
}

/** Whether such a launcher takes the job. */
export function shellTakes({ argv, cwd, log, slot, env }: Job): boolean {
  return (
    argv.length === 3 &&
    argv[0] === SHELL &&
    argv[1] === "-ec" &&
    usesBuiltinsOnly(argv[2]!) &&
    !env["PATH"]?.includes("%builtin") && // it lets programs go before builtins
    ![argv[2]!, cwd, log, slot].some((text) => text.includes("\0")) &&
    Object.entries(env).every(
      ([name, value]) => NAME.test(name) && !OWN_VARIABLES.has(name) && !value.includes("\0"),
    )
  );
}

/** The shell of a slot; `number` begins its answers. */
export function shellLauncher(slot: string, number: string): Kind {
  let begun = BEGIN;
  /** Variables of the job before: exports, and the names. */
  let exported = "";
  let names: readonly string[] = [];
  return {
    program: [SHELL],
    env: { [SLOT_VARIABLE]: slot },
    isGroupOfJobs: true,
    told({ argv, cwd, log, slot, env }) {
      const wanted = Object.entries(env).map(([name, value]) => `${name}=${shellQuoted(value)}`);
      let text = begun;
      begun = "";
      const line = wanted.length === 0 ? "" : `export ${wanted.join(" ")}\n`;
      if (line !== exported) {
        if (names.length > 0) text += `unset ${names.join(" ")}\n`;
        text += line;
        exported = line;
        names = Object.keys(env);
      }
      // A function's messages name the line it was read from, and what `eval` reads begins with the first; those of what runs in `eval`
      // would name that. The folder is entered anew each time: another may have its name by now. A fresh shell has been in no other
      // (OLDPWD). `<>` would make a file where the FIFO is not. What this shell itself says ("Killed", of its copy) is in no log.
      const alive = shellQuoted(`${slot}/alive`);
      return `${text}eval ${shellQuoted(`f() { ${argv[2]}\n}`)}
cd -P ${shellQuoted(cwd)} && unset OLDPWD && [ -p ${alive} ] && {
(set -e; f) </dev/null 2>&1 4>&-; echo "${number} exited $?" >&4
} >>${shellQuoted(log)} 3<>${alive}
case $? in 0) ;; *) echo "${number} refused" >&4 ;; esac
`;
    },
  };
}

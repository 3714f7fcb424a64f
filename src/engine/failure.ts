// Why a command failed, told as what it is, with the way out where there is one.
import { existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { AlamodeError, errnoOf } from "../errors.ts";
import { shownBytes } from "../quantities.ts";
import type { Failure, FailureKind } from "../record/types.ts";
import { systemError } from "../store/system-error.ts";
import type { Ended } from "./executors/types.ts";
import { hintForMissing } from "./missing.ts";
import type { Limits } from "./options.ts";
import type { Runnable } from "./runnable.ts";
import type { Staged } from "./staging.ts";
import { toolFailure } from "./tools.ts";

export interface Explained {
  readonly ended: Ended;
  readonly staged: Staged;
  readonly runnable: Runnable;
  readonly limits: Limits;
  /** The last lines of the log. */
  readonly tail: readonly string[];
}

/** The failure of a command that ended, or undefined when it exited with 0 and left nothing running. */
export function explain({ ended, staged, runnable, limits, tail }: Explained): Failure | undefined {
  const { exitCode, signal, survivors } = ended;
  if (ended.spawnError !== undefined) {
    return engineFailure(ended.spawnError) ?? { kind: "engine", message: String(ended.spawnError) };
  }
  if (ended.stoppedFor === "timeout") {
    return {
      kind: "timeout",
      message: `ran longer than its timeout of ${(limits.timeoutMs ?? 0) / 1000} s and was ended`,
      hint: "Allow more with the option  timeout: '2h'  (it changes no ID).",
    };
  }
  if (ended.stoppedFor === "memory") {
    const { memoryBytes: limit = 0 } = limits;
    return {
      kind: "memory",
      signal: "SIGKILL",
      message: `was killed for memory: it used ${shownBytes(ended.usedBytes ?? 0)}, the limit was ${shownBytes(limit)}`,
      hint: `Allow more with  memory: '${compact(2 * limit)}', or let it grow:  memory: '${compact(limit)} * attempt', retries: 2`,
    };
  }
  if (ended.stoppedFor === "interrupted") return { kind: "interrupted", message: "was stopped" };
  if (exitCode === 0 && survivors.length === 0) return undefined;
  if (exitCode === 0) {
    const all = survivors.map(({ command, pid }) => (pid === 0 ? command : `${command}, ${pid}`)).join("; ");
    return {
      kind: "left-process",
      message: `left ${survivors.length === 1 ? "a process" : `${survivors.length} processes`} running (${all}). It was ended, and nothing was recorded`,
      hint: "A task must wait for what it starts: its result may not be finished otherwise.",
    };
  }
  // A shell exits with 137 where what it called was killed.
  if (ended.systemOutOfMemory && (signal === "SIGKILL" || exitCode === 137)) {
    const peak = ended.resources.maxRssBytes;
    const used = peak === undefined ? "" : `: it used ${shownBytes(peak)} when it was last looked at`;
    return {
      kind: "memory",
      signal: "SIGKILL",
      message: `was killed by the system, which had run out of memory${used}`,
      hint: "Say how much it needs, so that less runs beside it:  memory: '16GiB'  (it changes no ID).",
    };
  }
  if (signal !== undefined) {
    return {
      kind: "signal",
      message: `was killed by ${signal}`,
      signal,
      ...(signal === "SIGKILL"
        ? { hint: "Nobody here sent it; most often the system had run out of memory." }
        : {}),
    };
  }
  const how = { exitCode: exitCode! };
  const hint = hintForMissing(runnable.argv, staged.cwd, tail);
  return (
    toolFailure(runnable.tools, exitCode!, tail) ??
    notFound(exitCode!, tail, staged, runnable) ??
    exhausted(exitCode!, tail, staged) ?? {
      kind: "exit",
      message:
        exitCode! > 128 && exitCode! <= 128 + 64
          ? `exit ${exitCode} (a program in it was ended by signal ${exitCode! - 128})`
          : `exit ${exitCode}`,
      ...how,
      ...(hint === undefined ? {} : { hint }),
    }
  );
}

/** Exits 126 and 127 of a shell: no such program, no interpreter for it, or not executable. */
function notFound(
  exitCode: number,
  tail: readonly string[],
  { cwd, env }: Staged,
  runnable: Runnable,
): Failure | undefined {
  if (exitCode !== 127 && exitCode !== 126) return undefined;
  // dash: "sh: 1: foo: not found"; bash: "foo: command not found"; both: "…: foo: Permission denied"
  const line =
    tail.findLast((text) =>
      /not found|No such file|Permission denied|bad interpreter|cannot execute/i.test(text),
    ) ?? "";
  const said =
    /(?:^|: )['"‘]?([^:\s'"‘’]+)['"’]?: (?:command )?(?:not found|No such file|Permission denied|bad interpreter|cannot execute)/i.exec(
      line,
    )?.[1];
  const program = said ?? runnable.argv[0]!;
  if (program.includes("/")) {
    const path = isAbsolute(program) ? program : join(cwd, program);
    const interpreter = existsSync(path) ? interpreterOf(path) : undefined;
    if (interpreter !== undefined && isAbsolute(interpreter) && !existsSync(interpreter)) {
      return {
        kind: "not-found",
        exitCode,
        message: `${program} names an interpreter that is not here: ${interpreter} (exit ${exitCode})`,
        hint: `Install it, or call the program through one that is there, e.g.  sh ${program}.`,
      };
    }
    if (!existsSync(path)) {
      return {
        kind: "not-found",
        exitCode,
        message: `no such file: ${program} (exit ${exitCode})`,
        hint: "Only what the spec declares is in the working directory: list it under  files: files('…').",
      };
    }
  }
  if (exitCode === 126) {
    return {
      kind: "not-found",
      exitCode,
      message: `cannot execute ${program} (exit 126)`,
      hint: "It must be a program, or a script with a #! line, that may be executed.",
    };
  }
  return {
    kind: "not-found",
    exitCode,
    message: `command not found: ${program} (exit 127)`,
    hint: `Steps search PATH=${env["PATH"]}. Install it there, or say where it is: env: { PATH: '…' } in the spec, or path in alamode.config.ts.`,
  };
}

function compact(bytes: number): string {
  return shownBytes(bytes).replace(" ", "");
}

/** A disk with less room than this is full, whatever the program could still say: its log may lie there too. */
const FULL_BYTES = 256 * 1024;

/** A program that says the system had run out of something, or for which the disk had. */
function exhausted(exitCode: number, tail: readonly string[], { top, env }: Staged): Failure | undefined {
  const text = tail.join("\n");
  const free = freeBytes(env["TMPDIR"] ?? top);
  if (
    /No space left on device|ENOSPC|Disk quota exceeded|EDQUOT/.test(text) ||
    (free ?? FULL_BYTES) < FULL_BYTES
  ) {
    return {
      kind: "no-space",
      exitCode,
      message: `ran out of disk space (exit ${exitCode}${free === undefined ? "" : `; ${Math.floor(free / 2 ** 20)} MiB are free where it worked`})`,
      hint: "Free some space, or put the store on a larger disk with --store.",
    };
  }
  if (/Too many open files|EMFILE|ENFILE/.test(text)) {
    return {
      kind: "exit",
      exitCode,
      message: `had too many open files (exit ${exitCode})`,
      hint: "Raise the limit with  ulimit -n  before the run, or run fewer at once with --jobs.",
    };
  }
  return undefined;
}

/** Codes of errors that a step can meet, where they say what kind of failure that is. */
const KINDS: Readonly<Record<string, FailureKind>> = {
  "bad-output": "bad-output",
  "secret-in-output": "bad-output",
  "no-space": "no-space",
  aborted: "interrupted",
  "source-changed": "source-changed",
  "source-unavailable": "source-unavailable",
  "fetch-failed": "source-unavailable",
  "store-unreachable": "store-unavailable",
  "making-lost": "store-unavailable",
};

/** A failure of the engine's surroundings while it staged, hashed or committed; undefined for anything else, which is a bug. */
export function engineFailure(error: unknown): Failure | undefined {
  if (errnoOf(error) === "E2BIG") {
    return {
      kind: "engine",
      message: "its command and environment are longer than the system allows",
      hint: "Put the command into a script and list it under files.",
    };
  }
  const told = error instanceof AlamodeError ? error : systemError(error, "taking the step");
  if (told instanceof AlamodeError) {
    const kind = KINDS[told.code] ?? "engine";
    const { path } = told.facts;
    const where = path === undefined || told.message.includes(String(path)) ? "" : `: ${path}`;
    return { kind, message: told.message + where, ...(told.hint === undefined ? {} : { hint: told.hint }) };
  }
  if (error instanceof Error && error.name === "AbortError")
    return { kind: "interrupted", message: "was stopped" };
  if (error instanceof Error && error.name === "TimeoutError")
    return { kind: "timeout", message: "ran longer than its timeout and was ended" };
  return undefined;
}

function interpreterOf(path: string): string | undefined {
  if (!statSync(path).isFile()) return undefined;
  const [first = ""] = readFileSync(path).subarray(0, 256).toString("latin1").split("\n");
  return /^#!\s*(\S+)/.exec(first)?.[1];
}

function freeBytes(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

// Starts the built CLI as a person would: a process of its own, in a folder, with its words read back.
// ALAMODE_TEST_NODE names the Node.js that runs it, so that one suite covers every supported version.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** The Node.js that the CLI under test runs on. */
export const cliNode = process.env["ALAMODE_TEST_NODE"] || process.execPath;

/** The built entry point, `dist/cli/main.js`. */
export const cliMain = join(import.meta.dirname, "../dist/cli/main.js");

export interface CliOptions {
  readonly cwd: string;
  /** Added to the environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Given on standard input, which is empty otherwise. */
  readonly input?: string | Uint8Array;
  /** In a process group of its own, so that `process.kill(-pid)` reaches the whole of it. */
  readonly detached?: boolean;
  /** Who runs it, where the caller is root; the folder must be theirs. */
  readonly uid?: number;
  /** Another Node.js than `cliNode`. */
  readonly node?: string;
  /** A program and its first arguments, which is given the command line to run: `["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]`. */
  readonly under?: readonly string[];
  /** Ended with SIGKILL after that long: only so that a hang is told as one. 120,000 unless given. */
  readonly hangMs?: number;
}

export interface CliResult {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What was printed so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves as soon as stdout or stderr holds `what`; rejects with all that was printed if the process ends first. */
  prints(what: string | RegExp): Promise<void>;
  readonly ended: Promise<CliResult>;
}

/** The caller's environment without what would change the CLI's mind (ALAMODE_*, the test runner's own variables). */
export function cliEnv(env: CliOptions["env"] = {}): NodeJS.ProcessEnv {
  const result: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries({ ...process.env, ...env })) {
    const given = name in env;
    if (value === undefined) continue;
    if (
      !given &&
      /^(ALAMODE_|NODE_TEST_CONTEXT$|NODE_OPTIONS$|NODE_V8_COVERAGE$|FORCE_COLOR$|npm_)/.test(name)
    )
      continue;
    result[name] = value;
  }
  return result;
}

/** Starts `alamode ...args` and returns while it runs. */
export function spawnCli(args: readonly string[], options: CliOptions): RunningCli {
  if (!existsSync(cliMain)) throw new Error(`${cliMain} is missing: npm run build`);
  const [program, ...rest] = [...(options.under ?? []), options.node ?? cliNode, cliMain, ...args];
  const child = spawn(program!, rest, {
    cwd: options.cwd,
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    env: cliEnv(options.env),
    detached: options.detached ?? false,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  const waiting = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8");
    child[name].on("data", (chunk: string) => {
      text[name] += chunk;
      for (const look of waiting) look();
    });
  }
  // A CLI that ends without reading its input breaks the pipe; its exit code says the rest.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const hang = setTimeout(() => child.kill("SIGKILL"), options.hangMs ?? 120_000);
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(hang);
      resolve({ code, signal, ...text });
      for (const look of waiting) look();
    });
  });
  const holds = (what: string | RegExp) =>
    [text.stdout, text.stderr].some((seen) =>
      typeof what === "string" ? seen.includes(what) : what.test(seen),
    );
  return {
    child,
    pid: child.pid!,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    prints: (what) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = holds(what);
          if (!found && child.exitCode === null && child.signalCode === null) return;
          waiting.delete(look);
          if (found) resolve();
          else
            reject(
              new Error(`ended without printing ${what}\nstdout: ${text.stdout}\nstderr: ${text.stderr}`),
            );
        };
        waiting.add(look);
        look();
      }),
    ended,
  };
}

/** Runs `alamode ...args` to its end. Never throws for an exit code. */
export function cli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return spawnCli(args, options).ended;
}

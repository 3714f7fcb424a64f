// What a command of the caller's prints: how a password store is asked.
import { execFile } from "node:child_process";

const LONGEST_MS = 60_000;

/** Its stdout; or why there is none, in words that follow "its command". What it printed is in no message. */
export function outputOfCommand(
  command: string | readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly output: string } | { readonly why: string }> {
  const [program, ...args] = typeof command === "string" ? ["/bin/sh", "-c", command] : command;
  return new Promise((done) => {
    const options = {
      env: { ...env },
      timeout: LONGEST_MS,
      encoding: "utf8",
      maxBuffer: 1024 * 1024,
    } as const;
    const child = execFile(program!, args, options, (error, output, errors) => {
      if (error === null) return done({ output });
      const last = errors.trim().split("\n").at(-1) ?? "";
      // What it printed may be the secret, though it failed after that.
      const printed = output.split("\n").map((line) => line.trim());
      const tells = printed.some((line) => line !== "" && last.includes(line));
      const said = last === "" || tells ? "" : `: ${last}`;
      if (error.killed) done({ why: `did not end within ${LONGEST_MS / 1000} s` });
      else if (typeof error.code === "number") done({ why: `ended with exit code ${error.code}${said}` });
      else done({ why: `cannot be run (${error.code ?? error.signal})` });
    });
    child.stdin?.end();
  });
}

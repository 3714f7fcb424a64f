// A program's version as part of a spec: what it says of itself where the pipeline is described, checked again where a step runs.

import { isUtf8 } from "node:buffer";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { AlamodeError } from "../errors.ts";
import { searchPath } from "./search-path.ts";

/** One entry of a spec's `tools`. */
export type ToolVersion = {
  /** A program and its arguments. */
  readonly command: readonly string[];
  /** What that prints, without line ends at its end. */
  readonly says: string;
};

const LONGEST_MS = 30_000;
const asked = new Map<string, ToolVersion>();

/**
 * What a program says of its version, for `tools` of a spec. It is looked for where steps look (`path` of alamode.config.ts):
 *
 *     dag.task('align', { command: 'bwa-mem2 mem …', tools: [tool('bwa-mem2', 'version'), tool('samtools', '--version')] });
 *
 * The ID depends on this text and on nothing else of the program. Throws `no-tool`.
 */
export function tool(program: string, ...args: string[]): ToolVersion {
  const command = [program, ...args];
  const path = searchPath();
  const key = JSON.stringify([path, command]);
  const known = asked.get(key) ?? ask(command, path);
  asked.set(key, known);
  return known;
}

function ask(command: readonly string[], path: string): ToolVersion {
  const called = `tool(${command.map((word) => JSON.stringify(word)).join(", ")})`;
  const fail = (what: string, hint: string) => new AlamodeError("no-tool", `${called}: ${what}.`, { hint });
  // In the surroundings of a step; programs say their version on either stream.
  const { status, signal, error, stdout } = spawnSync("/bin/sh", ["-c", 'exec "$@" 2>&1', "sh", ...command], {
    cwd: tmpdir(),
    env: { PATH: path, HOME: tmpdir(), LANG: "C.UTF-8", TZ: "UTC" },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: LONGEST_MS,
  });
  if (error !== undefined || signal !== null) {
    const why = signal === null ? String(error?.message) : `it was ended by ${signal}`;
    throw fail(`it cannot be asked: ${why}`, "It must print its version and end.");
  }
  if (status === 127 || status === 126) {
    const words = command.join(" ").trim().split(/\s+/);
    throw fail(
      `there is no such program on PATH=${path}`,
      /\s/.test(command[0]!)
        ? `Write its arguments one by one:  tool(${words.map((word) => JSON.stringify(word)).join(", ")})`
        : "Install it there, or say where it is: path in alamode.config.ts.",
    );
  }
  if (status !== 0) {
    const said = stdout.toString().trim().split("\n").at(-1) ?? "";
    throw fail(
      `it ended with exit code ${status}${said === "" ? "" : `: ${said}`}`,
      "Ask it otherwise, or make it end well:  tool('/bin/sh', '-c', 'bwa 2>&1 | grep Version')",
    );
  }
  const says = stdout.toString().replace(/\n+$/, "");
  if (!isUtf8(stdout) || says.includes("\0")) throw fail("what it says is no text", "Ask it otherwise.");
  if (says === "") throw fail("it says nothing", "Ask it otherwise: often it is --version.");
  return { command, says };
}

// A project folder as a user has one: a pipeline, a store and a record, and the CLI called in it.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import {
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { removeTree } from "../../src/store/remove.ts";
import { type CliOptions, type CliResult, cli, type RunningCli, spawnCli } from "../cli-runner.ts";

/** The user that tests become where they start as root: root may read and write everything, and so hides faults. */
export const NOBODY = 65534;

export const isRoot = process.getuid?.() === 0;

type Options = Omit<CliOptions, "cwd"> & { readonly cwd?: string };

export interface Project {
  /** Absolute, without links. */
  readonly dir: string;
  /** Writes a file; folders above it are made. */
  write(path: string, text: string): void;
  read(path: string): string;
  /** Runs `alamode ...args` to its end. */
  alamode(args: readonly string[], options?: Options): Promise<CliResult>;
  /** The same, which must end with exit code 0. Returns stdout. */
  done(args: readonly string[], options?: Options): Promise<string>;
  start(args: readonly string[], options?: Options): RunningCli;
}

/** A folder of this test's own, with these files, removed after it. With `uid`, all in it and all calls are that user's. */
export function project(
  t: Pick<TestContext, "after">,
  files: Readonly<Record<string, string>> = {},
  { uid, in: parent = tmpdir() }: { readonly uid?: number; readonly in?: string } = {},
): Project {
  const dir = realpathSync(mkdtempSync(join(parent, "alamode-e2e-")));
  t.after(() => removeTree(dir));
  const own = (path: string) => uid !== undefined && chownSync(path, uid, uid);
  own(dir);
  const as = (options: Options): CliOptions => ({
    cwd: dir,
    ...(uid === undefined ? {} : { uid }),
    ...options,
  });
  const here: Project = {
    dir,
    write(path, text) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
      for (let made = join(dir, path); made !== dir; made = dirname(made)) own(made);
    },
    read: (path) => readFileSync(join(dir, path), "utf8"),
    alamode: (args, options = {}) => cli(args, as(options)),
    start: (args, options = {}) => spawnCli(args, as(options)),
    async done(args, options = {}) {
      const result = await cli(args, as(options));
      assert.equal(
        result.code,
        0,
        `alamode ${args.join(" ")}: exit ${result.code} ${result.signal ?? ""}\n${result.stdout}${result.stderr}`,
      );
      return result.stdout;
    },
  };
  // A package.json above the temporary folder must not be taken for this project's.
  here.write("package.json", '{ "type": "module", "private": true }\n');
  for (const [path, text] of Object.entries(files)) here.write(path, text);
  return here;
}

/** A pipeline module: `body` describes `dag`, which has the name `test`. */
export function pipeline(body: string): string {
  return `import { Dag, chain, files, json } from "a-la-mode";\nconst dag = new Dag({ name: "test" });\n${body}\nexport default dag;\n`;
}

export type Json = { readonly [key: string]: unknown };

/** The objects of `--json`, one a line. An unfinished last line, as a killed program leaves it, is no object. */
export function jsonLines(stdout: string): Json[] {
  return stdout
    .slice(0, stdout.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Json);
}

/** Events of one kind, in order. */
export function eventsOf(stdout: string, event: string): Json[] {
  return jsonLines(stdout).filter((line) => line["event"] === event);
}

/** Names of the tasks that ran, sorted. */
export function ranIn(stdout: string): string[] {
  return eventsOf(stdout, "task.ran")
    .map(({ task }) => String(task))
    .sort();
}

/** What lies at a path, to the byte, one line an entry: written apart from the program's own hashing on purpose. */
export function contentOf(path: string): string {
  const lines: string[] = [];
  const walk = (at: string, name: string) => {
    const stat = lstatSync(at);
    if (stat.isSymbolicLink()) lines.push(`${name} -> ${readlinkSync(at)}`);
    else if (stat.isDirectory()) {
      lines.push(`${name}/`);
      for (const entry of readdirSync(at).sort()) walk(join(at, entry), `${name}/${entry}`);
    } else lines.push(`${name} ${(stat.mode & 0o100) !== 0 ? "x" : "-"} ${hash("sha256", readFileSync(at))}`);
  };
  walk(path, "");
  return lines.join("\n");
}

/** A generator of numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

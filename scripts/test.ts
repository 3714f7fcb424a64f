// `npm test`: types, style and build, then the tests in phases, the first failing one ending it. Each phase is a process
// of its own (test-phase.ts); the counts of all of them are added up in one summary, the last thing printed.
// `--long` sets ALAMODE_LONG=1, by which tests do their long parts too.
import { fork, spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { openToAnyone } from "./readable-copy.ts";
import { addCounts, noCounts, type PhaseCounts, summary } from "./test-counts.ts";

const root = dirname(import.meta.dirname);
const long = process.argv.includes("--long");
const bin = (name: string) => join(root, "node_modules", name);
const started = performance.now();
let counts = noCounts;

/**
 * Run in the first phase only: they start servers, containers, shells or installers, or wait for the clock, and so take long,
 * and what they hold to depends neither on the version of Node.js nor on who runs it.
 */
const ONCE = [
  "e2e/completion",
  "e2e/container",
  "e2e/environments",
  "e2e/module-dag",
  "e2e/params",
  "e2e/postgres-store",
  "e2e/python-client",
  "e2e/s3",
  "e2e/schedule",
  "engine/container",
  "engine/round-trips",
  "faults/hosts",
  "faults/kill-shared",
  "faults/shared-record",
  "record/postgres",
  "record/postgres-server",
  "store/postgres",
  "store/s3",
];

/** Files below these folders of test/, but for those that are run once. */
function testFiles(...folders: string[]): string[] {
  const patterns = folders.map((name) => `test/${name}/**/*.test.ts`);
  const once = ONCE.map((name) => `test/${name}.test.ts`);
  return globSync(patterns, { cwd: root })
    .filter((path) => !once.includes(path))
    .sort();
}

function allTestFiles(): string[] {
  return globSync("test/**/*.test.ts", { cwd: root }).sort();
}

function title(text: string): void {
  console.log(`\n▶ ${text}`);
}

/** Runs a program to its end with our output; a failure ends the whole test. */
function must(...args: string[]): void {
  if (spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status !== 0) process.exit(1);
}

interface PhaseOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly execPath: string;
  /** The user to become; ours unless given. */
  readonly uid?: number;
}

/** Runs test files in a process of their own. Ends the whole test, with its summary, when one fails. */
async function phase(text: string, files: readonly string[], options: PhaseOptions): Promise<void> {
  title(text);
  if (files.length === 0) return console.log("  no such tests yet");
  const child = fork("scripts/test-phase.ts", [...files], {
    cwd: options.cwd,
    env: { ...options.env, ...(long ? { ALAMODE_LONG: "1" } : {}) },
    execPath: options.execPath,
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  let seen: PhaseCounts | undefined;
  child.on("message", (message) => {
    seen = message as PhaseCounts;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  if (seen !== undefined) counts = addCounts(counts, seen);
  if (code === 0 && seen !== undefined && seen.tests > 0) return;
  if (seen === undefined) console.log(`✖ ended without a result (exit ${code})`);
  finish(1);
}

function finish(code: number): never {
  console.log(summary(counts, performance.now() - started));
  process.exit(code);
}

title("types and style");
must(bin("typescript/bin/tsc"), "-p", "tsconfig.json", "--noEmit");
must(bin("@biomejs/biome/bin/biome"), "check", "--log-level=warn", ".");
title("build");
must("scripts/build.ts");

// Root may write anywhere, and so sees no fault of permissions: there, tests run as another user too, some by themselves
// and some in a phase of their own. For that the project has to lie where such a user can go.
const copy = process.getuid?.() === 0 ? openToAnyone(root) : undefined;
if (copy !== undefined) process.on("exit", copy.remove);
const { cwd, env, execPath } = copy ?? { cwd: root, env: process.env, execPath: process.execPath };

await phase(`all tests, on Node.js ${process.versions.node}`, allTestFiles(), { cwd, env, execPath });

const node24 = join(cwd, "node_modules/node24/bin/node");
const version24 = spawnSync(node24, ["--version"], { encoding: "utf8" }).stdout.trim().slice(1);
await phase(`the CLI on Node.js ${version24}`, testFiles("e2e", "faults"), {
  cwd,
  env: { ...env, ALAMODE_TEST_NODE: node24 },
  execPath,
});

if (copy !== undefined) {
  const uid = 65534;
  await phase("as a user who is not root", testFiles("engine", "store", "record", "e2e", "faults"), {
    cwd,
    env: copy.envOf(uid),
    uid,
    execPath,
  });
}
finish(0);

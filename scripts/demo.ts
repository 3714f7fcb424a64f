// The collage example, told step by step: run, run again, change the blur, run, change it back. Ends with an error if
// anything else ran than it says. Its store is `.alamode/demo`, or the folder given; it is emptied first. The CLI is
// compiled first, too, unless `--built` says that it is.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { removeTree } from "../src/store/remove.ts";

const root = dirname(import.meta.dirname);
const program = join(root, "dist/cli/main.js");
const { values, positionals } = parseArgs({
  options: { built: { type: "boolean" } },
  allowPositionals: true,
});
const folder = resolve(positionals[0] ?? join(root, ".alamode/demo"));
const record = join(folder, "record.db");
const pipeline = "examples/collage/pipeline.ts";

await main();

async function main(): Promise<void> {
  if (!values.built) build();
  await empty();

  say(
    "Nine old photographs, four tasks:",
    "",
    "  download_images ──┬── blur ─────────┬── collage",
    "                    └── edge_enhance ─┘",
    "",
    `The pipeline is ${pipeline}; its results go to ${here(folder)}.`,
  );

  chapter("1. The first run. Nothing has been made yet, so everything runs.");
  await alamode("run", { ran: 4, reused: 0 });

  chapter(
    "2. The same again. Each output has an ID, made from what its task is and what it is made from. All four are",
    "   recorded as done under theirs, so nothing runs.",
  );
  await alamode("run", { ran: 0, reused: 4 });

  chapter("3. Now blur three times as strongly. What would run, and why?");
  await alamode("status", undefined, "30");

  chapter(
    "4. So do it. The spec of blur has changed, and collage is made from blur: these two run. The photographs and",
    "   the drawn edges do not depend on blur: they are reused.",
  );
  await alamode("run", { ran: 2, reused: 2 }, "30");
  const strong = await outputOf("collage", "30");

  chapter("5. And back again. The first sheet was never thrown away, so nothing runs.");
  await alamode("run", { ran: 0, reused: 4 });
  const first = await outputOf("collage");

  say("", "Look at the pictures:", "");
  say(`  blurred by 10   ${here(first)}`);
  say(`  blurred by 30   ${here(strong)}`);
  say("", "Next: change a colour in examples/collage/steps/collage.mts, and ask again what would run:", "");
  const places = `--store ${here(folder)} --record ${here(record)}`;
  say(`  node_modules/.bin/node dist/cli/main.js status -f ${pipeline} ${places}`);
}

/** Empties the demo's folder; one that holds anything else than an earlier demo is left alone. */
async function empty(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0 && !existsSync(record)) {
    say(
      `${here(folder)} holds something that is not of this demo. Name a folder that is empty or not there.`,
    );
    process.exit(2);
  }
  await removeTree(folder);
  mkdirSync(folder);
}

function build(): void {
  const { status } = spawnSync(process.execPath, [join(root, "scripts/build.ts")], { stdio: "inherit" });
  if (status !== 0) process.exit(1);
}

interface Counts {
  readonly ran: number;
  readonly reused: number;
}

/** Shows the command and what it prints. `expected` is what the last line of a run has to say. */
async function alamode(command: "run" | "status", expected?: Counts, blur?: string): Promise<void> {
  say("", `   $ ${blur === undefined ? "" : `BLUR=${blur} `}alamode ${command} -f ${pipeline}`);
  const { all } = await perform([command], blur);
  say(all.trimEnd().replaceAll(/^(?=.)/gm, "   "));
  if (expected === undefined || isAsExpected(all, expected)) return;
  say("", `That is not what this demo says happens: ${expected.ran} run, ${expected.reused} reused.`);
  process.exit(1);
}

/** Absolute path of the task's output. */
async function outputOf(task: string, blur?: string): Promise<string> {
  const { stdout } = await perform(["path", task], blur);
  return resolve(root, stdout.trim());
}

/** Runs the built program on the example to its end. Ends the demo, with all that was printed, if it fails. */
async function perform(args: readonly string[], blur?: string): Promise<{ stdout: string; all: string }> {
  const [command = "", ...rest] = args;
  const child = spawn(process.execPath, [program, command, "-f", pipeline, ...rest], {
    cwd: root,
    env: { ...process.env, ALAMODE_STORE: folder, ALAMODE_RECORD: record, BLUR: blur ?? "10" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", all: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (chunk: string) => {
      if (stream === "stdout") text.stdout += chunk;
      text.all += chunk;
    });
  }
  const code = await new Promise<number | null>((ended) => child.on("close", ended));
  if (code !== 0) {
    say(text.all);
    process.exit(code ?? 1);
  }
  return text;
}

function isAsExpected(told: string, { ran, reused }: Counts): boolean {
  const count = (word: string) => Number(new RegExp(`tasks:.*\\b(\\d+) ${word}`).exec(told)?.[1] ?? 0);
  return count("ran") === ran && count("reused") === reused && count("failed") === 0;
}

function chapter(...lines: readonly string[]): void {
  say("", ...lines);
}

function say(...lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

function here(path: string): string {
  const below = relative(process.cwd(), path);
  return below.startsWith("..") ? path : below;
}

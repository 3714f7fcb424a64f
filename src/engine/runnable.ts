// What a spec asks of the engine: checked before anything runs, all problems at once.
import { posix } from "node:path";
import type { Bnormal } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import { parseJson } from "../plan/json-parse.ts";
import { shellQuoted } from "../plan/shell-quoted.ts";
import { parseS3Digest } from "../plan/source-s3.ts";
import type { ToolVersion } from "../plan/tool.ts";
import type { PlanTask } from "../plan/types.ts";
import { MODULE_FOLDER, type ModuleCall, moduleArgv, moduleReads } from "./module-staging.ts";
import { SQL_FOLDER, sqlArgv, sqlReads } from "./sql-staging.ts";
import { toolsOf } from "./tools.ts";

/** A task the bundled engine can run. */
export interface Runnable {
  readonly argv: readonly string[];
  /** The command as its author wrote it, for people. */
  readonly shown: string;
  readonly env: Readonly<Record<string, string>>;
  /** Relative path → sha256 of the data that the task is, or what S3 calls it, where it is data: then nothing is run. "" is a lone file. */
  readonly source: Readonly<Record<string, string>> | undefined;
  /** Relative path → sha256. */
  readonly files: Readonly<Record<string, string>>;
  /** Text: `$OUTPUT` is that file in the output folder. List: `$OUTPUT` is the folder and must hold these. */
  readonly produces: string | readonly string[] | undefined;
  readonly image: string | undefined;
  /** The function that is called, where the task is one. */
  readonly module: ModuleCall | undefined;
  /** Statements that are performed in the database that its output goes to, where it is SQL. */
  readonly sql: string | undefined;
  /** Absolute paths of the engine's own that its program consists of: a sandbox lets them be read. */
  readonly reads: readonly string[];
  /** Whether it may reach the network from within a sandbox. */
  readonly network: boolean;
  /** Whether what it makes is a plan, whose result is its own. */
  readonly expand: boolean;
  /** Programs that must say what they said where the pipeline was described. */
  readonly tools: readonly ToolVersion[];
}

/** One for all tasks that say nothing: of a hundred thousand that run, each would keep its own. */
const NO_TEXTS: Readonly<Record<string, string>> = Object.freeze({});
const NOTHING: readonly string[] = Object.freeze([]);

/** Reads a task's spec. Throws `bad-task` with every problem of it. */
export function runnableOf(name: string, task: PlanTask): Runnable {
  const problems: string[] = [];
  const problem = (key: string, what: string) => problems.push(`spec.${key}: ${what}`);
  const { command, produces, image } = task;
  const source = task["source"] === undefined ? undefined : sourceOf(task, problem);

  let argv: string[] = [];
  const sql = sqlOf(task["sql"], problem);
  const module = task["module"] === undefined ? undefined : moduleCall(task, problem);
  if (task["module"] !== undefined) {
    argv = moduleArgv();
    if (command !== undefined) problem("command", "and spec.module cannot both be there");
    if (task["sql"] !== undefined) problem("sql", "and spec.module cannot both be there");
  } else if (sql !== undefined) {
    if (command !== undefined) problem("command", "and spec.sql cannot both be there");
    if (produces !== undefined) problem("produces", "names files, and what spec.sql makes is tables");
    argv = sqlArgv();
  } else if (command === undefined) {
    if (source === undefined && task["sql"] === undefined) problems.push('it has no "command"');
  } else if (typeof command === "string") argv = ["/bin/sh", "-ec", command];
  else if (isTexts(command) && command.length > 0 && command[0] !== "") argv = [...command];
  else problem("command", "must be text for /bin/sh, or a list of texts that begins with a program");
  if (argv.some((part) => part.includes("\0")))
    problem("command", "holds a NUL character, which no program can be given");

  const env = textMap(task["env"], "env", problem);
  for (const key of Object.keys(env)) {
    if (key === "" || /[=\0]/.test(key)) problem(`env.${key}`, "is no name a variable can have");
    if (env[key]!.includes("\0")) problem(`env.${key}`, "holds a NUL character");
    if (["OUTPUT", "INPUTS", "ALAMODE_STEP"].includes(key)) problem(`env.${key}`, "is set by the engine");
  }
  const files = textMap(task["files"], "files", problem);
  for (const [path, sha256] of Object.entries(files)) {
    if (!isInside(path)) problem(`files.${path}`, "must be a path inside the working directory");
    else if (path === "inputs" || path.startsWith("inputs/"))
      problem(`files.${path}`, "inputs/ holds the dependencies");
    else if (module !== undefined && path.split("/")[0] === MODULE_FOLDER)
      problem(`files.${path}`, `${MODULE_FOLDER}/ holds the module`);
    else if (sql !== undefined && path.split("/")[0] === SQL_FOLDER)
      problem(`files.${path}`, `${SQL_FOLDER}/ holds the statements`);
    if (!/^[0-9a-f]{64}$/.test(sha256))
      problem(`files.${path}`, "must be a sha256: write  files: files('fit.py', 'lib/**')");
  }
  if (
    typeof produces === "string"
      ? !isInside(produces)
      : produces !== undefined && !(isTexts(produces) && produces.every(isInside))
  ) {
    problem("produces", "must be a path inside the output folder, or a list of such paths");
  }
  const { network, expand } = task;
  if (expand !== undefined && expand !== 0 && expand !== 1) problem("expand", "must be 1 or 0");
  if (network !== undefined && network !== 0 && network !== 1) problem("network", "must be 1 or 0");
  if (image !== undefined && typeof image !== "string") problem("image", "must be text");
  const tools = toolsOf(task["tools"], problem);
  if (problems.length > 0) {
    throw new AlamodeError("bad-task", `task "${name}" cannot be run: ${problems.join("; ")}`, {
      hint: "Correct the spec. What a task may hold is in docs/TASKS.md.",
    });
  }
  return {
    argv,
    shown: sql ?? (typeof command === "string" ? command : argv.map(quoted).join(" ")),
    source,
    env,
    files,
    produces: produces as Runnable["produces"],
    image: image as string | undefined,
    module,
    sql,
    reads: module !== undefined ? moduleReads(module) : sql !== undefined ? sqlReads() : NOTHING,
    network: network === 1 || sql !== undefined, // for the way to the server; the statements have no other
    expand: expand === 1,
    tools,
  };
}

function sqlOf(sql: Bnormal | undefined, problem: (key: string, what: string) => void): string | undefined {
  if (sql === undefined || (typeof sql === "string" && !sql.includes("\0"))) return sql;
  problem("sql", "must be text without NUL characters: statements that end in semicolons");
  return undefined;
}

function moduleCall(task: PlanTask, problem: (key: string, what: string) => void): ModuleCall | undefined {
  const { module, export: name = "default", args = "{}" } = task;
  if (typeof module !== "string" || !/^[0-9a-f]{64}$/.test(module))
    problem("module", "must be 64 hex digits: write it with module()");
  else if (typeof name !== "string") problem("export", "must be text");
  else if (typeof args !== "string" || !isJson(args))
    problem("args", "must be JSON text: write it with module()");
  else return { module, export: name, args, expand: task["expand"] === 1 };
  return undefined;
}

/** A task that is data: it runs nothing, and so depends on nothing. */
function sourceOf(task: PlanTask, problem: (key: string, what: string) => void): Record<string, string> {
  const source = textMap(task["source"], "source", problem);
  const paths = Object.keys(source);
  if (paths.length === 0) problem("source", "names no data: write it with source()");
  for (const path of paths) {
    if (path === "" ? paths.length > 1 : !isInside(path))
      problem(`source.${path}`, "must be a path inside the output folder");
    if (!/^[0-9a-f]{64}$/.test(source[path]!) && parseS3Digest(source[path]!) === undefined)
      problem(`source.${path}`, "must be a sha256: write it with source()");
  }
  for (const key of ["command", "module", "sql", "files", "produces", "expand"])
    if (key in task) problem(key, "and spec.source cannot both be there");
  if (Object.keys(task.inputs).length > 0) problem("source", "is data, which depends on nothing");
  return source;
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}

function isInside(path: string): boolean {
  return (
    path !== "" &&
    path !== "." &&
    !path.includes("\0") &&
    !posix.isAbsolute(path) &&
    posix.normalize(path) === path &&
    path !== ".." &&
    !path.startsWith("../") &&
    !path.endsWith("/")
  );
}

function isMap(value: Bnormal | undefined): value is { readonly [key: string]: Bnormal } {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function isTexts(value: Bnormal): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function textMap(
  value: Bnormal | undefined,
  key: string,
  problem: (key: string, what: string) => void,
): Readonly<Record<string, string>> {
  if (value === undefined) return NO_TEXTS;
  if (!isMap(value)) {
    problem(key, "must be a map of texts");
    return NO_TEXTS;
  }
  const texts: Record<string, string> = Object.create(null);
  for (const [name, text] of Object.entries(value)) {
    if (typeof text === "string") texts[name] = text;
    else if (typeof text === "number" || typeof text === "bigint") texts[name] = String(text);
    else problem(`${key}.${name}`, "must be text");
  }
  return texts;
}

/** A word as one would type it at a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : shellQuoted(word);
}

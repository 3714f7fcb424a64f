// What a spec and its options ask of the engine: checked before anything runs, all problems at once.
import { posix } from "node:path";
import type { Bnormal } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import { parseJson } from "../plan/json-parse.ts";
import { nearNames } from "../plan/near.ts";
import { type Place, placeOf } from "../plan/places.ts";
import { parseS3Digest } from "../plan/source-s3.ts";
import type { Plan, PlanTask } from "../plan/types.ts";
import { MODULE_FOLDER, type ModuleCall, moduleArgv, moduleReads } from "./module-staging.ts";

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
  /** Absolute paths of the engine's own that its program consists of: a sandbox lets them be read. */
  readonly reads: readonly string[];
  /** Whether it may reach the network from within a sandbox. */
  readonly network: boolean;
  /** Whether what it makes is a plan, whose result is its own. */
  readonly expand: boolean;
}

/** How a task is run. Changes no ID. Durations in ms. */
export interface TaskOptions {
  readonly retries: number;
  readonly backoffMs: number;
  readonly timeoutMs: number | undefined;
  /** Names, or patterns with `*`, of the caller's variables handed to the step. */
  readonly pass: readonly string[];
  /** Where the data of a source task is to be had. */
  readonly place?: Place;
}

const KNOWN_OPTIONS = ["retries", "backoff", "timeout", "pass"];

/** Reads a task's spec. Throws `bad-task` with every problem of it. */
export function runnableOf(name: string, task: PlanTask): Runnable {
  const problems: string[] = [];
  const problem = (key: string, what: string) => problems.push(`spec.${key}: ${what}`);
  const { command, produces, image } = task;
  const source = task["source"] === undefined ? undefined : sourceOf(task, problem);

  let argv: string[] = [];
  const module = task["module"] === undefined ? undefined : moduleCall(task, problem);
  if (task["module"] !== undefined) {
    argv = moduleArgv();
    if (command !== undefined) problem("command", "and spec.module cannot both be there");
  } else if (command === undefined) {
    if (source === undefined) problems.push('it has no "command"');
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
    if (!/^[0-9a-f]{64}$/.test(sha256)) problem(`files.${path}`, "must be a sha256: write it with files()");
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
  if (problems.length > 0) {
    throw new AlamodeError("bad-task", `task "${name}" cannot be run: ${problems.join("; ")}`, {
      hint: "Correct the spec. What a task may hold is in the README under “A task”.",
    });
  }
  return {
    argv,
    shown: typeof command === "string" ? command : argv.map(quoted).join(" "),
    source,
    env,
    files,
    produces: produces as Runnable["produces"],
    image: image as string | undefined,
    module,
    reads: module === undefined ? [] : moduleReads(module),
    network: network === 1,
    expand: expand === 1,
  };
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
  for (const key of ["command", "module", "files", "produces", "expand"])
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

/** Reads `meta.options[task]`. Throws `bad-options`. */
export function optionsOf(plan: Plan, name: string): TaskOptions {
  const all = plan.meta["options"];
  const raw = isMap(all) ? all[name] : undefined;
  const found = placeOf(plan, name);
  const place = found === undefined ? {} : { place: found };
  if (raw === undefined) return { retries: 0, backoffMs: 1000, timeoutMs: undefined, pass: [], ...place };
  const fail = (what: string, hint: string): never => {
    throw new AlamodeError("bad-options", `options of task "${name}": ${what}`, { hint });
  };
  if (!isMap(raw)) return fail("must be a map", "Write e.g. { retries: 2 }.");
  for (const key of Object.keys(raw)) {
    if (KNOWN_OPTIONS.includes(key)) continue;
    const [meant] = nearNames(key, KNOWN_OPTIONS);
    fail(
      `"${key}" is not an option`,
      meant ? `Did you mean "${meant}"?` : `There are ${KNOWN_OPTIONS.join(", ")}.`,
    );
  }
  const retries = raw["retries"] ?? 0;
  if (typeof retries !== "number" || retries < 0)
    fail("retries must be a whole number from 0", "Write e.g. { retries: 2 }.");
  const pass = typeof raw["pass"] === "string" ? [raw["pass"]] : (raw["pass"] ?? []);
  if (!isTexts(pass)) fail("pass must be a list of names", "Write e.g. { pass: ['TOKEN', 'AWS_*'] }.");
  const duration = (key: string, otherwise: number | undefined) => {
    const value = raw[key];
    if (value === undefined) return otherwise;
    const ms = durationMs(value);
    return (
      ms ?? fail(`${key} must be a duration`, `Write seconds, or text such as '90s', '10m', '2h', '1d'.`)
    );
  };
  return {
    retries: retries as number,
    backoffMs: duration("backoff", 1000) as number,
    timeoutMs: duration("timeout", undefined),
    pass: pass as readonly string[],
    ...place,
  };
}

/** The caller's variables that `pass` names. */
export function passed(
  pass: readonly string[],
  callerEnv: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const pattern of pass) {
    const matches = new RegExp(`^${pattern.split("*").map(escaped).join(".*")}$`, "s");
    for (const [name, value] of Object.entries(callerEnv)) {
      if (value !== undefined && matches.test(name)) found[name] = value;
    }
  }
  return found;
}

/** Whole seconds, or text such as `500ms`, `90s`, `10m`, `2h`, `1d`, in milliseconds; undefined for anything else. */
function durationMs(value: Bnormal): number | undefined {
  if (typeof value === "number" && value > 0) return value * 1000;
  const [, digits, unit] = (typeof value === "string" && /^(\d+)\s*(ms|s|m|min|h|d)$/.exec(value)) || [];
  const ms = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }[unit ?? ""];
  return ms === undefined || Number(digits) === 0 ? undefined : Number(digits) * ms;
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

function textMap(value: Bnormal | undefined, key: string, problem: (key: string, what: string) => void) {
  if (value === undefined) return {};
  if (!isMap(value)) {
    problem(key, "must be a map of texts");
    return {};
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
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

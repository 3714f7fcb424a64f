// Where secrets are: what the option `secrets` says. A reference is no secret, and lies in plans and configurations; values never do.
import { accessSync, constants, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { AlamodeError } from "../../errors.ts";
import { findProject } from "../../plan/project-folder.ts";
import { outputOfCommand } from "./output-of-command.ts";

/** One of three: a variable of the caller's, a file's content, or what a command prints. */
export type SecretReference =
  | { readonly env: string }
  /** `~` is the caller's home; relative paths start in the project. */
  | { readonly file: string }
  /** Text for `/bin/sh -c`, or a program and its arguments; run here, as the caller, before the step. */
  | { readonly command: string | readonly string[] };

/** Variable of the step → where its value is. */
export type SecretReferences = { readonly [variable: string]: SecretReference };

/** Variables that are set by the engine, or decide what runs. */
const RESERVED = new Set(["OUTPUT", "INPUTS", "INPUT_IDS", "ALAMODE_STEP", "HOME", "TMPDIR", "PATH"]);

/** What a plan or configuration says, checked; undefined for what is no such map. */
export function secretReferences(value: unknown): SecretReferences | undefined {
  if (!isMap(value)) return undefined;
  const found: Record<string, SecretReference> = Object.create(null);
  for (const [variable, reference] of Object.entries(value)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable) || RESERVED.has(variable) || !isMap(reference))
      return undefined;
    const [[kind, what] = [], ...more] = Object.entries(reference);
    if (more.length > 0) return undefined;
    if ((kind === "env" || kind === "file" || kind === "command") && isText(what))
      found[variable] = { [kind]: what } as SecretReference;
    else if (kind === "command" && Array.isArray(what) && what.length > 0 && what.every(isText))
      found[variable] = { command: what };
    else return undefined;
  }
  return found;
}

/** Why a secret cannot be had, as far as can be told without running anything; undefined where nothing speaks against it. */
export function whyMissing(
  reference: SecretReference,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if ("env" in reference) {
    const value = env[reference.env];
    if (value === undefined) return `the variable ${reference.env} is not set`;
    return value === "" ? `the variable ${reference.env} is empty` : undefined;
  }
  if (!("file" in reference)) return undefined;
  try {
    accessSync(placeOf(reference.file, env), constants.R_OK);
    return undefined;
  } catch (error) {
    return `the file ${reference.file} cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}

/**
 * The value: one line's end at its end is no part of it. Throws `secret-missing`, whose message names the variable and the
 * reference, and never what was found.
 */
export async function secretValue(
  variable: string,
  reference: SecretReference,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const missing = (why: string) => secretMissing([`${variable}: ${why}`]);
  const why = whyMissing(reference, env);
  if (why !== undefined) throw missing(why);
  let value: string;
  if ("env" in reference) value = env[reference.env]!;
  else if ("file" in reference) value = readFileSync(placeOf(reference.file, env), "utf8");
  else {
    const printed = await outputOfCommand(reference.command, env);
    if ("why" in printed) throw missing(`its command ${printed.why}`);
    value = printed.output;
  }
  if (!("env" in reference)) value = value.replace(/\r?\n$/, "");
  if (value === "")
    throw missing("file" in reference ? `the file ${reference.file} is empty` : "its command prints nothing");
  if (value.includes("\0")) throw missing("it holds a NUL byte, which no variable can");
  return value;
}

/** The error for secrets that cannot be had; `problems` name each, with why. */
export function secretMissing(problems: readonly string[], task?: string): AlamodeError {
  const of = task === undefined ? "" : ` of task "${task}"`;
  return new AlamodeError(
    "secret-missing",
    `${problems.length === 1 ? "a secret" : "secrets"}${of} cannot be had: ${problems.join("; ")}`,
    {
      hint: "Where it is said: the option `secrets` of the task, or of a pattern in alamode.config.ts.",
    },
  );
}

function placeOf(file: string, env: Readonly<Record<string, string | undefined>>): string {
  const home = env["HOME"] || homedir();
  return file === "~" || file.startsWith("~/")
    ? resolve(home, file.slice(2))
    : resolve(findProject(process.cwd()), file);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !value.includes("\0");
}

function isMap(value: unknown): value is { readonly [key: string]: unknown } {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

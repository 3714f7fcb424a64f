// What inputs bring along for a step that reads them: an output with `alamode-env.json` at its top is an environment, whichever
// task made it. Only the tree says so, so that equal resolved keys mean equal surroundings. The file: docs/FORMAT.md.
import { existsSync, lstatSync, readFileSync, symlinkSync } from "node:fs";
import os from "node:os";
import { delimiter, isAbsolute, join, normalize } from "node:path";
import { sortUtf8 } from "../bencode/order.ts";
import { AlamodeError } from "../errors.ts";

export const ENVIRONMENT_FILE = "alamode-env.json";

export interface Environment {
  /** Name → folders below the output, which go before what the variable holds; or text, where nothing else sets it. */
  readonly variables: Readonly<Record<string, readonly string[] | string>>;
  /** Name in the working directory → path below the output. */
  readonly links: Readonly<Record<string, string>>;
  /** As `uname` says it, where what it holds runs on that only. */
  readonly platform?: string;
}

/** An input that is an environment. */
export interface Brought extends Environment {
  /** The dependency's name. */
  readonly name: string;
  /** Its file name below `inputs/`. */
  readonly file: string;
}

/** Variables that are the engine's own. */
const RESERVED = new Set(["OUTPUT", "INPUTS", "INPUT_IDS", "ALAMODE_STEP", "HOME", "TMPDIR"]);

/**
 * The environments among the inputs (dependency name → absolute path), ordered by the names' UTF-8 bytes: of two that bring the
 * same, the first one wins. Those are not looked at that `mayBring` knows to be none. Throws `bad-environment`, `wrong-platform`.
 */
export function environmentsAmong(
  inputs: Readonly<Record<string, string>>,
  fileOf: (name: string) => string,
  mayBring: (name: string) => boolean,
): Brought[] {
  const found = Object.keys(inputs).filter(
    // Where a store keeps outputs that are no files, an input is a name, and nothing that could be one.
    (name) =>
      mayBring(name) && isAbsolute(inputs[name]!) && existsSync(join(inputs[name]!, ENVIRONMENT_FILE)),
  );
  return sortUtf8(found).map((name) => {
    const environment = environmentOf(name, readFileSync(join(inputs[name]!, ENVIRONMENT_FILE), "utf8"));
    const { platform } = environment;
    if (platform !== undefined && platform !== thisPlatform()) {
      throw new AlamodeError(
        "wrong-platform",
        `its input "${name}" holds programs for ${platform}, and this machine is ${thisPlatform()}`,
        {
          hint: `Make it an environment of its own for each platform:  { platform: "${thisPlatform()}" }  in what describes it.`,
        },
      );
    }
    return { name, file: fileOf(name), ...environment };
  });
}

/** The variables of a step, with what environments add to them. `inputs`: the folder of that name, as the step sees it. */
export function withEnvironments(
  env: Readonly<Record<string, string>>,
  brought: readonly Brought[],
  inputs: string,
): Record<string, string> {
  const folders = new Map<string, string[]>();
  const texts = new Map<string, string>();
  for (const { name, file, variables } of brought) {
    for (const [variable, value] of Object.entries(variables)) {
      if (typeof value === "string") {
        if (!texts.has(variable)) texts.set(variable, value);
        continue;
      }
      const all = folders.get(variable) ?? [];
      folders.set(variable, all);
      for (const folder of value) all.push(noDelimiter(name, join(inputs, file, folder)));
    }
  }
  const result: Record<string, string> = { ...Object.fromEntries(texts), ...env };
  for (const [variable, all] of folders)
    result[variable] = [...all, ...(result[variable] ? [result[variable]] : [])].join(delimiter);
  return result;
}

/** Puts the environments' links into the working directory, where nothing lies yet. Returns their names. */
export function placeLinks(brought: readonly Brought[], cwd: string): string[] {
  const placed: string[] = [];
  for (const { file, links } of brought) {
    for (const [link, path] of Object.entries(links)) {
      if (lstatSync(join(cwd, link), { throwIfNoEntry: false }) !== undefined) continue;
      symlinkSync(join("inputs", file, path), join(cwd, link));
      placed.push(link);
    }
  }
  return placed;
}

/** Reads the file of the input `name`. Throws `bad-environment`. */
export function environmentOf(name: string, text: string): Environment {
  const fail = (what: string): never => {
    throw new AlamodeError(
      "bad-environment",
      `its input "${name}" is no environment that can be used: ${ENVIRONMENT_FILE} ${what}`,
      {
        hint: "What it may say is in docs/FORMAT.md; an output that is no environment must not hold a file of that name.",
      },
    );
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return fail("is not JSON");
  }
  if (!isMap(parsed)) return fail("does not hold a map");
  const { variables = {}, links = {}, platform, ...others } = parsed;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return fail(`holds "${unknown}", which means nothing here`);
  if (!isMap(variables)) return fail("has variables that are no map");
  for (const [variable, value] of Object.entries(variables)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable))
      fail(`sets "${variable}", which is no name of a variable`);
    if (RESERVED.has(variable)) fail(`sets ${variable}, which the engine sets`);
    const right =
      typeof value === "string" ? !value.includes("\0") : Array.isArray(value) && value.every(isInside);
    if (!right) fail(`sets ${variable} neither to text nor to a list of paths inside the output`);
    if (variable === "PATH" && typeof value === "string")
      fail("sets PATH to text: it must be a list of folders");
  }
  if (!isMap(links)) return fail("has links that are no map");
  for (const [link, path] of Object.entries(links)) {
    if (!isInside(link) || /[/]/.test(link) || link === "." || link === "inputs")
      fail(`links "${link}", which is no name in the working directory`);
    if (!isInside(path)) fail(`links "${link}" to what is no path inside the output`);
  }
  if (platform !== undefined && typeof platform !== "string") return fail("has a platform that is no text");
  return {
    variables: variables as Environment["variables"],
    links: links as Environment["links"],
    ...(platform === undefined ? {} : { platform }),
  };
}

let known: string | undefined;

/** This machine as `uname` says it: `linux-x86_64`, `darwin-arm64`; with `-musl` where the C library is that. */
export function thisPlatform(): string {
  if (known === undefined) {
    let libc = "";
    if (process.platform === "linux") {
      // Otherwise it would look up the names of all addresses; not in @types/node yet.
      const report = process.report as typeof process.report & { excludeNetwork?: boolean };
      report.excludeNetwork = true;
      const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } };
      if (header.glibcVersionRuntime === undefined) libc = "-musl";
    }
    known = `${os.type().toLowerCase()}-${os.machine()}${libc}`;
  }
  return known;
}

function noDelimiter(name: string, folder: string): string {
  if (!folder.includes(delimiter)) return folder;
  throw new AlamodeError(
    "bad-environment",
    `its input "${name}" is an environment, and the path to it holds "${delimiter}", which no search path can: ${folder}`,
    { hint: "Give the dependency, or the folder of the store, another name: task.after({ env: other })." },
  );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isInside(path: unknown): path is string {
  return (
    typeof path === "string" &&
    path !== "" &&
    !path.includes("\0") &&
    !isAbsolute(path) &&
    !normalize(path).startsWith("..")
  );
}

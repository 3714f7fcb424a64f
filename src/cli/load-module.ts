// Loads an author's module: by Node itself, or through esbuild where Node cannot (enums, decorators, TSX, imports without
// extension). Errors of the author's are told with the author's file and line, not with our stack.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { AlamodeError, isAlamodeError } from "../errors.ts";
import { herePath } from "./format.ts";

/** The folder of this program's own code: `src`, or `dist` when compiled. */
const OWN_CODE = dirname(import.meta.dirname);
const OWN_PACKAGE = dirname(OWN_CODE);
/** What authors import. Compiled, the copy of it that is part of the program: scripts/bundle-program.ts. */
const OWN_INDEX = pathToFileURL(
  import.meta.filename.endsWith(".ts") ? join(OWN_CODE, "index.ts") : join(OWN_CODE, "cli/library.js"),
).href;

/** Failures of linking, before any of the author's code has run, that a bundler may not have. */
const BUNDLER_MAY_HELP = new Set([
  "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
  "ERR_INVALID_TYPESCRIPT_SYNTAX",
  "ERR_UNKNOWN_FILE_EXTENSION",
  "ERR_UNSUPPORTED_DIR_IMPORT",
  "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING",
  "ERR_MODULE_NOT_FOUND",
]);

let prepared = false;

/**
 * Makes `a-la-mode` mean this very package where the project has none installed, or is this package: there the one that
 * runs is meant, compiled or not. And keeps Node from advising an author about their package.json.
 */
function prepareNode(): void {
  if (prepared) return;
  prepared = true;
  const printers = process.listeners("warning");
  process.removeAllListeners("warning");
  process.on("warning", (warning) => {
    if (!isAdvice(warning)) for (const print of printers) print(warning);
  });
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== "a-la-mode") return next(specifier, context);
      try {
        const found = next(specifier, context);
        const own = found.url.startsWith(`${pathToFileURL(OWN_PACKAGE).href}/`);
        return own ? { url: OWN_INDEX, shortCircuit: true } : found; // whose format may be another
      } catch {
        return { url: OWN_INDEX, shortCircuit: true };
      }
    },
  });
}

/** That a package.json has no "type", or not "module": such modules load all the same, if need be through esbuild. */
function isAdvice(warning: NodeJS.ErrnoException): boolean {
  return (
    warning.code === "MODULE_TYPELESS_PACKAGE_JSON" ||
    warning.message.startsWith("Failed to load the ES module")
  );
}

/** The module's exports. Throws `module-failed` (with the author's file and line) or `module-missing`. */
export async function loadModule(file: string): Promise<Record<string, unknown>> {
  const path = resolve(file);
  if (!existsSync(path)) {
    throw new AlamodeError("module-missing", `there is no file ${herePath(path, process.cwd())}`);
  }
  prepareNode();
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    if (!mayBundle(error)) throw authorsError(error, path);
    return await loadBundled(path, error);
  }
}

function mayBundle(error: unknown): boolean {
  if (error instanceof SyntaxError) return true;
  return error instanceof Error && BUNDLER_MAY_HELP.has(String((error as NodeJS.ErrnoException).code));
}

/** `first` is what Node said; it is told where bundling is of no help. */
async function loadBundled(path: string, first: unknown): Promise<Record<string, unknown>> {
  const { build } = await import("esbuild");
  let code: string;
  try {
    const built = await build({
      entryPoints: [path],
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      target: "node24",
      packages: "external",
      sourcemap: "inline",
      sourcesContent: false,
      logLevel: "silent",
      outdir: dirname(path),
    });
    code = built.outputFiles[0]?.text ?? "";
  } catch (error) {
    throw syntaxError(error) ?? authorsError(first, path);
  }
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.mjs`);
  try {
    writeFileSync(temporary, code, { flag: "wx" });
  } catch {
    throw authorsError(first, path); // nowhere to put it; packages can be found from beside the module only
  }
  process.setSourceMapsEnabled(true);
  try {
    return await import(pathToFileURL(temporary).href);
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replaceAll(temporary, path);
    throw authorsError(error, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND"; // the latter from require()
}

interface BuildMessage {
  readonly text: string;
  readonly location: { readonly file: string; readonly line: number; readonly lineText: string } | null;
}

function syntaxError(error: unknown): AlamodeError | undefined {
  const [first] = (error as { errors?: readonly BuildMessage[] }).errors ?? [];
  if (first?.location == null) return undefined;
  const { file, line, lineText } = first.location;
  const where = herePath(resolve(file), process.cwd());
  return new AlamodeError(
    "module-failed",
    `${where}:${line}: ${first.text}\n    ${lineText.trim()}`.trimEnd(),
    {
      cause: error,
    },
  );
}

/** An error that the author's code threw, or met while loading, with where in that code. */
export function authorsError(error: unknown, module: string): AlamodeError {
  const where = place(error, module);
  if (isAlamodeError(error)) {
    const { facts, hint } = error;
    const details = hint === undefined ? { facts, cause: error } : { facts, hint, cause: error };
    return new AlamodeError(error.code, `${where}: ${error.message}`, details);
  }
  const said = error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
  const missing = isMissing(error)
    ? /^Cannot find (?:package|module) '((?:@[^/']+\/)?[^./'][^/']*)/.exec((error as Error).message)?.[1]
    : undefined;
  if (missing !== undefined) {
    return new AlamodeError("module-failed", `${where}: there is no package "${missing}" here`, {
      hint: `Install it:  npm install ${missing}`,
      cause: error,
    });
  }
  return new AlamodeError("module-failed", `${where}: ${said}`, { cause: error });
}

/** An error that nobody caught: told as the author's where their code is in its stack, else as it is. */
export function authorsOwn(error: unknown): unknown {
  const where = placeIn(error);
  return where === undefined ? error : authorsError(error, where);
}

/** `pipeline.ts:12`, the innermost place in the author's own code; only the file where the error has none. */
function place(error: unknown, module: string): string {
  return placeIn(error) ?? herePath(module, process.cwd());
}

function placeIn(error: unknown): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  for (const [, location = "", line = ""] of stack.matchAll(
    /(file:\/\/[^\s()]+?|\/[^\s():]+):(\d+)(?::\d+)?\)?$/gm,
  )) {
    const path = location.startsWith("file:") ? fileURLToPath(location.replace(/[?#].*$/, "")) : location;
    const theirs = !path.startsWith(`${OWN_CODE}/`) && !path.includes("/node_modules/") && existsSync(path);
    if (theirs) return `${herePath(path, process.cwd())}:${line}`;
  }
  return undefined;
}

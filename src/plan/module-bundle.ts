// A module and all it can reach as one piece of code, by esbuild. Which files those are is told too; what they mean for
// the module's identity is not decided here.
import { existsSync, readFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { dirname, resolve } from "node:path";
import type { BuildFailure, Message, Metafile } from "esbuild";
import { AlamodeError } from "../errors.ts";
import type { Packages } from "./module-packages.ts";
import type { Tsconfig } from "./module-tsconfig.ts";

/** An import as it is written, and the absolute path of the file that it led to. */
export interface Import {
  readonly specifier: string;
  readonly target: string;
}

export interface Bundle {
  /** ES module, with a source map whose paths are relative to the package's folder. */
  readonly code: string;
  /** Absolute path of every file it can reach → what that file imports. */
  readonly files: ReadonlyMap<string, readonly Import[]>;
  /** Those of them that are part of the code. */
  readonly bundled: ReadonlySet<string>;
  /** Folders of the packages that cannot be part of a bundle, and are left to Node. */
  readonly external: readonly string[];
  /** Names of the module's exports. */
  readonly exports: readonly string[];
}

interface Build {
  readonly code: string;
  readonly metafile: Metafile;
  readonly warnings: readonly Message[];
}

/** What packages may ask for without there being any use in telling. */
interface Leniency {
  /** Imports that lead nowhere: they fail when they are reached, as they would without a bundle. */
  readonly missing: Set<string>;
  /** Extensions of files that are no code. */
  readonly unreadable: Set<string>;
}

/** Marks of code that looks for files beside itself, or loads what is no JavaScript: it works in its own folder only. */
const NEEDS_ITS_FOLDER =
  /\.node["'`]|\b__(?:dirname|filename)\b|\bimport\.meta\.(?:url|dirname|filename|resolve)\b|\bcreateRequire\b|\bprocess\.dlopen\b/;
const COMPUTED = ["unsupported-dynamic-import", "unsupported-require-call"];

/** Bundles `entry` (absolute) of the package in `root`. Throws `module-broken`, `module-computed-import`. */
export function bundle(entry: string, root: string, tsconfig: Tsconfig, packages: Packages): Bundle {
  const own = packages.installed(entry)?.folder;
  const packageOf = (file: string) => {
    const installed = packages.installed(resolve(root, file));
    return installed?.folder === own ? undefined : installed;
  };
  const broken = new Map<string, string>();
  const leniency: Leniency = { missing: new Set(), unreadable: new Set() };
  const whole = (): Build => {
    for (;;) {
      try {
        return build(entry, root, tsconfig, leniency, []);
      } catch (error) {
        const messages = (error as Partial<BuildFailure>).errors ?? [];
        const own = messages.find(
          ({ location }) => location === null || packageOf(location.file) === undefined,
        );
        if (own !== undefined || messages.length === 0) throw failed(error, own, root);
        // Packages ask for what need not be there, for other systems say, and for files that are no code.
        for (const message of messages) {
          const missing = /^Could not resolve "([^"]+)"/
            .exec(message.text)?.[1]
            ?.replace(/^(\.\.?\/)+/, "*/");
          const unreadable = /^No loader is configured for "(\.[^"]+)" files/.exec(message.text)?.[1];
          const [found, all] =
            missing !== undefined ? [missing, leniency.missing] : [unreadable, leniency.unreadable];
          if (found === undefined || all.has(found)) throw failed(error, message, root);
          all.add(found);
          const asking = packageOf(message.location!.file)!;
          if (unreadable !== undefined) broken.set(asking.importedAs, asking.folder);
        }
      }
    }
  };
  const complete = whole();
  const files = filesOf(complete.metafile, root);
  for (const warning of complete.warnings) {
    if (warning.location === null || !COMPUTED.includes(warning.id)) continue;
    const found = packageOf(warning.location.file);
    if (found === undefined) throw computed(warning, root);
    broken.set(found.importedAs, found.folder);
  }
  for (const file of files.keys()) {
    const found = packageOf(file);
    if (found === undefined || broken.has(found.importedAs)) continue;
    if (found.bound || NEEDS_ITS_FOLDER.test(readFileSync(file, "latin1")))
      broken.set(found.importedAs, found.folder);
  }
  const { code, metafile } =
    broken.size === 0 ? complete : build(entry, root, tsconfig, leniency, broken.keys());
  const [output] = Object.values(metafile.outputs);
  // What only a package that is left out would have brought along is not imported by the bundle itself.
  const imported = new Set(
    output?.imports.map(({ path }) => path.split("/", path.startsWith("@") ? 2 : 1).join("/")),
  );
  return {
    code,
    files,
    bundled: new Set(filesOf(metafile, root).keys()),
    external: [...broken].flatMap(([name, folder]) => (imported.has(name) ? [folder] : [])),
    exports: output?.exports ?? [],
  };
}

function build(
  entry: string,
  root: string,
  { emit, paths }: Tsconfig,
  { missing, unreadable }: Leniency,
  external: Iterable<string>,
): Build {
  const { buildSync } = createRequire(import.meta.url)("esbuild") as typeof import("esbuild");
  const { outputFiles, metafile, warnings } = buildSync({
    entryPoints: [entry],
    absWorkingDir: root,
    outfile: resolve(root, "module.mjs"),
    write: false,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    // As Node resolves, and without trusting what packages say of their side effects.
    conditions: [],
    ignoreAnnotations: true,
    keepNames: true,
    external: ["a-la-mode", ...missing, ...external],
    loader: Object.fromEntries([".node", ...unreadable].map((extension) => [extension, "empty" as const])),
    tsconfigRaw: JSON.stringify({ compilerOptions: { ...emit, paths } }),
    metafile: true,
    sourcemap: "inline",
    sourcesContent: false,
    charset: "utf8",
    legalComments: "none",
    logLevel: "silent",
    logLimit: 0,
    logOverride: Object.fromEntries(COMPUTED.map((id) => [id, "warning" as const])),
  });
  return { code: outputFiles.find(({ path }) => path.endsWith(".mjs"))?.text ?? "", metafile, warnings };
}

function filesOf({ inputs }: Metafile, root: string): Map<string, Import[]> {
  const files = new Map<string, Import[]>();
  for (const [path, { imports }] of Object.entries(inputs)) {
    const file = fileOf(path, root);
    if (file === undefined) continue;
    files.set(
      file,
      imports.flatMap(({ path, original = path, external }) => {
        if (external || isBuiltin(path)) return [];
        const target = fileOf(path, root);
        return target === undefined ? [] : [{ specifier: original, target }];
      }),
    );
  }
  return files;
}

/** esbuild's name for a file may end with a query or with import attributes; some names are of no file. */
function fileOf(path: string, root: string): string | undefined {
  const tries = [path, path.replace(/ with \{.*\}$/, ""), path.replace(/[?#].*$/, "")];
  return tries.map((name) => resolve(root, name)).find((file) => existsSync(file) && dirname(file) !== file);
}

function computed({ location }: Message, root: string): AlamodeError {
  return new AlamodeError(
    "module-computed-import",
    `${place(location, root)}: what this imports is known only when it runs, so that it cannot be part of the module's identity.`,
    {
      hint: "Write the path as text. Code that is one of the task's inputs: createRequire(import.meta.url)(path).",
    },
  );
}

function failed(error: unknown, message: Message | undefined, root: string): AlamodeError {
  const text = message?.text ?? (error instanceof Error ? error.message : String(error));
  const where = message?.location ? `${place(message.location, root)}: ` : "";
  const missing = /^Could not resolve "([^"./][^"]*)"/.exec(text)?.[1];
  return new AlamodeError("module-broken", `${where}${text}`, {
    cause: error,
    ...(missing === undefined ? {} : { hint: `If it is a package, install it:  npm install ${missing}` }),
  });
}

function place(location: Message["location"], root: string): string {
  return location === null ? root : `${resolve(root, location.file)}:${location.line}`;
}

// The fields of the nearest tsconfig.json that change what code a module becomes. They are read here, and not by esbuild,
// so that what is hashed is what was used.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { AlamodeError } from "../errors.ts";
import { type ParsedJson, parseJson } from "./json-parse.ts";

export interface Tsconfig {
  /** Fields that change emitted code, where they are not the default. Part of the module's identity. */
  readonly emit: Readonly<Record<string, string | boolean>>;
  /** Pattern → absolute paths. Not hashed: what each import led to is. */
  readonly paths: Readonly<Record<string, readonly string[]>>;
  /** Absolute paths of what was read. */
  readonly files: readonly string[];
}

type Fields = { [field: string]: ParsedJson };

const TEXTS = ["jsx", "jsxFactory", "jsxFragmentFactory", "jsxImportSource", "importsNotUsedAsValues"];
const FLAGS = ["experimentalDecorators", "verbatimModuleSyntax", "preserveValueImports"];
/** Before these, TypeScript assigned class fields instead of defining them. */
const DEFINES_FIELDS = /^(es20(2[2-9]|[3-9]\d)|esnext)$/i;

/** What holds for files in `folder`. Throws `bad-tsconfig`. */
export function tsconfigOf(folder: string): Tsconfig {
  const file = nearest(folder);
  const files: string[] = [];
  const options: Fields = file === undefined ? {} : compilerOptions(file, [], files);
  const emit: Record<string, string | boolean> = {};
  for (const field of TEXTS) if (typeof options[field] === "string") emit[field] = options[field];
  for (const field of FLAGS) if (options[field] === true) emit[field] = true;
  // What is left for another program to compile would not run: there is no other program.
  if (emit["jsx"] === "preserve" || emit["jsx"] === "react-native") emit["jsx"] = "react-jsx";
  const { target, useDefineForClassFields } = options;
  const defines = useDefineForClassFields ?? (typeof target !== "string" || DEFINES_FIELDS.test(target));
  if (defines === false) emit["useDefineForClassFields"] = false;
  return { emit, paths: pathsOf(options), files };
}

function nearest(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const file = join(at, "tsconfig.json");
    if (existsSync(file)) return file;
    if (at === dirname(at)) return undefined;
  }
}

/** Merged with what it extends. `baseUrl` is absolute, and so are the targets of `paths`. */
function compilerOptions(file: string, extending: readonly string[], files: string[]): Fields {
  if (extending.includes(file)) throw bad(file, "it extends itself");
  files.push(file);
  const config = read(file);
  const merged: Fields = {};
  const bases = typeof config["extends"] === "string" ? [config["extends"]] : (config["extends"] ?? []);
  for (const base of Array.isArray(bases) ? bases : []) {
    if (typeof base === "string")
      Object.assign(merged, compilerOptions(extended(file, base), [...extending, file], files));
  }
  const own = config["compilerOptions"];
  if (!isMap(own)) return merged;
  Object.assign(merged, own);
  if (typeof own["baseUrl"] === "string") merged["baseUrl"] = resolve(dirname(file), own["baseUrl"]);
  const { baseUrl, paths } = merged;
  if (isMap(own["paths"]) && isMap(paths)) {
    const from = typeof baseUrl === "string" ? baseUrl : dirname(file);
    merged["paths"] = Object.fromEntries(
      Object.entries(paths).map(([pattern, targets]) => [
        pattern,
        texts(targets).map((to) => resolve(from, to)),
      ]),
    );
  }
  return merged;
}

function pathsOf({ baseUrl, paths }: Fields): Record<string, readonly string[]> {
  const found: Record<string, readonly string[]> = {};
  if (isMap(paths)) for (const [pattern, targets] of Object.entries(paths)) found[pattern] = texts(targets);
  // With a baseUrl any bare import may be a file below it.
  if (typeof baseUrl === "string") found["*"] ??= [join(baseUrl, "*")];
  return found;
}

function extended(file: string, base: string): string {
  const found = /^\.\.?(\/|$)/.test(base) || isAbsolute(base) ? resolve(dirname(file), base) : undefined;
  const tries = found === undefined ? [] : [found, `${found}.json`];
  const here = tries.find((path) => path.endsWith(".json") && existsSync(path));
  if (here !== undefined) return here;
  const { resolve: find } = createRequire(file);
  for (const name of found === undefined ? [base, `${base}.json`, `${base}/tsconfig.json`] : []) {
    try {
      const path = find(name);
      if (path.endsWith(".json")) return path;
    } catch {
      // The next spelling may be the one.
    }
  }
  throw bad(file, `it extends "${base}", which is not there`);
}

function read(file: string): Fields {
  try {
    const config = parseJson(plainJson(readFileSync(file, "utf8")));
    return isMap(config) ? config : {};
  } catch (cause) {
    throw bad(file, cause instanceof Error ? cause.message : String(cause));
  }
}

/** JSON without what tsconfig files may have on top: comments, trailing commas, a byte order mark. */
function plainJson(text: string): string {
  return text
    .replace(/^\uFEFF/, "")
    .replace(/("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_, string?: string) => string ?? " ")
    .replace(/("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g, (_, string?: string) => string ?? "");
}

function texts(value: ParsedJson): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function isMap(value: ParsedJson | undefined): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(file: string, why: string): AlamodeError {
  return new AlamodeError("bad-tsconfig", `${file} cannot be read: ${why}.`, {
    hint: "Correct it: module(…) compiles as it says.",
  });
}

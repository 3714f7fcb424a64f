// Code and small data of a task, by content: the `files` map of a spec. The one file of plan/ that looks at a disk while a
// pipeline is described; it also remembers which file each digest was read from, so that its content can be kept.
import { createHash } from "node:crypto";
import { closeSync, globSync, lstatSync, openSync, readSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { sortUtf8 } from "../bencode/order.ts";
import { AlamodeError, errnoOf } from "../errors.ts";
import { storeFolder } from "./project-folder.ts";
import { digestsOf } from "./stat-cache.ts";
import type { Plan, Spec } from "./types.ts";

export interface FilesOptions {
  /** Where paths start, e.g. `import.meta.dirname`; by default the pipeline's folder. */
  readonly from?: string;
}

/** Of one digest that specs name. */
export interface SourceFile {
  readonly sha256: string;
  /** Where it was read from in this process, or the content itself; undefined for plans that were loaded. */
  readonly file: string | Uint8Array | undefined;
}

// Global, because the pipeline may have loaded another copy of this package than whoever loads the pipeline.
const SOURCES = Symbol.for("a-la-mode.sources");
const BASE = Symbol.for("a-la-mode.base");
type Global = { [SOURCES]?: Map<string, string | Uint8Array>; [BASE]?: string };

/** Says where the paths of `files` start from now on: in the folder of the pipeline that is about to be loaded. */
export function setSourceBase(folder: string): void {
  (globalThis as Global)[BASE] = resolve(folder);
}

/** The folder that paths of `files` start in: the one that was set, else the working directory. */
export function sourceBase(): string {
  return (globalThis as Global)[BASE] ?? process.cwd();
}

/**
 * The `files` of a spec: relative path → sha256 of all regular files that the patterns match, e.g.
 * `files('fit.py', 'lib/**')`. Links to files are followed; hidden files and folders that are links only where the
 * pattern names them. Neither times nor where the project lies matter.
 * Throws `no-source` (nothing matches, or is named), `bad-option`, `source-folder` (a folder without `/**`), `source-outside` (above the folder).
 */
export function files(...patterns: (string | FilesOptions)[]): { [path: string]: string } {
  const options = optionsAmong("files", patterns, ["from"]);
  if (!patterns.some((pattern) => typeof pattern === "string")) {
    throw new AlamodeError("no-source", "files(): it names no file.", {
      hint: "Write files('fit.py', 'lib/**').",
    });
  }
  const base = resolve(sourceBase(), options.from ?? ".");
  const paths = new Set<string>();
  for (const pattern of patterns) {
    if (typeof pattern !== "string") continue;
    const matching = pathsOf(pattern, base);
    if (matching.length === 0) {
      throw new AlamodeError("no-source", `files("${pattern}"): no file in ${base} matches.`, {
        hint: "Check the pattern, or say where paths start: files('…', { from: import.meta.dirname }).",
      });
    }
    for (const path of matching) paths.add(path);
  }
  return digestMap(new Map([...paths].map((path) => [path, resolve(base, path)])));
}

/**
 * The options among what a function was given beside patterns; none is an empty map. Throws `bad-option` for others than `known`:
 * a map of files, which one might expect to be understood, would otherwise mean no file at all.
 */
export function optionsAmong<Given>(
  call: string,
  given: readonly (Given | string)[],
  known: readonly string[],
): Partial<Exclude<Given, string | undefined>> {
  const options = given.find((item) => typeof item === "object" && item !== null) ?? {};
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown === undefined) return options as Partial<Exclude<Given, string | undefined>>;
  throw new AlamodeError(
    "bad-option",
    `${call}({ ${JSON.stringify(unknown)}: … }): there is no such option.`,
    {
      hint: `There are ${known.join(", ")}. Files are named by paths or patterns: ${call}('fit.py', 'lib/**').`,
    },
  );
}

/** Relative path → digest, in order, of files given by their absolute paths. Remembers where each content was. */
export function digestMap(files: ReadonlyMap<string, string>): { [path: string]: string } {
  const paths = sortUtf8([...files.keys()]);
  const places = paths.map((path) => files.get(path)!);
  const digests = cachedDigests(places);
  const found: { [path: string]: string } = Object.create(null);
  for (const [i, path] of paths.entries()) {
    found[path] = digests[i]!;
    rememberSource(digests[i]!, places[i]!);
  }
  return found;
}

/** sha256 (hex) of each file's content; what was not changed since it was read before is not read again. */
export function cachedDigests(files: readonly string[]): string[] {
  return digestsOf(files, { cache: join(storeFolder(sourceBase()), "stat-cache.db"), read: digestOf });
}

/** The file whose content `files` read under this digest in this process. It may have changed since. */
export function sourceFile(sha256: string): string | undefined {
  const known = knownSources().get(sha256);
  return typeof known === "string" ? known : undefined;
}

/** That file; or the content itself, where it never was in one. */
export function knownSource(sha256: string): string | Uint8Array | undefined {
  return knownSources().get(sha256);
}

/** Says that a file has the content of that digest. */
export function rememberSource(sha256: string, file: string): void {
  knownSources().set(sha256, file);
}

/** Says what the content of that digest is. */
export function rememberContent(sha256: string, content: Uint8Array): void {
  knownSources().set(sha256, content);
}

/** Every digest that the `files` and `source` of the plan's specs name, once each. */
export function sourcesOf(plan: Plan): SourceFile[] {
  return sourcesIn(Object.values(plan.tasks));
}

/** The same of specs. */
export function sourcesIn(specs: Iterable<Spec>): SourceFile[] {
  const found = new Map<string, SourceFile>();
  for (const { files, source } of specs) {
    for (const map of [files, source]) {
      if (typeof map !== "object" || map === null) continue;
      const digests: Iterable<unknown> = map instanceof Map ? map.values() : Object.values(map);
      for (const sha256 of digests) {
        if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256) || found.has(sha256)) continue;
        found.set(sha256, { sha256, file: knownSource(sha256) });
      }
    }
  }
  return [...found.values()];
}

function knownSources(): Map<string, string | Uint8Array> {
  const known = (globalThis as Global)[SOURCES] ?? new Map<string, string | Uint8Array>();
  (globalThis as Global)[SOURCES] = known;
  return known;
}

/** Relative paths, with `/`, of the regular files that a pattern of `files` matches. */
function pathsOf(pattern: string, base: string): string[] {
  const called = `files("${pattern}")`;
  if (lstatSync(resolve(base, pattern), { throwIfNoEntry: false }) !== undefined) {
    refuseOutside(pattern, pattern, base);
    if (!isFile(called, resolve(base, pattern))) {
      throw new AlamodeError("source-folder", `${called}: this is a folder, and files are needed.`, {
        hint: `Write files("${pattern.replace(/\/+$/, "")}/**") for all in it.`,
      });
    }
    return [relativePath(base, resolve(base, pattern))];
  }
  return filesMatching(pattern, base, called).map((file) => {
    refuseOutside(pattern, file, base);
    return relativePath(base, file);
  });
}

/** Absolute paths of the regular files that a glob matches. `called` is how the author asked, for messages. */
export function filesMatching(pattern: string, base: string, called: string): string[] {
  const throughLink = linkedFolders(pattern, base);
  return globSync(pattern, { cwd: base })
    .map((path) => resolve(base, path))
    .filter((file) => !throughLink(file) && isFile(called, file));
}

/** The folder, absolute, that a pattern names before its first part that is not a plain name. */
export function literalFolder(pattern: string, base: string): string {
  return resolve(
    base,
    pattern.split("/").slice(0, firstGlob(pattern)).join("/") || (pattern.startsWith("/") ? "/" : ""),
  );
}

/**
 * Whether a match lies in a folder that is a link, which the pattern does not name itself. Node versions differ in whether
 * a glob enters those, and an ID must not depend on that.
 */
function linkedFolders(pattern: string, base: string): (file: string) => boolean {
  const literal = literalFolder(pattern, base);
  const known = new Map<string, boolean>();
  const isLinked = (folder: string): boolean => {
    if (folder === literal || folder === dirname(folder)) return false;
    const linked = known.get(folder) ?? (lstatSync(folder).isSymbolicLink() || isLinked(dirname(folder)));
    known.set(folder, linked);
    return linked;
  };
  return (file) => isLinked(dirname(file));
}

/** Index of the pattern's first part that is not a plain name. */
function firstGlob(pattern: string): number {
  return pattern.split("/").findIndex((part) => /[*?[\]{}()!+@\\]/.test(part));
}

export function relativePath(base: string, file: string): string {
  return relative(base, file).replaceAll(sep, "/");
}

function refuseOutside(pattern: string, path: string, base: string): void {
  const inside = relative(base, resolve(base, path));
  if (inside !== ".." && !inside.startsWith(`..${sep}`) && !isAbsolute(inside)) return;
  throw new AlamodeError("source-outside", `files("${pattern}"): ${path} lies outside ${base}.`, {
    hint: "Say where paths start: files('…', { from: '..' }).",
  });
}

/** Whether a regular file lies there, or a link to one. Folders, sockets and the like are not; a dangling link is an error. */
export function isFile(called: string, file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch (cause) {
    const dangling = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    if (errnoOf(cause) !== "ENOENT") throw unreadable(file, cause);
    const why = dangling ? "is a link to nothing" : "has a name that is not UTF-8";
    throw new AlamodeError("no-source", `${called}: ${file} ${why}.`, { cause });
  }
}

// Shared by all reading, which waits for nothing: one for each file took most of the time for small ones.
let buffer: Uint8Array | undefined;

/** sha256 (hex) of a file's content, of any size. */
export function digestOf(file: string): string {
  const hash = createHash("sha256");
  buffer ??= new Uint8Array(256 * 1024);
  try {
    const descriptor = openSync(file, "r");
    try {
      for (;;) {
        const count = readSync(descriptor, buffer);
        if (count === 0) return hash.digest("hex");
        hash.update(buffer.subarray(0, count));
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): AlamodeError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new AlamodeError("source-unreadable", `the source file ${file} cannot be read: ${why}.`, { cause });
}

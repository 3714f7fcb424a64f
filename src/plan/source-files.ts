// Which files a source task consists of: what patterns match, under paths of their own.
import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { AlamodeError } from "../errors.ts";
import { filesMatching, isFile, literalFolder, relativePath } from "./sources.ts";

/**
 * Relative path → absolute path. Paths start in the folder that a pattern names before its first wildcard, so that neither where
 * the data lies nor another pattern changes them. One plain file by itself has the path "": it is a lone file.
 * Throws `no-source`, `source-clash`, `source-link`.
 */
export function sourceFiles(patterns: readonly string[], base: string): Map<string, string> {
  const [only] = patterns;
  if (only === undefined) {
    throw new AlamodeError("no-source", "source(): it names no data.", {
      hint: "Write source('data/*.csv').",
    });
  }
  if (patterns.length === 1 && existsSync(resolve(base, only)) && isFile(callOf(only), resolve(base, only))) {
    return new Map([["", resolve(base, only)]]);
  }
  const found = new Map<string, string>();
  for (const pattern of patterns) {
    for (const [path, file] of matching(pattern, base)) {
      const other = found.get(path);
      if (other !== undefined && other !== file) {
        throw new AlamodeError(
          "source-clash",
          `${callOf(pattern)}: both ${other} and ${file} would be "${path}".`,
          {
            hint: "Name both by one pattern from a folder above them, or make them two sources.",
          },
        );
      }
      found.set(path, file);
    }
  }
  return found;
}

function matching(pattern: string, base: string): [path: string, file: string][] {
  const place = resolve(base, pattern);
  if (existsSync(place)) {
    if (isFile(callOf(pattern), place)) return [[basename(place), place]];
    return filesBelow(place, callOf(pattern)).map((file) => [relativePath(place, file), file]);
  }
  const folder = literalFolder(pattern, base);
  const files = filesMatching(pattern, base, callOf(pattern));
  if (files.length > 0) return files.map((file) => [relativePath(folder, file), file]);
  throw new AlamodeError("no-source", `${callOf(pattern)}: no file in ${base} matches.`, {
    hint: "Check the pattern, or say where paths start: source('…', { from: import.meta.dirname }).",
  });
}

/**
 * Every file below a folder, hidden ones too. Links to files count as what they lead to, unless `links` is false. A link to a
 * folder is refused: what lies behind it would be left out, or be all of a disk.
 */
export function filesBelow(folder: string, called: string, { links = true } = {}): string[] {
  const found: string[] = [];
  const folders = [folder];
  for (let at = folders.pop(); at !== undefined; at = folders.pop()) {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const place = join(at, entry.name);
      if (entry.isDirectory()) folders.push(place);
      else if ((links || !entry.isSymbolicLink()) && isFile(called, place)) found.push(place);
      else if (entry.isSymbolicLink()) {
        throw new AlamodeError(
          "source-link",
          `${called}: ${place} is a link${links ? " to a folder" : ", whose end may change unseen"}.`,
          {
            hint: "Name what it leads to as a source of its own, or name what is needed by patterns.",
          },
        );
      } else throw new AlamodeError("no-source", `${called}: ${place} is neither a file nor a folder.`);
    }
  }
  if (found.length > 0) return found;
  throw new AlamodeError("no-source", `${called}: there is no file in it.`);
}

function callOf(pattern: string): string {
  return `source("${pattern}")`;
}

// Where programs are looked for, of steps and of `tool`: what alamode.config.ts says, in the form of PATH.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, resolve } from "node:path";

/** Where steps look for programs, unless the spec or the settings say otherwise. */
export const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

// Global, because the pipeline may have loaded another copy of this package than whoever loads the pipeline.
const SEARCH_PATH = Symbol.for("a-la-mode.search-path");
type Global = { [SEARCH_PATH]?: string };

/** Says where programs are from now on. */
export function setSearchPath(path: string): void {
  (globalThis as Global)[SEARCH_PATH] = path;
}

export function searchPath(): string {
  return (globalThis as Global)[SEARCH_PATH] ?? DEFAULT_PATH;
}

/**
 * The setting `path`, a list of folders or text as PATH has it, as absolute folders: `~` is the caller's home, and relative ones
 * start in the project. An empty part of text, which would mean the working directory, is left out.
 */
export function absolutePath(setting: string | readonly string[], project: string): string {
  const folders = typeof setting === "string" ? setting.split(delimiter) : setting;
  const home = process.env["HOME"] || homedir();
  return folders
    .filter((folder) => folder !== "")
    .map((folder) =>
      folder === "~" || folder.startsWith("~/") ? resolve(home, folder.slice(2)) : resolve(project, folder),
    )
    .join(delimiter);
}

/** Folders of a search path that are not there, but for those that the caller's own has too. */
export function missingFolders(path: string, env: NodeJS.ProcessEnv = process.env): string[] {
  const own = new Set((env["PATH"] ?? "").split(delimiter));
  return path.split(delimiter).filter((folder) => folder !== "" && !own.has(folder) && !existsSync(folder));
}

// Where a project begins.
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** What a project says once, for the cli. Here only because it marks a project's folder. */
export const CONFIG_FILE = "alamode.config.ts";

/**
 * The folder of the store that code keeps what it knows of files in: `ALAMODE_STORE`, else `.alamode` in the project that `from` is in;
 * also where that names a store that is no folder, which takes from there what it is asked for and has not. Absolute.
 */
export function storeFolder(from: string, env: NodeJS.ProcessEnv = process.env): string {
  const store = env["ALAMODE_STORE"] ?? "";
  const isFolder = store !== "" && !/^[a-z][a-z0-9+.-]*:\/\//.test(store);
  return resolve(isFolder ? store : join(findProject(from), ".alamode"));
}

/**
 * The nearest folder with an alamode.config.ts or a package.json, from `from` upward; `from` itself where there is none.
 * Absolute.
 */
export function findProject(from: string): string {
  const start = resolve(from);
  for (let folder = start; ; folder = dirname(folder)) {
    if ([CONFIG_FILE, "package.json"].some((name) => existsSync(join(folder, name)))) return folder;
    if (folder === dirname(folder)) return start;
  }
}

// Where a project begins.
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** What a project says once, for the cli. Here only because it marks a project's folder. */
export const CONFIG_FILE = "alamode.config.ts";

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

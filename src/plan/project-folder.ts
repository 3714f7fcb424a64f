// Where a project begins.
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** The nearest folder with a package.json, from `from` upward; `from` itself where there is none. Absolute. */
export function findProject(from: string): string {
  const start = resolve(from);
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) return start;
  }
}

// Keeps results out of what is committed with the code.
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { errnoOf } from "../errors.ts";

/** Writes a `.gitignore` that ignores all of the folder, where that is named `.alamode` and has none. */
export function ignoreInGit(dir: string): void {
  if (basename(dir) !== ".alamode") return;
  try {
    writeFileSync(`${dir}/.gitignore`, "*\n", { flag: "wx" });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

// Lock files of runs, which say that a run lives: see process-lock.ts.
import { existsSync, readdirSync } from "node:fs";
import { forgetLock } from "../process-lock.ts";
import type { RunId } from "./types.ts";

/**
 * Removes lock files of runs that were killed before their row was written. `known`: whether a run has one. To be called in
 * the write transaction in which runs take their lock and write their row: whatever lies there without a row then is dead.
 */
export function forgetUnborn(dir: string, known: (run: RunId) => boolean): void {
  for (const name of existsSync(dir) ? readdirSync(dir) : []) {
    const run = /^([0-9a-f]{16})\.db$/.exec(name)?.[1];
    if (run !== undefined && !known(run)) forgetLock(dir, run);
  }
}

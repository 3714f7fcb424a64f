// The scratch area: what dead runs left there is removed, once nothing holds it any more.
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { RecordDb } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import type { Store } from "../store/types.ts";
import { fifoHeld } from "./executors/local.ts";
import { forgetInputLinks } from "./input-links.ts";
import { leftRuns } from "./left-runs.ts";

/** How old what a killed process left half-copied or half-made must be before it is taken for rubbish. */
const RUBBISH_AGE_MS = 3_600_000;

/** Removes the scratch folders of dead runs, once nothing holds their slots any more, and of dead verifications. */
export async function sweepScratch(record: RecordDb, store: Store, host: string): Promise<void> {
  for (const name of readdirSync(store.scratchDir)) {
    const path = join(store.scratchDir, name);
    if (/^(source-|incoming-|\.probe-)/.test(name) && isOld(path)) await removeTree(path);
    // A verification holds a slot as long as it lives; a young one may not have come to that yet.
    if (/^verify-/.test(name) && isOld(path) && !isHeld(path)) await removeTree(path);
  }
  for (const name of await leftRuns(record, store, host)) {
    const path = join(store.scratchDir, name);
    try {
      if (isHeld(path)) continue;
      forgetInputLinks(name);
      await removeTree(path);
    } catch {
      // Another run sweeps it at this moment, or may and we may not. What stays is tried again by the next run.
    }
  }
}

function isOld(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs > RUBBISH_AGE_MS;
}

function isHeld(folder: string): boolean {
  return readdirSync(folder).some((slot) => fifoHeld(join(folder, slot)));
}

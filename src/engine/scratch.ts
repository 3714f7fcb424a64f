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
    if (/^(source-|incoming-|\.probe-)/.test(name) && isOld(path)) await tried(() => removeTree(path));
    // A verification holds a slot as long as it lives; a young one may not have come to that yet.
    if (/^verify-/.test(name) && isOld(path)) await tried(() => removeUnheld(path));
  }
  for (const name of await leftRuns(record, store, host))
    await tried(() => removeUnheld(join(store.scratchDir, name), () => forgetInputLinks(name)));
}

/** Another run sweeps it at this moment, or may and we may not: it is another user's. What stays is tried again by the next run. */
async function tried(sweep: () => Promise<void>): Promise<void> {
  await sweep().catch(() => {});
}

async function removeUnheld(folder: string, first = () => {}): Promise<void> {
  if (isHeld(folder)) return;
  first();
  await removeTree(folder);
}

function isOld(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs > RUBBISH_AGE_MS;
}

function isHeld(folder: string): boolean {
  return readdirSync(folder).some((slot) => fifoHeld(join(folder, slot)));
}

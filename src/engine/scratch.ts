// The scratch area: what dead runs left there is removed, once nothing holds it any more.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { RecordDb } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import type { Store } from "../store/types.ts";
import { fifoHeld } from "./executors/local.ts";

/**
 * Removes scratch folders of runs that this record knows to be dead. Runs of other records that use the same store are
 * left alone: whether they live cannot be told from here.
 */
export async function sweepScratch(record: RecordDb, store: Store): Promise<void> {
  for (const name of readdirSync(store.scratchDir)) {
    if (!/^[0-9a-f]{16}$/.test(name)) continue;
    const run = await record.run(name);
    if (run === undefined || (await record.isLive(name))) continue;
    const folder = join(store.scratchDir, name);
    if (readdirSync(folder).some((slot) => fifoHeld(join(folder, slot)))) continue;
    await removeTree(folder);
  }
}

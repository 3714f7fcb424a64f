// The scratch area: what dead runs left there is removed, once nothing holds it any more.
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../errors.ts";
import type { RecordDb, Run } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import type { Store } from "../store/types.ts";
import { fifoHeld } from "./executors/local.ts";
import { forgetInputLinks } from "./input-links.ts";

/** How old what a killed process left half-copied or half-made must be before it is taken for rubbish. */
const RUBBISH_AGE_MS = 3_600_000;
/** How long a run of another host may be cut off, or asleep, and find all as it was when it comes back. */
const AWAY_MS = 7 * 24 * 3_600_000;

/**
 * Removes scratch folders of runs that this record knows to be dead, and of dead verifications. Runs of other records that
 * use the same store are left alone: whether they live cannot be told from here.
 */
export async function sweepScratch(record: RecordDb, store: Store, host: string): Promise<void> {
  for (const name of readdirSync(store.scratchDir)) {
    const path = join(store.scratchDir, name);
    if (/^(source-|incoming-|\.probe-)/.test(name) && isOld(path)) await removeTree(path);
    // A verification holds a slot as long as it lives; a young one may not have come to that yet.
    if (/^verify-/.test(name) && isOld(path) && !isHeld(path)) await removeTree(path);
    if (!/^[0-9a-f]{16}$/.test(name)) continue;
    const run = await record.run(name);
    if (run === undefined || (await record.isLive(name))) continue;
    if (run.endedAt === undefined && (await mayComeBack(run, record, host))) continue;
    try {
      if (isHeld(path)) continue;
      forgetInputLinks(name);
      await removeTree(path);
    } catch {
      // Another run sweeps it at this moment, or may and we may not. What stays is tried again by the next run.
    }
  }
}

/** Without a heartbeat it may be cut off, or asleep. */
async function mayComeBack(run: Run, record: RecordDb, host: string): Promise<boolean> {
  if (record.leases !== "heartbeat") return false;
  return run.host === host ? processLives(run.pid) : record.isLive(run.id, AWAY_MS);
}

/** Also where that is another's process. */
function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== "ESRCH";
  }
}

function isOld(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs > RUBBISH_AGE_MS;
}

function isHeld(folder: string): boolean {
  return readdirSync(folder).some((slot) => fifoHeld(join(folder, slot)));
}

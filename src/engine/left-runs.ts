// Which dead runs left something in the scratch area: looked at by every run, also by one with nothing to do.
import { readdirSync } from "node:fs";
import { errnoOf } from "../errors.ts";
import type { RecordDb, Run } from "../record/types.ts";
import type { Store } from "../store/types.ts";

/** How long a run of another host may be cut off, or asleep, and find all as it was when it comes back. */
const AWAY_MS = 7 * 24 * 3_600_000;

/**
 * The runs that this record knows to be dead, and whose folder lies there yet. Runs of other records that use the same store
 * are none of them: whether they live cannot be told from here.
 */
export async function leftRuns(record: RecordDb, store: Store, host: string): Promise<string[]> {
  const left: string[] = [];
  for (const name of readdirSync(store.scratchDir)) {
    if (!/^[0-9a-f]{16}$/.test(name)) continue;
    const run = await record.run(name);
    if (run === undefined || (await record.isLive(name))) continue;
    if (run.endedAt === undefined && (await mayComeBack(run, record, host))) continue;
    left.push(name);
  }
  return left;
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

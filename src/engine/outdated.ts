// Promise 4, before earlier successes are looked for: what was decided on earlier in the run may have become stale since.
import type { OutputId } from "../plan/types.ts";
import type { RecordDb, Success } from "../record/types.ts";

/**
 * Of successes that are to be read, the outputs for which they are no longer what stands: that is stale, has other bytes,
 * or its bytes are known to be gone. One round trip.
 */
export async function outdatedOf(record: RecordDb, read: Iterable<Success>): Promise<Set<OutputId>> {
  const digests = new Map<OutputId, string>();
  for (const { output, treeDigest } of read) digests.set(output, treeDigest);
  if (digests.size === 0) return new Set();
  const now = await record.successes([...digests.keys()]);
  const outdated = new Set<OutputId>();
  for (const [output, digest] of digests) {
    const success = now.get(output);
    if (success === undefined || success.stale || success.treeDigest !== digest) outdated.add(output);
  }
  return outdated;
}

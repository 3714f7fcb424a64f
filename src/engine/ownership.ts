// Two records on one store: what is rubbish to one may be a success of the other, so only one of them may move it aside.
import { existsSync } from "node:fs";
import type { RecordDb } from "../record/types.ts";
import type { Store } from "../store/types.ts";

/**
 * Whether runs of this record may move aside what lies at a location without a success of theirs: those of the record that
 * used the store first, until that record is gone, or another has taken its place.
 */
async function ownsStore(record: RecordDb, store: Store): Promise<boolean> {
  const owner = await store.owner();
  if (record.leases === "heartbeat") {
    // Whoever was taken for dead may still be about to commit, so nobody of this record moves anything aside; and nobody of
    // another may move aside what it holds.
    if (owner?.id !== record.id || owner.url !== record.url)
      await store.setOwner({ id: record.id, url: record.url });
    return false;
  }
  if (owner?.id === record.id && owner.url === record.url) return true;
  if (owner !== undefined && owner.id !== record.id && owner.url !== record.url && isThere(owner.url))
    return false;
  await store.setOwner({ id: record.id, url: record.url });
  return true;
}

/** The same, asked once for each store. */
export function ownership(record: RecordDb): (store: Store) => Promise<boolean> {
  const answers = new Map<Store, Promise<boolean>>();
  return (store) => {
    const answer = answers.get(store) ?? ownsStore(record, store);
    answers.set(store, answer);
    return answer;
  };
}

function isThere(url: string): boolean {
  return !url.startsWith("sqlite:") || existsSync(url.slice("sqlite:".length));
}

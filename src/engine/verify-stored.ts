// Hashes what the store holds against the record. What is gone or changed is marked, so that no task is ever given it.
import { AlamodeError } from "../errors.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import type { RecordDb, Success } from "../record/types.ts";
import { type Stores, storesOf } from "../store/stores.ts";
import { decodeTree } from "../store/tree.ts";
import type { HashedTree, Store } from "../store/types.ts";
import type { VerifyResult } from "./verify.ts";
import { treeDifferences } from "./verify-compare.ts";
import type { VerifyEvent } from "./verify-events.ts";
import { whyNotDone } from "./verify-inputs.ts";
import { staleTasks } from "./verify-stale.ts";
import { SHOWN_DIFFERENCES } from "./verify-step.ts";
import { workThrough } from "./verify-workers.ts";

/** How many trees are read at once: enough to keep a disk busy while one of them is hashed. */
const AT_ONCE = 4;
/** How many successes are asked of the record at a time. */
const PAGE = 1000;

export interface VerifyStoredOptions {
  readonly record: RecordDb;
  /** One store, or all that the project knows. */
  readonly store: Store | Stores;
  /** Names outputs, and is looked through for what is stale. */
  readonly plan?: Plan;
  /** Tasks of the plan; by default all successes of the record whose bytes are there as far as is known. */
  readonly tasks?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: VerifyEvent) => void;
}

/** Verifies what is stored. What is damaged or lost is told in events, and counted. Throws errors of store and record. */
export async function verifyStored(options: VerifyStoredOptions): Promise<VerifyResult> {
  const startedMs = performance.now();
  const { record, plan, tasks, onEvent: emit = () => {} } = options;
  const stores = storesOf(options.store);
  const stop = options.signal ?? new AbortController().signal;
  const names = namesIn(plan);
  const counts = { same: 0, differ: 0, failed: 0, impossible: 0, lost: 0, left: 0, stale: 0 };
  const chosen = tasks === undefined ? undefined : await successesOf(plan!, tasks);
  const all = () => chosen?.successes ?? originals(record);
  let outputs = 0;
  let sizeBytes = 0;
  for await (const success of all()) {
    outputs++;
    sizeBytes += success.sizeBytes;
  }
  counts.left = outputs;
  emit({ event: "verify.started", outputs, of: outputs, sizeBytes });
  for (const { task, output } of chosen?.notDone ?? []) {
    counts.impossible++;
    emit({ event: "verify.impossible", task, output, because: await whyNotDone(output, { record, stores }) });
  }
  const places = Array.from({ length: AT_ONCE }, (_, n) => n);
  await workThrough(all(), places, stop, (success) => verifyOne(success));
  for (const stale of plan === undefined ? [] : await staleTasks(plan, record)) {
    counts.stale++;
    emit(stale);
  }
  const result = { interrupted: stop.aborted, ...counts };
  emit({ event: "verify.finished", durationMs: performance.now() - startedMs, ...result });
  return result;

  async function verifyOne(success: Success): Promise<void> {
    const { id, output, location, sizeBytes, treeDigest } = success;
    const about = { task: names.get(output) ?? (await record.namesOf(output))[0] ?? output, output };
    emit({ event: "stored.hashing", ...about, sizeBytes });
    let found: HashedTree | undefined;
    let because: string | undefined;
    try {
      found = await stores.rehash(success, stop);
    } catch (error) {
      if (stop.aborted) return;
      if (!(error instanceof AlamodeError)) throw error;
      because = error.message;
      if (error.code !== "bad-output") {
        counts.left--;
        counts.failed++;
        return emit({ event: "stored.unreadable", ...about, location, because });
      }
    }
    const isKnown = (await stores.find(success.store)) !== undefined;
    if (found?.digest !== treeDigest && !isKnown) return; // it is in another store: nothing is known of it here
    counts.left--;
    if (found?.digest === treeDigest) {
      counts.same++;
      return emit({ event: "stored.intact", ...about, location, sizeBytes });
    }
    if (found === undefined && because === undefined) {
      counts.lost++;
      await record.mark([id], "lost");
      return emit({ event: "stored.lost", ...about, location });
    }
    counts.differ++;
    await record.mark([id], "damaged");
    const differences =
      found === undefined ? [] : treeDifferences(decodeTree(await record.tree(treeDigest)), found.tree);
    const path = await pathOf(success).catch(() => undefined); // a link that leads nowhere, say
    emit({
      event: "stored.damaged",
      ...about,
      location,
      ...(path === undefined ? {} : { path }),
      treeDigest,
      ...(found === undefined ? {} : { found: found.digest }),
      ...(because === undefined ? {} : { because }),
      differences: { shown: differences.slice(0, SHOWN_DIFFERENCES), all: differences.length },
    });
  }

  async function pathOf(success: Success): Promise<string> {
    return (await stores.stage(success)).path;
  }

  async function successesOf(plan: Plan, tasks: readonly string[]) {
    const outputs = new Map(tasks.map((task) => [plan.tasks[task]!.output, task]));
    const current = await record.successes([...outputs.keys()]);
    // Several outputs may rest on the same bytes.
    const successes = new Map(
      [...current.values()].map((success) => [success.aliasOf ?? success.id, success]),
    );
    return {
      successes: [...successes.values()],
      notDone: [...outputs].flatMap(([output, task]) => (current.has(output) ? [] : [{ task, output }])),
    };
  }
}

/** Page by page: a record may have millions. */
async function* originals(record: RecordDb): AsyncGenerator<Success> {
  let after = 0;
  for (;;) {
    const page = await record.originals(after, PAGE);
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)!.id;
  }
}

function namesIn(plan: Plan | undefined): ReadonlyMap<OutputId, string> {
  const names = new Map<OutputId, string>();
  for (const [task, { output }] of Object.entries(plan?.tasks ?? {}))
    if (!names.has(output)) names.set(output, task);
  return names;
}

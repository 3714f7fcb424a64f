// The shortcut of a run that has nothing to do: told and recorded as any other, without reading the plan again.

import { isolationSuffices } from "../record/isolation.ts";
import type { Standing } from "../record/types.ts";
import { storesOf } from "../store/stores.ts";
import type { Store } from "../store/types.ts";
import { version } from "../version.ts";
import { thisHost } from "./host.ts";
import { knownPlan } from "./known-plan.ts";
import { leftRuns } from "./left-runs.ts";
import type { RunOptions } from "./run.ts";
import { openSandbox } from "./sandbox/open.ts";
import { trustedUnseen } from "./trust.ts";

/** What the shortcut takes: a run for the plan's own goals, with nothing forced. */
export type NothingDueOptions = Pick<
  RunOptions,
  "record" | "store" | "pipeline" | "sandbox" | "usualSandbox" | "onEvent" | "params"
>;

/**
 * Performs the run if the plan of this digest is known, was what its pipeline's last run was of, and all its goals are done,
 * there, and to be trusted unseen. False, with nothing told or written, wherever a full run might find anything else.
 */
export async function runNothingDue(
  planDigest: string,
  { record, onEvent: emit = () => {}, params = {}, ...options }: NothingDueOptions,
): Promise<boolean> {
  const startedMs = performance.now();
  const stores = storesOf(options.store);
  const known = await knownPlan(stores.main, planDigest);
  if (known === undefined) return false;
  const pipeline = known.name === "" ? (options.pipeline ?? "") : known.name;
  // After a run of another plan there is a change to be told of, and the plan itself to be noted.
  if ((await record.lastRun(pipeline))?.planDigest !== planDigest) return false;
  const { kind } = await openSandbox(options.sandbox ?? options.usualSandbox ?? "none"); // such a plan names no images
  const host = thisHost();
  const successes: Standing[] = [];
  const storeOf = new Map<string, Store>();
  for (const success of await record.standing(known.goals.map(([, output]) => output))) {
    if (success === undefined || !isolationSuffices(success.isolation, kind)) return false;
    const store = storeOf.get(success.store) ?? (await stores.of(success));
    storeOf.set(success.store, store);
    if (!trustedUnseen(success, { store, host })) return false;
    successes.push(success);
  }
  const present = await stores.present(successes);
  if (present.includes(false)) return false;
  // One killed after its last commit would leave its folder until something is due again.
  if ((await leftRuns(record, stores.main, host.host)).length > 0) return false;

  const { tasks } = known;
  const goals = known.names;
  const noted = await record.startRun({
    pipeline,
    params,
    planDigest,
    goals,
    note: "",
    host: host.host,
    user: host.user,
    version,
  });
  const counts = { ran: 0, same: 0, reused: tasks, failed: 0, notStarted: 0 };
  emit({
    event: "run.started",
    run: noted.id,
    number: noted.number,
    pipeline: noted.pipeline,
    tasks,
    due: 0,
  });
  for (const [task, output] of known.goals) emit({ event: "task.reused", task, output });
  await record.finishRun(noted.id, "done", counts);
  const durationMs = performance.now() - startedMs;
  emit({ event: "run.finished", run: noted.id, status: "done", tasks, durationMs, ...counts });
  return true;
}

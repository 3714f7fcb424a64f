// Performs what is due in one run: opens slots and executor, lets the plan be performed, and leaves nothing behind.
import { statSync } from "node:fs";
import { join } from "node:path";
import type { PlanGraph } from "../plan/graph.ts";
import type { Plan } from "../plan/types.ts";
import type { RunId } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import type { Decision } from "./decide.ts";
import type { RunEvent } from "./events.ts";
import { openLocalExecutor } from "./executors/local.ts";
import type { FactSource } from "./facts.ts";
import { InputChecks } from "./input-checks.ts";
import { InputLinks } from "./input-links.ts";
import { performLevel, type Shared } from "./level.ts";
import type { CappedLog } from "./log.ts";
import { ownership } from "./ownership.ts";
import type { FailedTask } from "./run.ts";
import type { PlanSandboxes, Sandboxes } from "./sandbox/sandboxes.ts";
import type { Secrets } from "./secrets/secrets.ts";
import { Settler } from "./settler.ts";
import { besides, type RunQueue, type SharedQueue, slotsFor } from "./shared-queue.ts";
import { StartQueue } from "./start-queue.ts";
import { endStrays, MadeList } from "./strays.ts";
import { Untouched } from "./untouched.ts";
import type { Surroundings, Work } from "./work.ts";

/** How often growing logs are looked at: to cut those past their cap, and to give those their name that have begun. */
const TRIM_LOGS_MS = 200;

export interface Performance extends Surroundings {
  readonly run: RunId;
  readonly plan: Plan;
  readonly graph: PlanGraph;
  readonly work: Work;
  readonly decision: Decision;
  /** Nodes to run though they are done. */
  readonly force: ReadonlySet<number>;
  /** Task → how long it took before, in milliseconds. */
  readonly durations: ReadonlyMap<string, number>;
  readonly source: FactSource;
  readonly sandboxes: Sandboxes;
  readonly shutIn: PlanSandboxes;
  readonly jobs: number;
  readonly queue: SharedQueue | undefined;
  readonly keepGoing: boolean;
  readonly path: string;
  readonly maxDepth: number;
  readonly secrets: Secrets;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  emit(event: RunEvent): void;
}

export interface Performed {
  readonly ran: number;
  readonly same: number;
  readonly notStarted: number;
  /** Tasks of plans that tasks wrote. */
  readonly more: number;
  readonly failures: readonly FailedTask[];
}

export async function perform(performance: Performance): Promise<Performed> {
  const { run, source, jobs, emit } = performance;
  const { record, stores, host } = source;
  const { main } = stores;
  const executor = openLocalExecutor(run);
  const folder = join(main.scratchDir, run);
  const settler = new Settler(record, stores, host);
  const inputLinks = new InputLinks(run);
  const logs = new Set<CappedLog>();
  const made = new MadeList();
  const failures: FailedTask[] = [];
  const counts = { same: 0, notStarted: 0, more: 0 };
  const trimmer = setInterval(() => {
    for (const log of logs) log.trim();
  }, TRIM_LOGS_MS).unref();
  let executions = 0;
  try {
    const folders = await executor.openSlots(folder, slotsFor(jobs));
    const queue: RunQueue =
      performance.queue?.forRun(folders) ?? new StartQueue(folders, performance.machine, jobs, besides(jobs));
    warnOfImages(performance);
    const shared: Shared = {
      ...performance,
      queue,
      failures,
      counts,
      nextExecution: () => `${run}-${++executions}`,
      committed(request, success, startedAt) {
        made.push(request, success, startedAt);
        settler.committed(success.store);
      },
      context: {
        ...performance,
        record,
        stores,
        host,
        executor,
        logs,
        cleared: new Set(),
        untouched: new Untouched(),
        inputLinks,
        lostMakings: new Map(),
        spareLogs: statSync(main.scratchDir).dev === statSync(main.logDir).dev,
        ownsStore: ownership(record),
        checks: new InputChecks(record, stores),
        started: ({ task, planTask, execution, attempt }, log) =>
          emit({ event: "task.started", task, output: planTask.output, execution, attempt, log }),
        warn: (code, message, task, hint) =>
          emit({ event: "warning", code, message, task, ...(hint ? { hint } : {}) }),
      },
    };
    await performLevel(shared, { ...performance, prefix: "", above: new Set(), depth: 0 });
  } finally {
    clearInterval(trimmer);
    failures.push(...(await endStrays(run, made, { executor, stores, record, emit })));
    await executor.close();
    inputLinks.close();
    await removeTree(folder);
    await settler.finish();
  }
  // An output may be made twice, when its first bytes were damaged by a task: one is told as failed or reused then.
  const sound = new Set(made.outputs);
  for (const { output } of failures) sound.delete(output);
  return { ran: sound.size, ...counts, failures };
}

function warnOfImages({ shutIn, work, emit }: Performance): void {
  if (shutIn.one === "container") return;
  const named = [...work.notable()].filter(
    ({ runnable, planTask }) => runnable.image !== undefined && shutIn.of(planTask).kind !== "container",
  );
  if (named.length === 0) return;
  const shown = named.slice(0, 3).map(({ task }) => task);
  const more = named.length > shown.length ? ` and ${named.length - shown.length} more` : "";
  emit({
    event: "warning",
    code: "image-ignored",
    message: `"image" is not used by this run: ${shown.join(", ")}${more} run with this machine's programs`,
  });
}

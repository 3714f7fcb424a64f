// Performs a pipeline for many slots of its schedule: a run for each, several at once, within one limit of steps.
import { defaultJobs } from "../engine/estimate.ts";
import { type RunResult, run } from "../engine/run.ts";
import { SharedQueue } from "../engine/shared-queue.ts";
import { AlamodeError } from "../errors.ts";
import type { Slot } from "../plan/schedule.ts";
import type { RunFlags } from "./commands/run.ts";
import { type Context, type Opened, withBoth } from "./context.ts";
import { EXIT, tell } from "./errors.ts";
import { paramFlags } from "./given-params.ts";
import { selectedGoals } from "./goals.ts";
import type { Slots } from "./load-pipeline.ts";
import { runOptions } from "./perform-run.ts";
import { type TellingSlots, tellSlots } from "./tell-slots.ts";
import { warn } from "./warn.ts";

export interface SlotsRequest {
  /** Earliest first. */
  readonly slots: readonly Slot[];
  /** Task names or patterns; none for the goals. */
  readonly patterns: readonly string[];
}

/** Runs each slot, tells, and gives the exit code. */
export async function performSlots(
  context: Context,
  pipeline: Slots,
  options: RunFlags,
  request: SlotsRequest,
): Promise<number> {
  return withBoth(context, async (opened) => {
    const telling = tellSlots({ json: options.json === true, logs: options.logs === true });
    try {
      const { results, notStarted } = await runSlots(context, opened, pipeline, {
        ...request,
        options,
        telling,
      });
      telling.finished(results, notStarted);
      return exitOf(results, telling.signals.stop.aborted);
    } finally {
      telling.close();
    }
  });
}

export function exitOf(results: readonly RunResult[], stopped: boolean): number {
  if (stopped || results.some(({ status }) => status === "interrupted")) return EXIT.interrupted;
  return results.some(({ status }) => status === "failed") ? EXIT.failed : EXIT.done;
}

export interface SlotRuns extends SlotsRequest {
  readonly options: RunFlags;
  readonly telling: TellingSlots;
  /** Name of what is scheduled: each slot is run only if it is to be had, by which run ever. */
  readonly series?: string;
}

export interface SlotResults {
  /** Of those that were begun, in the order of their ends. */
  readonly results: readonly RunResult[];
  readonly notStarted: number;
}

/**
 * After a failure, or an error of one, no more are begun, unless they are scheduled or `keepGoing` says so; what runs then may
 * finish. The first error is thrown, when all is done.
 */
export async function runSlots(
  context: Context,
  { store, record }: Opened,
  pipeline: Slots,
  { slots, patterns, options, telling, series }: SlotRuns,
): Promise<SlotResults> {
  const { signals } = telling;
  const common = runOptions(context, options);
  const jobs = common.jobs ?? defaultJobs();
  const queue = new SharedQueue(jobs, common);
  const results: RunResult[] = [];
  const warned = new Set<string>();
  const ahead = [...slots].reverse();
  let describing: Promise<unknown> = Promise.resolve();
  let halted = false;
  let wrong: { error: unknown } | undefined;
  /** A day whose data is missing is no reason to leave out the others. */
  const goesOn = series !== undefined || common.keepGoing === true;

  function take<T>(describe: () => Promise<T>): Promise<T> {
    const turn = describing.then(describe);
    describing = turn.catch(() => {});
    return turn;
  }

  async function one(slot: Slot): Promise<void> {
    // One after the other: an author's module may be of one mind only.
    const described = await take(() => pipeline.at(pipeline.undated ? undefined : slot));
    warn(described.warnings.filter((line) => !warned.has(line)));
    for (const line of described.warnings) warned.add(line);
    const { plan, name, params } = described;
    const goals = selectedGoals(plan, patterns, "run");
    const date = pipeline.nameOf(slot);
    const { date: _range, ...flags } = context.options;
    const watched = telling.slot(
      date,
      context.placeFlags + paramFlags(pipeline.undated ? flags : { ...flags, date }),
    );
    try {
      const result = await run(plan, {
        ...common,
        store,
        record,
        queue,
        pipeline: name,
        params,
        ...(series === undefined ? {} : { scheduled: { series, startsAt: slot.startsAt } }),
        onEvent: watched.event,
        signal: signals.stop,
        kill: signals.kill,
        ...(goals === undefined ? {} : { goals, ...(options.force ? { force: goals } : {}) }),
      });
      results.push(result);
      if (result.status === "failed" && !common.keepGoing && series === undefined) halted = true;
    } finally {
      watched.close();
    }
  }

  async function worker(): Promise<void> {
    for (;;) {
      if (halted || (wrong !== undefined && !goesOn) || signals.stop.aborted) return;
      const slot = ahead.pop();
      if (slot === undefined) return;
      try {
        await one(slot);
      } catch (error) {
        if (error instanceof AlamodeError && error.code === "slot-taken") continue; // another scheduler was there first
        if (wrong !== undefined && goesOn) tell(error, options.json === true);
        else wrong = { error };
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(jobs, slots.length) }, worker));
  if (wrong !== undefined) throw wrong.error;
  return { results, notStarted: ahead.length };
}

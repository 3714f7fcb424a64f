// alamode schedule: runs each slot of a pipeline's schedule as soon as it is complete. The waiting is done by a process that does
// nothing else: each look, and each run, is one of its own, which reads the pipeline as it is then.
import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { catchupOf, type DueSlots, dueSlots, takenNeeded } from "../../engine/due-slots.ts";
import { AlamodeError } from "../../errors.ts";
import { takesSlot } from "../../plan/pipeline.ts";
import { openSchedule, type Schedule, scheduleTexts } from "../../plan/schedule.ts";
import type { Plan } from "../../plan/types.ts";
import { type Context, contextOf, withBoth } from "../context.ts";
import { EXIT } from "../errors.ts";
import { count } from "../format.ts";
import { selectedGoals } from "../goals.ts";
import { openPipeline, type Slots } from "../load-pipeline.ts";
import { exitOf, runSlots } from "../perform-slots.ts";
import { tellSlots } from "../tell-slots.ts";
import { warn } from "../warn.ts";
import type { RunFlags } from "./run.ts";

export interface ScheduleFlags extends RunFlags {
  readonly once?: boolean;
  readonly systemd?: boolean;
  readonly cron?: boolean;
}

/** What a look tells the process that waits. Milliseconds since 1970. */
interface Looked {
  readonly next: number;
  /** Slots that another scheduler is at. */
  readonly elsewhere: number;
}

/** While another scheduler is at a slot, it is looked whether it has died. */
const ELSEWHERE_MS = 30_000;
/** After an error (a pipeline that does not load, a record that cannot be reached) it is looked again after that, then ever later. */
const FIRST_RETRY_MS = 10_000;
const LAST_RETRY_MS = 600_000;
/** Clocks are set, and machines sleep: no wait is longer than that without a look at the clock. */
const LONGEST_WAIT_MS = 60_000;

export async function scheduleCommand(patterns: readonly string[], options: ScheduleFlags): Promise<number> {
  if (options.date !== undefined) throw ownDates("alamode run --date");
  const context = await contextOf(options);
  if (options.systemd || options.cron) {
    const { printTimer } = await import("../timer-units.ts");
    return printTimer(
      context,
      await scheduled(await openPipeline(context, { anySlot: true })),
      options.systemd ? "systemd" : "cron",
    );
  }
  return options.once ? look(context, patterns, options) : stay();
}

interface Scheduled {
  readonly plan: Plan;
  readonly pipeline: Slots;
  readonly schedule: Schedule;
  readonly name: string;
  /** Of the parameters those that were given. */
  readonly given: readonly (readonly [string, string])[];
}

function ownDates(instead: string): AlamodeError {
  return new AlamodeError("bad-date", "a schedule sees to its dates itself", {
    hint: `Run one with  ${instead}`,
  });
}

/** Throws `no-schedule`, `bad-date`. */
async function scheduled(opened: Slots, given: readonly string[] = []): Promise<Scheduled> {
  // Where the last slot's data is not there, another tells the schedule; that one fails when it is run.
  const [last] = opened.slots;
  const { plan, name, params, warnings } = await opened.at(last).catch(() => opened.at(undefined));
  const texts = scheduleTexts(plan.meta);
  if (texts === undefined) {
    throw new AlamodeError("no-schedule", `${name} has no schedule`, {
      hint: `Give it one:  new Dag({ schedule: "@daily" })`,
    });
  }
  if (opened.undated && takesSlot(opened.params ?? {})) throw ownDates("alamode run -p");
  warn(warnings);
  const schedule = opened.schedule ?? (await openSchedule(texts));
  const pipeline = { ...opened, nameOf: schedule.nameOf.bind(schedule) };
  const pairs = given.map((key) => [key, params[key] ?? ""] as const);
  return { plan, pipeline, schedule, name, given: pairs };
}

/** Runs what is due now, and ends. */
async function look(context: Context, patterns: readonly string[], options: ScheduleFlags): Promise<number> {
  const { givenParams } = await import("../given-params.ts");
  const given = Object.keys(givenParams(options, context.cwd)).sort();
  const { plan, pipeline, schedule, name, ...rest } = await scheduled(
    await openPipeline(context, { anySlot: true }),
    given,
  );
  selectedGoals(plan, patterns, "schedule"); // throws: what no slot has need not be waited for
  const { cron, timezone } = schedule.texts;
  const series = JSON.stringify([cron, timezone, rest.given, patterns]);
  const catchup = catchupOf(plan.meta);
  return withBoth(context, async (opened) => {
    const telling = tellSlots({ json: options.json === true, logs: options.logs === true });
    try {
      const taken = await opened.record.slots(name, series, takenNeeded(catchup));
      const found = dueSlots(schedule, taken, catchup, Date.now());
      tellMissed(found, schedule, context);
      const { due, next, elsewhere } = found;
      // Who waits may be killed just now, which is no matter of this process.
      if (process.connected) process.send?.({ next, elsewhere } satisfies Looked, () => {});
      const { results, notStarted } = await runSlots(context, opened, pipeline, {
        slots: due,
        patterns,
        options,
        telling,
        series,
      });
      if (results.length > 1) telling.finished(results, notStarted);
      if (process.send === undefined && due.length === 0) {
        const what = elsewhere > 0 ? `${count(elsewhere, "slot")} being run elsewhere` : "nothing is due";
        telling.say(`${what}; the next slot is complete at ${schedule.clockAt(next).time}`);
      }
      return exitOf(results, telling.signals.stop.aborted);
    } finally {
      telling.close();
    }
  });
}

function tellMissed({ missed }: DueSlots, schedule: Schedule, { placeFlags }: Context): void {
  if (missed === undefined) return;
  const [first, last] = [schedule.nameOf(missed.first), schedule.nameOf(missed.last)];
  warn([
    `${count(missed.count, "slot")} of the schedule were missed, and are too old to be caught up with. Run them with  alamode run ${placeFlags}--date ${first}..${last}`,
  ]);
}

/** Looks, waits until there is something to look for again, and so on, until it is told to stop. */
async function stay(): Promise<number> {
  const stop = new AbortController();
  let child: ReturnType<typeof spawn> | undefined;
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) {
    process.on(signal, () => {
      stop.abort();
      child?.kill(signal); // which ends gently at the first, and at once at the second
    });
  }
  let retryMs = FIRST_RETRY_MS;
  let everLooked = false;
  while (!stop.signal.aborted) {
    // A group of its own: what it runs outlives this process, whatever ends that, and so is never begun twice.
    child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1), "--once"], {
      detached: true,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    let looked: Looked | undefined;
    child.on("message", (message) => {
      looked = message as Looked;
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child!.once("error", reject);
      child!.once("close", resolve);
    });
    child = undefined;
    if (stop.signal.aborted) break;
    const wrong = looked === undefined || (code !== EXIT.done && code !== EXIT.failed);
    const until = wrong
      ? Date.now() + retryMs
      : Math.min(looked!.next, looked!.elsewhere > 0 ? Date.now() + ELSEWHERE_MS : Number.POSITIVE_INFINITY);
    everLooked ||= looked !== undefined;
    if (!everLooked) return code ?? EXIT.wrong; // nothing to wait for: the request itself is wrong, and that was told
    retryMs = wrong ? Math.min(2 * retryMs, LAST_RETRY_MS) : FIRST_RETRY_MS;
    while (!stop.signal.aborted && Date.now() < until) {
      await delay(Math.min(until - Date.now(), LONGEST_WAIT_MS), undefined, { signal: stop.signal }).catch(
        () => {},
      );
    }
  }
  return EXIT.done;
}

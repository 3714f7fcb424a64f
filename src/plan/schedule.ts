// The slots of a schedule: the times from one of its starts to the next. Cron texts are croner's business; the clock is the
// caller's. A slot is complete when the next one starts.
import type { Cron } from "croner";
import { AlamodeError } from "../errors.ts";
import { clockAt, isZone, whenShown } from "./zone.ts";

/** Milliseconds since 1970, `endsAt` not included. */
export interface Slot {
  readonly startsAt: number;
  readonly endsAt: number;
}

/** What a pipeline's meta says of it. */
export interface ScheduleTexts {
  /** Cron text or `@daily`. */
  readonly cron: string;
  readonly timezone: string;
}

/** Unless meta says: days, in UTC. */
export const DAILY: ScheduleTexts = { cron: "@daily", timezone: "UTC" };
/** A range may be of no more slots than that. */
const MOST_SLOTS = 100_000;
const EXAMPLES = `Write e.g. "@hourly", "@daily", "@weekly", "@monthly" or "30 6 * * 1-5".`;

type Meta = { readonly [key: string]: unknown };

/** `meta.timezone`; without it UTC. Throws `bad-schedule`. */
export function zoneOf({ timezone = DAILY.timezone }: Meta): string {
  if (typeof timezone === "string" && isZone(timezone)) return timezone;
  throw new AlamodeError(
    "bad-schedule",
    `meta.timezone: there is no time zone ${JSON.stringify(timezone)}.`,
    {
      hint: `Write e.g. "Europe/Berlin"; without it, it is UTC.`,
    },
  );
}

/** `meta.schedule` and `meta.timezone`; undefined without the first. Throws `bad-schedule`. */
export function scheduleTexts(meta: Meta): ScheduleTexts | undefined {
  const timezone = zoneOf(meta);
  const { schedule } = meta;
  if (schedule === undefined) return undefined;
  if (typeof schedule !== "string" || !/^@\w+$|^\S+(\s+\S+){4,5}$/.test(schedule.trim())) {
    throw new AlamodeError("bad-schedule", `meta.schedule: ${JSON.stringify(schedule)} is no cron text.`, {
      hint: EXAMPLES,
    });
  }
  return { cron: schedule.trim(), timezone };
}

/** Opens a schedule for questions. Throws `bad-schedule` where the text is none, or never comes. */
export async function openSchedule(texts: ScheduleTexts): Promise<Schedule> {
  const { Cron } = await import("croner");
  try {
    const cron = new Cron(texts.cron, { timezone: texts.timezone, paused: true, mode: "5-or-6-parts" });
    return new Schedule(texts, cron);
  } catch (error) {
    const said = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
    throw new AlamodeError("bad-schedule", `meta.schedule: "${texts.cron}" is no cron text: ${said}`, {
      hint: EXAMPLES,
      cause: error,
    });
  }
}

export class Schedule {
  readonly texts: ScheduleTexts;
  readonly #cron: Cron;

  constructor(texts: ScheduleTexts, cron: Cron) {
    this.texts = texts;
    this.#cron = cron;
  }

  /** The last `count` slots that are complete at `now`, earliest first; fewer where there are not so many. Throws `bad-schedule`. */
  lastComplete(now: number, count = 1): Slot[] {
    const starts = this.#cron.previousRuns(count + 1, new Date(now + 1)).map((start) => start.getTime());
    if (starts.length < 2) throw this.#never();
    return starts
      .slice(1)
      .map((startsAt, i) => ({ startsAt, endsAt: starts[i]! }))
      .reverse();
  }

  /** When the first slot after `now` becomes complete: the next start. */
  nextEnd(now: number): number {
    const next = this.#cron.nextRun(new Date(now));
    if (next === null) throw this.#never();
    return next.getTime();
  }

  /** The slots that start from `from` up to, but not at, `to`, earliest first. Throws `bad-date` for very many. */
  slotsFrom(from: number, to: number): Slot[] {
    const slots: Slot[] = [];
    let startsAt = this.#cron.nextRun(new Date(from - 1))?.getTime();
    while (startsAt !== undefined && startsAt < to) {
      const endsAt = this.#cron.nextRun(new Date(startsAt))?.getTime();
      if (endsAt === undefined) throw this.#never();
      slots.push({ startsAt, endsAt });
      if (slots.length > MOST_SLOTS) {
        throw new AlamodeError(
          "bad-date",
          `these are more than ${MOST_SLOTS} slots of "${this.texts.cron}".`,
          {
            hint: "Name fewer.",
          },
        );
      }
      startsAt = endsAt;
    }
    return slots;
  }

  /** The slot that `at` lies in. */
  slotAt(at: number): Slot {
    const startsAt = this.#cron.previousRuns(1, new Date(at + 1))[0]?.getTime();
    if (startsAt === undefined) throw this.#never();
    return { startsAt, endsAt: this.nextEnd(startsAt) };
  }

  /** What people call the slot: by its day where no other starts on that day, else by its time. */
  nameOf({ startsAt }: Slot): string {
    const { day, time } = this.clockAt(startsAt);
    const midnight = whenShown(Date.parse(`${day}T00:00:00Z`), this.texts.timezone);
    const next = this.nextEnd(startsAt);
    const alone = this.clockAt(next).day !== day && this.slotAt(startsAt - 1).startsAt < midnight;
    return alone ? day : time.replace(/:00(?=Z|[+-])/, "");
  }

  /** What the clocks of its zone show. */
  clockAt(at: number): { readonly day: string; readonly time: string } {
    return clockAt(at, this.texts.timezone);
  }

  #never(): AlamodeError {
    return new AlamodeError("bad-schedule", `meta.schedule: "${this.texts.cron}" never comes.`, {
      hint: EXAMPLES,
    });
  }
}

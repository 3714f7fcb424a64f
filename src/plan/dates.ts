// Which slots of a schedule a text such as `2026-11-01`, `2026-11-01T05` or `2026-11-01..2026-11-07` means.
import { AlamodeError } from "../errors.ts";
import type { Schedule, Slot } from "./schedule.ts";
import { whenShown } from "./zone.ts";

export interface DatedSlots {
  readonly slots: readonly Slot[];
  /** Those of a range that are not complete yet, and left out. */
  readonly incomplete: number;
}

/** Earliest first, at least one. Throws `bad-date`: no date, no slot there, none that is complete. */
export function slotsOfDate(text: string, schedule: Schedule, now: number): DatedSlots {
  const range = text.indexOf("..");
  return range === -1
    ? { slots: [oneSlot(text, schedule, now)], incomplete: 0 }
    : slotsOfRange(text.slice(0, range), text.slice(range + 2), schedule, now);
}

/** When what the text means begins, by the clocks of UTC. Throws `bad-date` for what is no date. */
export function firstInstant(text: string): number {
  const range = text.indexOf("..");
  const last = range === -1 ? "" : text.slice(range + 2);
  if (last !== "") spanOf(last, "UTC");
  if (range === 0) throw noDate(text);
  return spanOf(range === -1 ? text : text.slice(0, range), "UTC").from;
}

function oneSlot(text: string, schedule: Schedule, now: number): Slot {
  const { from, to } = spanOf(text, schedule.texts.timezone);
  const slots = schedule.slotsFrom(from, to);
  const [slot, another] = slots;
  if (slot === undefined) {
    const around = schedule.nameOf(schedule.slotAt(from));
    throw new AlamodeError("bad-date", `no slot of "${schedule.texts.cron}" starts at ${text}.`, {
      hint: `The one that it lies in is  --date ${around}`,
    });
  }
  if (another !== undefined) {
    throw new AlamodeError(
      "bad-date",
      `${slots.length} slots of "${schedule.texts.cron}" start at ${text}.`,
      {
        hint: `Name one, as in  --date ${schedule.nameOf(slot)}  or all of them:  --date ${text}..${text}`,
      },
    );
  }
  if (slot.endsAt > now) {
    throw new AlamodeError(
      "bad-date",
      `the slot ${text} is not complete before ${schedule.clockAt(slot.endsAt).time}: what is made of it now would stand for it from then on.`,
      { hint: "Name an earlier one. To have it all the same, give the parameter itself:  -p NAME=DATE" },
    );
  }
  return slot;
}

function slotsOfRange(first: string, last: string, schedule: Schedule, now: number): DatedSlots {
  const { timezone, cron } = schedule.texts;
  if (first === "") throw noDate(`..${last}`);
  const from = spanOf(first, timezone).from;
  const to = last === "" ? now : spanOf(last, timezone).to;
  if (to <= from) {
    throw new AlamodeError("bad-date", `${first} does not come before ${last === "" ? "now" : last}.`, {
      hint: "Write the earlier one first.",
    });
  }
  const all = schedule.slotsFrom(from, to);
  const slots = all.filter(({ endsAt }) => endsAt <= now);
  if (slots.length === 0) {
    const what = all.length === 0 ? `no slot of "${cron}" starts in` : `no slot is complete yet in`;
    throw new AlamodeError("bad-date", `${what} ${first}..${last}.`);
  }
  return { slots, incomplete: last === "" ? 0 : all.length - slots.length };
}

/** From when to when a day, an hour, a minute or a second is. Without an offset from UTC it is by the clocks of `zone`. */
function spanOf(text: string, zone: string): { readonly from: number; readonly to: number } {
  const [, day, hour, minute, second, offset] =
    /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2}))?)?(Z|[+-]\d{2}:\d{2})?)?$/.exec(text) ?? [];
  const shown = Date.parse(`${day}T${hour ?? "00"}:${minute ?? "00"}:${second ?? "00"}Z`);
  if (day === undefined || Number.isNaN(shown) || new Date(shown).toISOString().slice(0, 10) !== day) {
    throw noDate(text);
  }
  const lengthMs =
    hour === undefined ? 86_400_000 : minute === undefined ? 3_600_000 : second === undefined ? 60_000 : 1000;
  if (offset !== undefined) {
    const from = Date.parse(`${day}T${hour}:${minute ?? "00"}:${second ?? "00"}${offset}`);
    if (Number.isNaN(from)) throw noDate(text);
    return { from, to: from + lengthMs };
  }
  const from = whenShown(shown, zone);
  // A day is as long as the zone's clocks make it; what is shorter has its length.
  return { from, to: hour === undefined ? whenShown(shown + lengthMs, zone) : from + lengthMs };
}

function noDate(text: string): AlamodeError {
  return new AlamodeError("bad-date", `"${text}" is no date.`, {
    hint: "Write 2026-11-01, 2026-11-01T05:00, or two of them: 2026-11-01..2026-11-07, or 2026-11-01.. for all since.",
  });
}

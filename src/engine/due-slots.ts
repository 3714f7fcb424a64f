// Which slots of a schedule are to be run now, by what the record says of those before. No clock of its own, nothing is run.
import { AlamodeError } from "../errors.ts";
import type { Schedule, Slot } from "../plan/schedule.ts";
import type { TakenSlot } from "../record/types.ts";

/** So many slots that were missed are caught up with unless `meta.catchup` says. */
export const CATCHUP = 10;

/** `meta.catchup`: how many slots before the last complete one are caught up with. Throws `bad-schedule`. */
export function catchupOf(meta: { readonly [key: string]: unknown }): number {
  const { catchup = CATCHUP } = meta;
  if (typeof catchup === "number" && Number.isSafeInteger(catchup) && catchup >= 0 && catchup <= 10_000)
    return catchup;
  throw new AlamodeError("bad-schedule", `meta.catchup: ${JSON.stringify(catchup)} is no number of slots.`, {
    hint: "Write how many missed ones to catch up with at most: 0, 7, up to 10000.",
  });
}

/** So many of the newest taken slots have to be known to tell what is due. */
export function takenNeeded(catchup: number): number {
  return catchup + 2;
}

export interface DueSlots {
  /** Earliest first. */
  readonly due: readonly Slot[];
  /** How many another run has right now. If it dies, they are due. */
  readonly elsewhere: number;
  /** Slots that nobody took and that are too old to be caught up with: how many, and the first and the last. */
  readonly missed?: { readonly count: number; readonly first: Slot; readonly last: Slot };
  /** When the next slot will be complete. */
  readonly next: number;
}

/**
 * `taken`: the newest taken slots of the series, as many as `takenNeeded` says. A schedule that never ran begins with its last complete
 * slot; after that no slot is left out, unless it is older than `catchup` ones. Slots that failed are done with.
 */
export function dueSlots(
  schedule: Schedule,
  taken: readonly TakenSlot[],
  catchup: number,
  now: number,
): DueSlots {
  const next = schedule.nextEnd(now);
  const known = new Map(taken.map((slot) => [slot.startsAt, slot]));
  const oldest = Math.min(...known.keys());
  const window = schedule
    .lastComplete(now, taken.length === 0 ? 1 : catchup + 1)
    .filter(({ startsAt }) => taken.length === 0 || startsAt >= oldest);
  const isHeld = ({ startsAt }: Slot) => known.get(startsAt)?.status === "running";
  const due = window.filter((slot) => {
    const status = known.get(slot.startsAt)?.status;
    return status === undefined || status === "interrupted" || status === "abandoned";
  });
  const missed = missedBefore(window[0], Math.max(...known.keys()), schedule);
  return { due, elsewhere: window.filter(isHeld).length, next, ...(missed === undefined ? {} : { missed }) };
}

function missedBefore(first: Slot | undefined, newest: number, schedule: Schedule): DueSlots["missed"] {
  if (first === undefined || !Number.isFinite(newest) || newest >= first.startsAt) return undefined;
  const slots = schedule.slotsFrom(newest + 1, first.startsAt);
  const [earliest] = slots;
  return earliest === undefined ? undefined : { count: slots.length, first: earliest, last: slots.at(-1)! };
}

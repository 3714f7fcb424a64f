// From what a pipeline's module exports, and what was asked for, to dags: one for each slot. Without a clock of its own.
import { AlamodeError } from "../errors.ts";
import { type Dag, isDag } from "./dag.ts";
import { type DatedSlots, firstInstant, slotsOfDate } from "./dates.ts";
import type { Params } from "./params.ts";
import { chooseValues, isParamPipeline, type ParamPipeline, takesSlot } from "./pipeline.ts";
import { DAILY, openSchedule, type Schedule, type Slot, scheduleTexts, zoneOf } from "./schedule.ts";

/** A day begins there so long before it does in UTC. */
const FARTHEST_EAST_MS = 14 * 3_600_000;
/** So many slots before the last complete one are tried where any will do. */
const EARLIER_SLOTS = 7;

export interface DescribeRequest {
  /** Parameter → text, as typed, or a value of JSON. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** `2026-11-01`, `2026-11-01T05`, `2026-11-01..2026-11-07`; by default the last complete slot. */
  readonly date?: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Whether parameters and schedule are what is asked for: an earlier slot tells them too, where the last one's data is not there. */
  readonly anySlot?: boolean;
}

export interface Described {
  readonly dag: Dag;
  /** What each parameter was, as text. */
  readonly params: Readonly<Record<string, string>>;
}

export interface Description {
  /** Undefined where the pipeline has none. */
  readonly schedule: Schedule | undefined;
  /** Earliest first; undefined stands for a pipeline that takes no date. Never empty. */
  readonly slots: readonly (Slot | undefined)[];
  /** Whether it takes no date, or was given it by name, and so is the same for all slots. */
  readonly undated: boolean;
  /** What it can be given. */
  readonly params: Params;
  /** How many slots of the range asked for are not complete yet. */
  readonly incomplete: number;
  /** What people call a slot: `2026-11-01`. */
  nameOf(slot: Slot): string;
  /** Describes it for one slot, whether it is among those asked for or not. Describes anew each time but the first. */
  at(slot: Slot | undefined): Promise<Described>;
}

/** Throws `bad-params`, `bad-date`, `bad-schedule`, `not-a-dag`, and whatever the pipeline throws. */
export async function describe(exported: unknown, request: DescribeRequest): Promise<Description> {
  if (isParamPipeline(exported)) return describeParams(exported, request);
  const [name] = Object.keys(request.params ?? {});
  if (name !== undefined || request.date !== undefined) {
    const what = name === undefined ? "no date" : `no parameters, and "${name}" was given`;
    throw new AlamodeError("bad-params", `this pipeline takes ${what}.`, {
      hint: `Give it some:  export default pipeline({ ${name ?? "date"}: ${name === undefined ? "day()" : "text()"} }, ({ ${name ?? "date"} }) => dag)`,
    });
  }
  const called = typeof exported === "function";
  const dag = dagIn(called ? await exported() : await exported, called);
  const texts = scheduleTexts(dag.meta);
  // Not opened where there is none: looking a zone up takes 50 ms.
  const schedule = texts && (await openSchedule(texts));
  return {
    schedule,
    nameOf: (slot) => schedule?.nameOf(slot) ?? "",
    slots: [undefined],
    undated: true,
    params: {},
    incomplete: 0,
    at: async () => ({ dag, params: {} }),
  };
}

async function describeParams(
  exported: ParamPipeline,
  { params: given = {}, date, now, anySlot = false }: DescribeRequest,
): Promise<Description> {
  const { params } = exported;
  const open = Object.fromEntries(Object.entries(params).filter(([name]) => !Object.hasOwn(given, name)));
  const dated = takesSlot(open); // what is given by name is the same for all slots
  if (date !== undefined && !dated) throw noDate(params, given);
  const describeAt = async (slot: Slot, schedule: Schedule): Promise<Described> => {
    const { values, texts } = chooseValues(params, { params: given, slot: schedule.clockAt(slot.startsAt) });
    return { dag: dagIn(await exported.describe(values), true), params: texts };
  };
  // Which schedule it has only the described dag tells: so it is described for the first day asked for, else for yesterday, and once
  // more if that was not meant. Another day would not do: its data may not be there.
  const daily = await openSchedule(DAILY);
  const asked = date === undefined ? undefined : firstInstant(date);
  if (date !== undefined && asked! - FARTHEST_EAST_MS > now) slotsOfDate(date, daily, now); // throws, whatever the schedule
  let first = asked === undefined ? daily.lastComplete(now)[0]! : daily.slotAt(asked);
  chooseValues(params, { params: given, slot: daily.clockAt(first.startsAt) }); // throws, whatever the slot
  let known: { readonly slot: Slot; readonly described: Described } | undefined;
  for (let tries = anySlot ? EARLIER_SLOTS : 0, slot = first; known === undefined; tries--) {
    try {
      known = { slot, described: await describeAt(slot, daily) };
      first = slot;
    } catch (error) {
      if (!anySlot) throw error;
      if (tries === 0) break; // `at` tells why
      slot = daily.slotAt(slot.startsAt - 1);
    }
  }
  const meta = known?.described.dag.meta ?? {};
  const texts = scheduleTexts(meta);
  const schedule = await openSchedule(texts ?? { ...DAILY, timezone: zoneOf(meta) });
  const { slots, incomplete }: DatedSlots | { slots: readonly undefined[]; incomplete: number } = !dated
    ? { slots: [undefined], incomplete: 0 }
    : date === undefined
      ? { slots: schedule.lastComplete(now), incomplete: 0 }
      : slotsOfDate(date, schedule, now);
  return {
    schedule: texts === undefined ? undefined : schedule,
    slots,
    undated: !dated,
    nameOf: (slot) => schedule.nameOf(slot),
    params,
    incomplete,
    async at(slot) {
      const before = known;
      known = undefined;
      const wanted = slot ?? first;
      const isKnown =
        before !== undefined &&
        before.slot.startsAt === wanted.startsAt &&
        (slot === undefined || schedule.texts.timezone === daily.texts.timezone);
      return isKnown ? before.described : describeAt(wanted, schedule);
    },
  };
}

function noDate(params: Params, given: Readonly<Record<string, unknown>>): AlamodeError {
  const fixed = Object.keys(params).find(
    (name) => params[name]?.slot !== undefined && Object.hasOwn(given, name),
  );
  return fixed === undefined
    ? new AlamodeError("bad-params", "this pipeline takes no date.", {
        hint: "Give it a parameter that does:  pipeline({ date: day() }, ({ date }) => dag)",
      })
    : twoDates(fixed);
}

/** Both a slot and the parameter that it would set were named. */
export function twoDates(name: string): AlamodeError {
  return new AlamodeError("bad-params", `--date sets "${name}", which is given by name as well.`, {
    hint: `Leave out one of them: --date, or the value of ${name}.`,
  });
}

function dagIn(value: unknown, called: boolean): Dag {
  if (isDag(value)) return value;
  const what =
    value === undefined || value === null
      ? "nothing"
      : Array.isArray(value)
        ? "a list"
        : `${typeof value === "object" ? "an" : "a"} ${typeof value}`;
  throw new AlamodeError(
    "not-a-dag",
    called ? `the function it exports gave ${what}, not a Dag` : `its default export is ${what}, not a Dag`,
    {
      hint: "Make one with  new Dag()  of a-la-mode, and export it or a function that returns it.",
    },
  );
}

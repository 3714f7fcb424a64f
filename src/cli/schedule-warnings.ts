// A schedule that makes no difference: every slot would find what the one before it made.

import { takesSlot } from "../plan/pipeline.ts";
import type { Slot } from "../plan/schedule.ts";
import type { Plan } from "../plan/types.ts";
import type { OpenPipeline } from "./load-pipeline.ts";

/** One line, or none. Where no spec holds the date as it is, it may hold it otherwise: then another slot's plan is compared. */
export async function scheduleWarnings(
  { schedule, undated, params = {}, at }: OpenPipeline,
  plan: Plan,
  slot: Slot | undefined,
): Promise<string[]> {
  if (schedule === undefined) return [];
  if (undated && takesSlot(params)) return []; // the date was given by name: no slot is meant
  const tasks = Object.values(plan.tasks);
  // What data is differs by the day without any date.
  if (tasks.length === 0 || tasks.some((task) => task["source"] !== undefined)) return [];
  if (slot === undefined && !undated) return [];
  if (slot !== undefined && !undated) {
    const { day } = schedule.clockAt(slot.startsAt);
    if (tasks.some((task) => JSON.stringify(task, withoutBytes).includes(day))) return [];
    const before = await at(schedule.slotAt(slot.startsAt - 1));
    const outputs = new Set(Object.values(before.plan.tasks).map(({ output }) => output));
    if (tasks.some(({ output }) => !outputs.has(output))) return [];
  }
  const { cron } = schedule.texts;
  const way = undated
    ? "Take the date as a parameter:  pipeline({ date: day() }, ({ date }) => dag)"
    : "Put the date into the command or the args of what belongs to a day.";
  return [
    `the schedule "${cron}" changes nothing: no task holds the date, so that every slot reuses what was made once. ${way}`,
  ];
}

function withoutBytes(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? "" : value;
}

// Which slots are due: never one twice, none left out that is young enough, whatever became of those before.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { catchupOf, dueSlots, takenNeeded } from "../../src/engine/due-slots.ts";
import { openSchedule, type Schedule } from "../../src/plan/schedule.ts";
import type { TakenSlot } from "../../src/record/types.ts";

const HOUR_MS = 3_600_000;
const start = Date.parse("2026-11-01T00:00:00Z");
const hourly: Schedule = await openSchedule({ cron: "@hourly", timezone: "UTC" });

type Status = TakenSlot["status"];

/** Newest first, as the record gives them. `hours` since the start → status. */
function taken(statuses: Readonly<Record<number, Status>>): TakenSlot[] {
  return Object.entries(statuses)
    .map(([hour, status]) => ({ startsAt: start + Number(hour) * HOUR_MS, run: "0", number: 1, status }))
    .sort((a, b) => b.startsAt - a.startsAt);
}

function dueHours(statuses: Readonly<Record<number, Status>>, nowHour: number, catchup = 10): number[] {
  const newest = taken(statuses).slice(0, takenNeeded(catchup));
  const { due } = dueSlots(hourly, newest, catchup, start + nowHour * HOUR_MS + 1);
  return due.map(({ startsAt }) => (startsAt - start) / HOUR_MS);
}

test("a schedule that never ran begins with its last complete slot", () => {
  assert.deepEqual(dueHours({}, 20), [19]);
  assert.equal(dueSlots(hourly, [], 10, start + 1).next, start + HOUR_MS);
});

test("what was missed since is caught up with, the oldest first, and no more than catchup says", () => {
  assert.deepEqual(dueHours({ 15: "done" }, 20), [16, 17, 18, 19]);
  assert.deepEqual(dueHours({ 1: "done" }, 20, 3), [16, 17, 18, 19]);
  assert.deepEqual(dueHours({ 1: "done" }, 20, 0), [19]);
  assert.deepEqual(dueHours({ 19: "done" }, 20), []);
  const { missed } = dueSlots(hourly, taken({ 1: "done" }), 3, start + 20 * HOUR_MS);
  assert.deepEqual(
    [missed?.count, missed?.first.startsAt, missed?.last.startsAt],
    [14, start + 2 * HOUR_MS, start + 15 * HOUR_MS],
  );
  assert.equal(dueSlots(hourly, taken({ 15: "done" }), 3, start + 19 * HOUR_MS).missed, undefined);
});

test("interrupted and abandoned slots are due again; failed and running ones are not", () => {
  const statuses = { 14: "done", 15: "interrupted", 16: "failed", 17: "abandoned", 18: "running" } as const;
  assert.deepEqual(dueHours(statuses, 20), [15, 17, 19]);
  assert.equal(dueSlots(hourly, taken(statuses), 10, start + 20 * HOUR_MS).elsewhere, 1);
});

test("a gap that errors have left is filled", () => {
  assert.deepEqual(dueHours({ 12: "done", 15: "done" }, 17), [13, 14, 16]);
});

test("catchup is a number of slots", () => {
  assert.equal(catchupOf({}), 10);
  assert.equal(catchupOf({ catchup: 0 }), 0);
  for (const catchup of [-1, 1.5, "7", null, 1e9])
    assert.throws(() => catchupOf({ catchup }), { code: "bad-schedule" });
});

test("over any history of looks, deaths and failures each slot is done at most once, and all that are young enough are", () => {
  const look = fc.record({
    hours: fc.integer({ min: 0, max: 6 }),
    outcome: fc.constantFrom<Status>("done", "failed", "interrupted", "abandoned"),
    finishes: fc.nat(8),
  });
  fc.assert(
    fc.property(
      fc.array(look, { minLength: 1, maxLength: 25 }),
      fc.integer({ min: 0, max: 12 }),
      (looks, catchup) => {
        const record = new Map<number, Status>();
        let hour = 30;
        let first: number | undefined;
        for (const { hours, outcome, finishes } of looks) {
          hour += hours;
          const due = dueHours(Object.fromEntries(record), hour, catchup);
          first ??= hour - 1;
          const window = Array.from({ length: catchup + 1 }, (_, i) => hour - 1 - i);
          const wanted = window.filter(
            (slot) => slot >= first! && !["done", "failed"].includes(record.get(slot) ?? ""),
          );
          assert.deepEqual(due, wanted.reverse());
          // So many of them are finished; the next one ends somehow, and what is after it is not begun.
          for (const [i, slot] of due.entries()) {
            if (i < finishes) record.set(slot, "done");
            else if (i === finishes) record.set(slot, outcome);
          }
          if (due.length > 0 && !record.has(first)) first = Math.min(...record.keys());
        }
      },
    ),
    { numRuns: 200 },
  );
});

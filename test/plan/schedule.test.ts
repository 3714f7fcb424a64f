// Slots of schedules: which is the last complete one, also over changes of the clocks, and what texts mean which slots.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { slotsOfDate } from "../../src/plan/dates.ts";
import { openSchedule, type Schedule, type Slot, scheduleTexts } from "../../src/plan/schedule.ts";
import { clockAt, whenShown } from "../../src/plan/zone.ts";

const at = (text: string) => Date.parse(text);

function open(cron: string, timezone = "UTC"): Promise<Schedule> {
  return openSchedule(scheduleTexts({ schedule: cron, timezone })!);
}

function texts(slots: readonly Slot[]): string[] {
  return slots.map(
    ({ startsAt, endsAt }) =>
      `${new Date(startsAt).toISOString().slice(0, 19)} ${(endsAt - startsAt) / 3_600_000}h`,
  );
}

test("a slot is complete as soon as the next one starts, to the millisecond", async () => {
  const daily = await open("@daily");
  const last = (now: string) => texts(daily.lastComplete(at(now)));
  assert.deepEqual(last("2026-11-22T23:59:59.999Z"), ["2026-11-21T00:00:00 24h"]);
  assert.deepEqual(last("2026-11-23T00:00:00.000Z"), ["2026-11-22T00:00:00 24h"]);
  assert.deepEqual(last("2026-11-23T00:00:00.001Z"), ["2026-11-22T00:00:00 24h"]);
  assert.equal(daily.nextEnd(at("2026-11-22T23:59:59.999Z")), at("2026-11-23T00:00:00Z"));
  assert.equal(daily.nextEnd(at("2026-11-23T00:00:00Z")), at("2026-11-24T00:00:00Z"));
  const second = await open("* * * * * *");
  assert.equal(second.lastComplete(at("2026-11-23T00:00:07.500Z"))[0]?.startsAt, at("2026-11-23T00:00:06Z"));
  assert.equal(second.nextEnd(at("2026-11-23T00:00:07.500Z")), at("2026-11-23T00:00:08Z"));
});

test("many slots come earliest first, and join without gap or overlap", async () => {
  const weekdays = await open("30 6 * * 1-5");
  const slots = weekdays.lastComplete(at("2026-11-23T12:00:00Z"), 4);
  assert.deepEqual(texts(slots), [
    "2026-11-17T06:30:00 24h",
    "2026-11-18T06:30:00 24h",
    "2026-11-19T06:30:00 24h",
    "2026-11-20T06:30:00 72h",
  ]);
});

test("days of a zone are as long as its clocks make them", async () => {
  const berlin = await open("@daily", "Europe/Berlin");
  assert.deepEqual(texts(berlin.lastComplete(at("2026-10-26T12:00:00Z"), 3)), [
    "2026-10-22T22:00:00 24h",
    "2026-10-23T22:00:00 24h",
    "2026-10-24T22:00:00 25h",
  ]);
  assert.deepEqual(texts(berlin.lastComplete(at("2026-03-30T12:00:00Z"), 2)), [
    "2026-03-27T23:00:00 24h",
    "2026-03-28T23:00:00 23h",
  ]);
  assert.deepEqual(
    berlin.lastComplete(at("2026-10-26T12:00:00Z"), 3).map((slot) => berlin.nameOf(slot)),
    ["2026-10-23", "2026-10-24", "2026-10-25"],
  );
});

test("every hour of a zone is a slot with a name of its own, also the one that comes twice", async () => {
  const hourly = await open("@hourly", "Europe/Berlin");
  const slots = hourly.slotsFrom(at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z"));
  assert.equal(slots.length, 25);
  const names = slots.map((slot) => hourly.nameOf(slot));
  assert.equal(new Set(names).size, 25);
  assert.deepEqual(names.slice(1, 5), [
    "2026-10-25T01:00+02:00",
    "2026-10-25T02:00+02:00",
    "2026-10-25T02:00+01:00",
    "2026-10-25T03:00+01:00",
  ]);
  for (const [i, slot] of slots.entries())
    assert.deepEqual(slotsOfDate(names[i]!, hourly, at("2027-01-01T00:00:00Z")).slots, [slot]);
});

test("a time that the clocks skip is had when they go on, and one that comes twice is had once", async () => {
  const early = await open("30 2 * * *", "Europe/Berlin");
  const starts = (now: string) =>
    early.lastComplete(at(now), 2).map(({ startsAt }) => new Date(startsAt).toISOString());
  assert.deepEqual(starts("2026-03-30T12:00:00Z"), ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z"]);
  assert.deepEqual(starts("2026-10-26T12:00:00Z"), ["2026-10-24T00:30:00.000Z", "2026-10-25T00:30:00.000Z"]);
});

test("a day, an hour and a range name their slots", async () => {
  const now = at("2026-11-23T12:30:00Z");
  const daily = await open("@daily");
  assert.deepEqual(texts(slotsOfDate("2026-11-01", daily, now).slots), ["2026-11-01T00:00:00 24h"]);
  assert.equal(slotsOfDate("2026-11-01..2026-11-07", daily, now).slots.length, 7);
  assert.deepEqual(slotsOfDate("2026-11-20..", daily, now), {
    slots: daily.lastComplete(now, 3),
    incomplete: 0,
  });
  const late = slotsOfDate("2026-11-21..2026-11-24", daily, now);
  assert.deepEqual([late.slots.length, late.incomplete], [2, 2]);
  const hourly = await open("@hourly");
  assert.deepEqual(texts(slotsOfDate("2026-11-01T05", hourly, now).slots), ["2026-11-01T05:00:00 1h"]);
  assert.equal(slotsOfDate("2026-11-01..2026-11-01", hourly, now).slots.length, 24);
  assert.equal(slotsOfDate("2026-11-01T05..2026-11-01T07", hourly, now).slots.length, 3);
  const berlin = await open("@daily", "Europe/Berlin");
  assert.deepEqual(texts(slotsOfDate("2026-10-25", berlin, now).slots), ["2026-10-24T22:00:00 25h"]);
});

test("what names no slot is refused, with what does", async () => {
  const now = at("2026-11-23T12:30:00Z");
  const [daily, hourly, weekly] = [await open("@daily"), await open("@hourly"), await open("@weekly")];
  const refuse = (text: string, schedule: Schedule, message: RegExp, hint: RegExp = /./) =>
    assert.throws(
      () => slotsOfDate(text, schedule, now),
      (error: Error & { code?: string; hint?: string }) => {
        assert.equal(error.code, "bad-date");
        assert.match(error.message, message);
        assert.match(error.hint ?? "-", hint);
        return true;
      },
    );
  refuse("2026-11-23", daily, /not complete before 2026-11-24T00:00:00Z/, /-p NAME=DATE/);
  refuse("2026-11-01", hourly, /24 slots/, /2026-11-01T00:00Z .*2026-11-01\.\.2026-11-01/);
  refuse("2026-11-03", weekly, /no slot/, /--date 2026-11-01$/);
  refuse("2026-11-07..2026-11-01", daily, /does not come before/);
  refuse("2026-11-24..2026-11-25", daily, /no slot is complete/, /-/);
  refuse("2026-11-02..2026-11-03", weekly, /no slot of/, /-/);
  refuse("1900-01-01..2026-01-01", await open("* * * * * *"), /more than 100000/);
  for (const text of [
    "",
    "..",
    "..2026-11-01",
    "2026-02-30",
    "2026-11-01T25",
    "today",
    "2026-11-01T05:00+99:00",
    "2026-11-01..x",
  ])
    refuse(text, daily, /is no date/);
});

test("what is no schedule is refused", async () => {
  const bad = { code: "bad-schedule" };
  for (const schedule of ["@dayly", "61 * * * *", "", "* * *", "2026-01-01T00:00:00", 5, "* * * * * * *"])
    await assert.rejects(async () => openSchedule(scheduleTexts({ schedule })!), bad, String(schedule));
  assert.throws(() => scheduleTexts({ schedule: "@daily", timezone: "Mars/Base" }), bad);
  assert.throws(() => scheduleTexts({ timezone: 1 }), bad);
  const never = await open("0 0 31 2 *");
  assert.throws(() => never.lastComplete(at("2026-11-23T00:00:00Z")), bad);
  assert.equal(scheduleTexts({}), undefined);
});

test("what a clock shows leads back to when it shows it", () => {
  const zones = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
  ];
  const seconds = fc.integer({
    min: at("1990-01-01T00:00:00Z") / 1000,
    max: at("2040-01-01T00:00:00Z") / 1000,
  });
  fc.assert(
    fc.property(fc.constantFrom(...zones), seconds, (zone, second) => {
      const { time } = clockAt(second * 1000, zone);
      assert.equal(Date.parse(time), second * 1000, "the text with its offset is that moment");
      const shown = Date.parse(`${time.slice(0, 19)}Z`);
      const found = whenShown(shown, zone);
      assert.equal(clockAt(found, zone).time.slice(0, 19), time.slice(0, 19));
      assert.ok(found <= second * 1000, "the earlier of two");
    }),
    { numRuns: 300 },
  );
  assert.equal(whenShown(at("2026-03-29T02:30:00Z"), "Europe/Berlin"), at("2026-03-29T01:00:00Z"), "skipped");
  assert.equal(
    whenShown(at("2018-11-04T00:00:00Z"), "America/Sao_Paulo"),
    at("2018-11-04T03:00:00Z"),
    "a skipped midnight",
  );
});

test("any two neighbours of any schedule are one slot, and each start lies in its own", async () => {
  const schedules = await Promise.all([
    open("@hourly", "Europe/Berlin"),
    open("@daily", "America/New_York"),
    open("*/7 * * * *"),
    open("30 2 * * *", "Europe/Berlin"),
    open("15 3 1 * *", "Asia/Kathmandu"),
  ]);
  const time = fc.integer({ min: at("2025-01-01T00:00:00Z"), max: at("2027-01-01T00:00:00Z") });
  fc.assert(
    fc.property(
      fc.constantFrom(...schedules),
      time,
      fc.integer({ min: 1, max: 5 }),
      (schedule, now, count) => {
        const slots = schedule.lastComplete(now, count);
        assert.equal(slots.length, count);
        assert.ok(slots.at(-1)!.endsAt <= now && schedule.nextEnd(now) > now);
        for (const [i, slot] of slots.entries()) {
          assert.ok(slot.startsAt < slot.endsAt);
          if (i > 0) assert.equal(slots[i - 1]!.endsAt, slot.startsAt);
          assert.deepEqual(schedule.slotAt(slot.startsAt), slot);
          assert.deepEqual(schedule.slotAt(slot.endsAt - 1), slot);
        }
        assert.deepEqual(schedule.slotsFrom(slots[0]!.startsAt, slots.at(-1)!.endsAt), slots);
      },
    ),
    { numRuns: 150 },
  );
});

// From a pipeline and a request to dags: the slot decides the date, and the described dag decides the schedule.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { describe } from "../../src/plan/describe.ts";
import { day, integer, time } from "../../src/plan/params.ts";
import { pipeline } from "../../src/plan/pipeline.ts";

const now = Date.parse("2026-11-23T12:30:00Z");

/** A pipeline of one task, and what it was called with. */
function load(meta: ConstructorParameters<typeof Dag>[0]) {
  const calls: string[] = [];
  const described = pipeline({ date: day(), at: time(), k: integer(3) }, ({ date, at, k }) => {
    calls.push(date);
    const dag = new Dag(meta);
    dag.task("load", { command: `load ${date} ${at} ${k}` });
    return dag;
  });
  return { described, calls };
}

async function commands(
  exported: unknown,
  request: { params?: Record<string, unknown>; date?: string } = {},
) {
  const description = await describe(exported, { now, ...request });
  const found: unknown[] = [];
  for (const slot of description.slots)
    found.push((await description.at(slot)).dag.tasks["load"]!.spec["command"]);
  return found;
}

test("without a date it is the last complete slot of what the dag says", async () => {
  const daily = load({ schedule: "@daily" });
  assert.deepEqual(await commands(daily.described), ["load 2026-11-22 2026-11-22T00:00:00Z 3"]);
  assert.equal(daily.calls.length, 1, "described once");
  assert.deepEqual(await commands(load({ schedule: "@hourly" }).described), [
    "load 2026-11-23 2026-11-23T11:00:00Z 3",
  ]);
  assert.deepEqual(
    await commands(load({}).described),
    ["load 2026-11-22 2026-11-22T00:00:00Z 3"],
    "yesterday",
  );
  const kiritimati = load({ schedule: "@daily", timezone: "Pacific/Kiritimati" });
  assert.deepEqual(await commands(kiritimati.described), ["load 2026-11-23 2026-11-23T00:00:00+14:00 3"]);
  assert.deepEqual(await commands(load({ timezone: "Europe/Berlin" }).described), [
    "load 2026-11-22 2026-11-22T00:00:00+01:00 3",
  ]);
});

test("a date picks a slot, a range one for each, and values are for all of them", async () => {
  const { described } = load({ schedule: "@daily" });
  assert.deepEqual(await commands(described, { date: "2026-11-01", params: { k: "4" } }), [
    "load 2026-11-01 2026-11-01T00:00:00Z 4",
  ]);
  assert.deepEqual(await commands(described, { date: "2026-11-01..2026-11-03" }), [
    "load 2026-11-01 2026-11-01T00:00:00Z 3",
    "load 2026-11-02 2026-11-02T00:00:00Z 3",
    "load 2026-11-03 2026-11-03T00:00:00Z 3",
  ]);
  const description = await describe(described, { now, date: "2026-11-01" });
  assert.deepEqual(
    { ...(await description.at(description.slots[0])).params },
    {
      date: "2026-11-01",
      at: "2026-11-01T00:00:00Z",
      k: "3",
    },
  );
});

test("what takes no parameters or no date says so", async () => {
  const bad = { code: "bad-params" };
  await assert.rejects(describe(new Dag(), { now, params: { k: 1 } }), bad);
  await assert.rejects(
    describe(() => new Dag(), { now, date: "2026-11-01" }),
    bad,
  );
  await assert.rejects(
    describe(
      pipeline({ k: integer(3) }, () => new Dag()),
      { now, date: "2026-11-01" },
    ),
    bad,
  );
  await assert.rejects(
    describe(
      pipeline({ k: integer(3) }, () => new Dag()),
      { now, params: { x: 1 } },
    ),
    bad,
  );
});

test("what is not a dag is refused, and errors of the pipeline are its own", async () => {
  for (const value of [null, undefined, {}, [], "dag", () => 5, pipeline({}, () => ({}) as Dag)])
    await assert.rejects(describe(value, { now }), { code: "not-a-dag" });
  const fails = pipeline({}, () => {
    throw new RangeError("of the author's");
  });
  await assert.rejects(describe(fails, { now }), RangeError);
  assert.deepEqual((await describe(async () => new Dag(), { now })).slots, [undefined]);
});

test("with a date it is described for no other day, whose data may not be there", async () => {
  const calls: string[] = [];
  const exported = pipeline({ date: day() }, ({ date }) => {
    calls.push(date);
    if (!date.startsWith("2025-06-0")) throw new Error(`no data for ${date}`);
    const dag = new Dag({ schedule: "@daily" });
    dag.task("load", { command: date });
    return dag;
  });
  assert.deepEqual(await commands(exported, { date: "2025-06-01" }), ["2025-06-01"]);
  assert.deepEqual(await commands(exported, { date: "2025-06-02..2025-06-03" }), [
    "2025-06-02",
    "2025-06-03",
  ]);
  assert.deepEqual(calls, ["2025-06-01", "2025-06-02", "2025-06-03"], "each once");
  for (const date of [
    "1.6.2025",
    "2025-06-31",
    "..2025-06-01",
    "2025-06-01..x",
    "2026-12-01",
    "2026-12-01..2026-12-03",
  ])
    await assert.rejects(describe(exported, { now, date }), { code: "bad-date" }, date);
  assert.equal(calls.length, 3);
  await assert.rejects(describe(exported, { now }), /no data for 2026-11-22/);
});

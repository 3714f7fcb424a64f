// Slots of schedules: each is one run's, unless that is interrupted or dies.
import assert from "node:assert/strict";
import type { RecordDb, Run, ScheduleSlot } from "../../src/record/types.ts";
import { expired, type InRecord } from "./contract.ts";
import { NO_COUNTS, planOf, startOf } from "./maker.ts";
import { OtherProcess } from "./other-process.ts";

const plan = planOf({ a: [], b: ["a"] });
const DAY_MS = 86_400_000;
const slot: ScheduleSlot = { series: "@daily UTC", startsAt: 20_000 * DAY_MS };

function begin(
  record: Pick<RecordDb, "startRun">,
  scheduled: ScheduleSlot = slot,
  pipeline = "pipeline",
): Promise<Run> {
  return record.startRun({ ...startOf(plan, pipeline), scheduled });
}

const taken = { code: "slot-taken" };

export function slotContract(inRecord: InRecord, opener: URL): void {
  inRecord("a run comes back with what its pipeline was described with", async (record) => {
    const params = { date: "2026-11-01", k: "4", ["__proto__"]: "x", "": "" };
    const { id } = await record.startRun({ ...startOf(plan), params });
    const found = (await record.run(id))!;
    assert.deepEqual({ ...found.params }, params);
    assert.equal("scheduled" in found, false);
  });

  inRecord("a slot that a run has, lives or has ended, is not to be had", async (record) => {
    const first = await begin(record);
    assert.deepEqual(first.scheduled, slot);
    await assert.rejects(begin(record), taken);
    await record.finishRun(first.id, "done", NO_COUNTS);
    await assert.rejects(begin(record), taken);
    assert.equal((await record.runs(10)).length, 1, "no run was begun");
    const next = await begin(record, { ...slot, startsAt: slot.startsAt + DAY_MS });
    await record.finishRun(next.id, "failed", NO_COUNTS);
    await assert.rejects(begin(record, { ...slot, startsAt: slot.startsAt + DAY_MS }), taken);
    assert.equal((await record.runs(10)).length, 2);
  });

  inRecord("a slot is of one pipeline and one series", async (record) => {
    await begin(record);
    await begin(record, slot, "another");
    await begin(record, { ...slot, series: "@hourly UTC" });
    assert.equal((await record.slots("pipeline", slot.series, 10)).length, 1);
  });

  inRecord("the slot of an interrupted run is to be had again", async (record) => {
    const first = await begin(record);
    await record.finishRun(first.id, "interrupted", NO_COUNTS);
    const second = await begin(record);
    await record.finishRun(second.id, "done", NO_COUNTS);
    await assert.rejects(begin(record), taken);
    assert.equal((await record.run(first.id))?.scheduled, undefined, "it was taken over");
    assert.deepEqual((await record.run(second.id))?.scheduled, slot);
    const [only, ...others] = await record.slots("pipeline", slot.series, 10);
    assert.deepEqual(only, { startsAt: slot.startsAt, run: second.id, number: 2, status: "done" });
    assert.equal(others.length, 0);
  });

  inRecord("the newest slots come first, and no more than asked for", async (record) => {
    for (const day of [2, 0, 3, 1]) await begin(record, { ...slot, startsAt: slot.startsAt + day * DAY_MS });
    const days = (await record.slots("pipeline", slot.series, 3)).map(
      ({ startsAt }) => (startsAt - slot.startsAt) / DAY_MS,
    );
    assert.deepEqual(days, [3, 2, 1]);
    assert.deepEqual(await record.slots("pipeline", "none", 3), []);
  });

  inRecord("of processes that want one slot at once, exactly one gets it", async (record, t, dir) => {
    const children = await Promise.all([1, 2, 3].map(() => OtherProcess.start(opener, dir)));
    t.after(() => Promise.all(children.map((child) => child.kill())));
    for (let day = 0; day < 5; day++) {
      const at = { ...slot, startsAt: slot.startsAt + day * DAY_MS };
      const tries = await Promise.allSettled(children.map((child) => begin(child.record, at)));
      assert.deepEqual(tries.map(({ status }) => status).sort(), ["fulfilled", "rejected", "rejected"]);
    }
    assert.equal((await record.slots("pipeline", slot.series, 10)).length, 5);
    assert.equal((await record.runs(20)).length, 5);
  });

  inRecord("the slot of a killed process is to be had again", async (record, t, dir) => {
    const child = await OtherProcess.start(opener, dir);
    t.after(() => child.kill());
    const first = await begin(child.record);
    await assert.rejects(begin(record), taken);
    await child.kill();
    await expired(opener, dir, first.id);
    const [seen] = await record.slots("pipeline", slot.series, 10);
    assert.deepEqual([seen?.run, seen?.status], [first.id, "abandoned"]);
    const second = await begin(record);
    assert.equal((await record.slots("pipeline", slot.series, 10))[0]?.run, second.id);
    await assert.rejects(begin(record), taken);
  });
}

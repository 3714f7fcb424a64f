// Runs: numbers, ends, look-ups, and what is told of one that was not ended.
import assert from "node:assert/strict";
import type { InRecord } from "./contract.ts";
import { EXIT_1, Maker, NO_COUNTS, planOf, startOf } from "./maker.ts";

const plan = planOf({ a: [], b: ["a"] });

export function runContract(inRecord: InRecord): void {
  inRecord("runs are counted from 1 and come back as they were begun and ended", async (record) => {
    const first = await record.startRun(startOf(plan));
    const second = await record.startRun(startOf(plan, "another"));
    assert.deepEqual([first.number, second.number], [1, 2]);
    assert.match(first.id, /^[0-9a-f]{16}$/);
    assert.equal(first.status, "running");
    assert.equal(first.pid, process.pid);
    const counts = { ran: 1, same: 2, reused: 3, failed: 4, notStarted: 5 };
    await record.finishRun(first.id, "failed", counts);
    const [last, before] = await record.runs(5);
    assert.equal(last!.id, second.id);
    assert.equal(typeof before!.endedAt, "number");
    const { endedAt, ...rest } = before!;
    assert.deepEqual(rest, { ...first, status: "failed", counts });
    assert.equal(typeof endedAt, "number");
    assert.equal((await record.runs(1)).length, 1);
  });

  inRecord("a run is found by its id, its number and a unique beginning", async (record) => {
    const { id } = await record.startRun(startOf(plan));
    await record.startRun(startOf(plan));
    assert.equal((await record.run(id))?.id, id);
    assert.equal((await record.run("1"))?.id, id);
    assert.equal((await record.run(id.slice(0, 15)))?.id, id);
    assert.equal(await record.run(id.slice(1, 16)), undefined);
    assert.equal(await record.run("3"), undefined, "not the beginning of an id");
    assert.equal(await record.run(""), undefined);
    assert.equal(await record.run("%"), undefined);
  });

  inRecord("the last run of a pipeline is its own", async (record) => {
    const { id } = await record.startRun(startOf(plan));
    await record.startRun(startOf(plan, "another"));
    assert.equal((await record.lastRun("pipeline"))?.id, id);
    assert.equal(await record.lastRun("none"), undefined);
  });

  inRecord("a run lives until it is ended, and ends its executions with it", async (record) => {
    const maker = await Maker.start(record, plan);
    const claim = await maker.take("a");
    assert.equal(await record.isLive(maker.run.id), true);
    await record.finishRun(maker.run.id, "interrupted", NO_COUNTS);
    assert.equal(await record.isLive(maker.run.id), false);
    const execution = await record.execution(claim.request.execution);
    assert.equal(execution?.outcome, "failure");
    assert.equal(execution?.failure?.kind, "interrupted");
    await record.finishRun(maker.run.id, "done", { ...NO_COUNTS, ran: 7 });
    assert.equal((await record.run(maker.run.id))?.status, "interrupted", "ended once");
    const next = await Maker.start(record, plan);
    assert.equal((await next.take("a")).after, undefined);
  });

  inRecord("a run that has not ended is counted by its executions", async (record) => {
    const maker = await Maker.start(record, plan);
    await maker.fail(await maker.take("a"), EXIT_1);
    assert.deepEqual((await record.run(maker.run.id))?.counts, { ...NO_COUNTS, failed: 1 });
    await maker.make("a", "1");
    await maker.take("b");
    assert.deepEqual((await record.run(maker.run.id))?.counts, { ...NO_COUNTS, ran: 1 });
  });

  inRecord("nobody lives whom the record does not know", async (record) => {
    assert.equal(await record.isLive("0123456789abcdef"), false);
  });
}

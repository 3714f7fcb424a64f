// Promise 4 by example: which success stands for an output, and what becomes of what was made from the one before.
import assert from "node:assert/strict";
import type { RecordDb } from "../../src/record/types.ts";
import type { InRecord } from "./contract.ts";
import { Maker, planOf, treeOf } from "./maker.ts";

//  a → b → d → e,  a → c → d,  x → c
const plan = planOf({ a: [], x: [], b: ["a"], c: ["a", "x"], d: ["b", "c"], e: ["d"] });

export function validityContract(inRecord: InRecord): void {
  inRecord("a second tree of an output whose first is there is only noted", async (record) => {
    const maker = await Maker.start(record, plan);
    await maker.make("a", "1");
    const again = await maker.make("a", "2", { force: true });
    assert.equal(again.success.state, "other");
    assert.equal(again.differsFrom, treeOf("1"));
    assert.equal(again.madeStale, 0);
    const same = await maker.make("x", "1");
    assert.equal(same.differsFrom, undefined);
    assert.equal((await maker.make("x", "1", { force: true })).differsFrom, undefined);
    assert.equal(
      (await record.successes([maker.output("a")])).get(maker.output("a"))?.treeDigest,
      treeOf("1"),
    );
  });

  inRecord("lost bytes remade otherwise make everything below stale, and nothing else", async (record) => {
    const maker = await everything(record);
    await lose(maker, "a");
    assert.deepEqual(await stale(maker), [], "as long as it is only lost");
    const remade = await maker.make("a", "a2");
    assert.equal(remade.success.state, "current");
    assert.equal(remade.differsFrom, treeOf("a1"));
    assert.equal(remade.madeStale, 4);
    assert.deepEqual(await stale(maker), ["b", "c", "d", "e"]);
  });

  inRecord("a stale output is made anew: the new success takes its place", async (record) => {
    const maker = await everything(record);
    await lose(maker, "a");
    await maker.make("a", "a2");
    assert.equal((await maker.claim("b")).kind, "done", "as a goal it is done");
    const other = await maker.make("b", "b2", { force: true });
    assert.equal(other.success.state, "current");
    assert.equal(other.differsFrom, undefined, "other bytes were read");
    assert.equal(other.madeStale, 0, "what lies below is stale already");
    assert.deepEqual(await stale(maker), ["c", "d", "e"]);
    await maker.make("c", "c1", { force: true }); // the same bytes as before
    assert.deepEqual(await stale(maker), ["d", "e"]);
    await maker.make("d", "d1", { force: true });
    assert.deepEqual(await stale(maker), [], "e was made from these very bytes of d");
  });

  inRecord("lost bytes that come again make valid what was made from them", async (record) => {
    const maker = await everything(record);
    await lose(maker, "a");
    await maker.make("a", "a2");
    await lose(maker, "x");
    await maker.make("x", "x2");
    assert.deepEqual(await stale(maker), ["b", "c", "d", "e"]);
    await lose(maker, "a");
    await maker.make("a", "a1");
    assert.deepEqual(await stale(maker), ["c", "d", "e"], "c still has another x");
    await lose(maker, "x");
    await maker.make("x", "x1");
    assert.deepEqual(await stale(maker), []);
  });

  inRecord("what was made from an input that changed meanwhile is born stale", async (record) => {
    const maker = await everything(record);
    await lose(maker, "d");
    const claim = await maker.take("d");
    const read = await maker.reads("d");
    await lose(maker, "a");
    await maker.make("a", "a2");
    const { success } = await maker.commit(claim, "d1", read); // b and c have the digests that were read, but are stale
    assert.equal(success.stale, true);
    assert.equal(success.state, "current");
  });

  inRecord(
    "a stale second success does not take the place of a valid first, however it is isolated",
    async (record) => {
      const maker = await everything(record);
      const [before] = await record.history(maker.output("b"));
      await lose(maker, "a");
      await maker.make("a", "a2");
      const claim = await maker.take("b", { isolation: "bubblewrap", force: true });
      const read = await maker.reads("b");
      await lose(maker, "a");
      await maker.make("a", "a1"); // what b was made from at first
      const { success } = await maker.commit(claim, "b2", read);
      assert.deepEqual([success.state, success.stale], ["other", true]);
      assert.deepEqual((await record.successes([success.output])).get(success.output), before);
    },
  );

  inRecord("of two stale successes the first stays", async (record) => {
    const maker = await everything(record);
    const claim = await maker.take("b", { force: true });
    const read = await maker.reads("b");
    await lose(maker, "a");
    await maker.make("a", "a2");
    const { success } = await maker.commit(claim, "b2", read);
    assert.deepEqual([success.state, success.stale], ["other", true]);
    await maker.make("b", "b3", { force: true });
    assert.deepEqual(await stale(maker), ["c", "d", "e"]);
  });

  inRecord("stronger isolation that was demanded supersedes, weaker does not", async (record) => {
    const maker = await everything(record);
    const strong = await maker.make("a", "a2", { isolation: "container:abc" });
    assert.equal(strong.success.state, "current");
    assert.equal(strong.madeStale, 4);
    const weak = await maker.make("a", "a3", { isolation: "bubblewrap", force: true });
    assert.equal(weak.success.state, "other");
    const elsewhere = await maker.make("a", "a4", { isolation: "container:def" });
    assert.equal(elsewhere.success.state, "current", "another image was demanded");
  });
}

/** A run in which every task was made, task t with the content t1. */
async function everything(record: RecordDb): Promise<Maker> {
  const maker = await Maker.start(record, plan);
  for (const task of Object.keys(plan.tasks)) await maker.make(task, `${task}1`);
  return maker;
}

async function lose(maker: Maker, task: string): Promise<void> {
  const output = maker.output(task);
  const current = await maker.record.successes([output]);
  await maker.record.mark([current.get(output)!.id], "lost");
}

/** Tasks whose current success is stale. */
async function stale(maker: Maker): Promise<string[]> {
  const names = Object.keys(plan.tasks);
  const current = await maker.record.successes(names.map((name) => maker.output(name)));
  return names.filter((name) => current.get(maker.output(name))?.stale).sort();
}

// What the record says of many outputs and executions at once.
import assert from "node:assert/strict";
import type { OutputId } from "../../src/plan/types.ts";
import type { InRecord } from "./contract.ts";
import { digestOf, EXIT_1, Maker, planOf } from "./maker.ts";

const plan = planOf({ a: [], b: ["a"], c: [], d: [], e: [] });

export function pastContract(inRecord: InRecord): void {
  inRecord("what was of outputs before is told of many at once", async (record) => {
    const maker = await Maker.start(record, plan);
    const made = await maker.make("a", "a1");
    await maker.make("b", "b1");
    await maker.fail(await maker.take("b", { force: true }), EXIT_1);
    const running = await maker.take("c");
    await maker.make("d", "d1");
    const [first] = await record.history(maker.output("d"));
    await maker.make("d", "d2", { force: true });
    const last = (await record.executions(maker.output("d")))[0]!.id;
    await record.mark([first!.id], "lost");
    const unplanned = digestOf("planned by nobody") as OutputId;
    const claim = await maker.take("e", { output: unplanned });
    const outputs = ["a", "b", "c", "d", "e"].map((task) => maker.output(task));
    const pasts = await record.pasts([...outputs, unplanned, digestOf("nowhere") as OutputId]);
    const told = (task: string) => pasts.get(maker.output(task));
    assert.deepEqual(told("a"), {
      planned: true,
      execution: { id: made.success.execution, outcome: "success" },
      standing: { state: "current", isolation: "none" },
    });
    assert.equal(told("b")?.execution?.outcome, "failure");
    assert.deepEqual(told("b")?.execution?.failure, EXIT_1);
    assert.equal(told("b")?.standing?.state, "current");
    assert.deepEqual(told("c"), {
      planned: true,
      execution: { id: running.request.execution, outcome: "running" },
    });
    assert.deepEqual(told("d"), {
      planned: true,
      execution: { id: last, outcome: "success" },
      standing: { state: "lost", isolation: "none" },
    });
    assert.deepEqual(told("e"), { planned: true });
    assert.deepEqual(pasts.get(unplanned), {
      planned: false,
      execution: { id: claim.request.execution, outcome: "running" },
    });
    assert.equal(pasts.size, 6, "of what it never heard of it says nothing");
    assert.equal((await record.pasts([])).size, 0);
  });

  inRecord("executions are found by their names, many at once", async (record) => {
    const [one, other] = [await Maker.start(record, plan), await Maker.start(record, plan)];
    const [a, c] = [await one.take("a"), await other.take("c")];
    const found = await record.executionsNamed([
      c.request.execution,
      a.request.execution,
      `${one.run.id}-77`,
      "0123456789abcdef-1",
    ]);
    assert.deepEqual([...found.keys()].sort(), [a.request.execution, c.request.execution].sort());
    assert.deepEqual(found.get(c.request.execution), await record.execution(c.request.execution));
    assert.equal(found.get(c.request.execution)?.runNumber, other.run.number);
    assert.equal((await record.executionsNamed([])).size, 0);
  });
}

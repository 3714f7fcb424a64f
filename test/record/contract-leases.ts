// Leases within one process: one maker, what those who wait are told, and whose token counts.
import assert from "node:assert/strict";
import type { AlamodeError } from "../../src/errors.ts";
import type { FailureKind } from "../../src/record/types.ts";
import type { InRecord } from "./contract.ts";
import { EXIT_1, Maker, planOf, treeOf } from "./maker.ts";

const plan = planOf({ a: [], b: ["a"] });

export function leaseContract(inRecord: InRecord): void {
  inRecord("what one run makes, another waits for and reuses", async (record) => {
    const [one, two] = [await Maker.start(record, plan), await Maker.start(record, plan)];
    const claim = await one.take("a");
    const held = await two.claim("a");
    assert.equal(held.kind, "held");
    assert.deepEqual(held.kind === "held" && held.holder, {
      run: one.run.id,
      execution: claim.request.execution,
      task: "a",
      host: "here",
      pid: process.pid,
      since: claim.startedAt,
      slot: claim.request.slot,
    });
    await one.commit(claim, "1");
    const done = await two.claim("a", { waitedFor: claim.request.execution });
    assert.equal(done.kind === "done" && done.success.treeDigest, treeOf("1"));
  });

  inRecord("who waited takes the task's failure as its own, and may then try itself", async (record) => {
    const [one, two] = [await Maker.start(record, plan), await Maker.start(record, plan)];
    const claim = await one.take("a");
    await one.fail(claim, { ...EXIT_1, hint: "mend it" });
    const answer = await two.claim("a", { waitedFor: claim.request.execution });
    assert.equal(answer.kind, "failed");
    assert.deepEqual(answer.kind === "failed" && answer.execution.failure, { ...EXIT_1, hint: "mend it" });
    assert.equal((await two.claim("a")).kind, "claimed");
  });

  inRecord("a failure that was the run's doing is not taken over", async (record) => {
    const one = await Maker.start(record, plan);
    for (const kind of ["interrupted", "timeout", "memory", "abandoned"] satisfies FailureKind[]) {
      const claim = await one.take("a");
      await one.fail(claim, { kind, message: kind });
      const two = await Maker.start(record, plan);
      const own = await two.take("a", { waitedFor: claim.request.execution });
      await two.fail(own, EXIT_1);
    }
  });

  inRecord("a failure is told once, and only by who holds the lease", async (record) => {
    const maker = await Maker.start(record, plan);
    const claim = await maker.take("a");
    await maker.fail({ ...claim, token: "another" }, EXIT_1);
    assert.equal((await record.execution(claim.request.execution))?.outcome, "running");
    await maker.fail(claim, EXIT_1);
    await maker.fail(claim, { kind: "memory", message: "again" });
    assert.deepEqual((await record.execution(claim.request.execution))?.failure, EXIT_1);
  });

  inRecord("without the lease nothing is committed", async (record) => {
    const maker = await Maker.start(record, plan);
    const claim = await maker.take("a");
    const lost = (error: AlamodeError) => error.code === "lease-lost";
    await assert.rejects(maker.commit({ ...claim, token: "another" }, "1", {}), lost);
    await maker.fail(claim, EXIT_1);
    await assert.rejects(maker.commit(claim, "1", {}), lost);
    assert.deepEqual(await record.history(maker.output("a")), []);
  });

  inRecord("a commit whose answer was lost is answered the same again", async (record) => {
    const maker = await Maker.start(record, plan);
    await maker.make("a", "1");
    await maker.make("b", "from 1");
    await record.mark([(await record.history(maker.output("a")))[0]!.id], "lost");
    const claim = await maker.take("a");
    const first = await maker.commit(claim, "2");
    assert.equal(first.madeStale, 1);
    assert.equal(first.differsFrom, treeOf("1"));
    assert.deepEqual(await maker.commit(claim, "2"), first);
    assert.equal((await record.history(maker.output("a"))).length, 2);
  });

  inRecord("isolation that is weaker than demanded does not count as done", async (record) => {
    const maker = await Maker.start(record, plan);
    await maker.make("a", "1");
    assert.equal((await maker.claim("a")).kind, "done");
    const claim = await maker.take("a", { isolation: "bubblewrap" });
    const { success } = await maker.commit(claim, "2");
    assert.equal(success.state, "current");
    assert.equal((await maker.claim("a", { isolation: "bubblewrap" })).kind, "done");
    assert.deepEqual(
      (await record.history(maker.output("a"))).map(({ state }) => state),
      ["current", "superseded"],
    );
  });

  inRecord(
    "force makes what is done anew, but not what another was waited for to make anew",
    async (record) => {
      const [one, two] = [await Maker.start(record, plan), await Maker.start(record, plan)];
      await one.make("a", "1");
      const claim = await one.take("a", { force: true });
      assert.equal((await two.claim("a", { force: true })).kind, "held");
      await one.commit(claim, "1");
      const waited = await two.claim("a", { force: true, waitedFor: claim.request.execution });
      assert.equal(waited.kind, "done");
    },
  );

  inRecord(
    "what a run makes already is held for itself too: plans that its tasks wrote may share a task",
    async (record) => {
      const maker = await Maker.start(record, plan);
      const claim = await maker.take("a");
      const again = await maker.claim("a");
      assert.equal(again.kind === "held" && again.holder.execution, claim.request.execution);
      await maker.commit(claim, "1");
      assert.equal((await maker.claim("a", { waitedFor: claim.request.execution })).kind, "done");
    },
  );

  inRecord("nothing is claimed whose inputs are no longer what stands", async (record) => {
    const wide = planOf({ a: [], x: ["a"], b: ["a", "x"] });
    const maker = await Maker.start(record, wide);
    const a = (await maker.make("a", "1")).success;
    const x = (await maker.make("x", "1")).success;
    const inputs = [a, x];
    const told = async () => {
      const claim = await maker.claim("b", { inputs });
      return claim.kind === "outdated" ? claim.outputs : claim.kind;
    };
    await record.mark([a.id], "lost");
    assert.deepEqual(await told(), [a.output], "lost");
    await maker.make("a", "1");
    const claimed = await maker.take("b", { inputs });
    await maker.fail(claimed, EXIT_1);
    await record.mark([(await record.history(a.output))[0]!.id], "damaged");
    await maker.make("a", "2");
    assert.deepEqual(await told(), [a.output, x.output], "other bytes, and what was made of those before");
    const ran = (await record.executionsOf(maker.run.id)).filter(({ task }) => task === "b");
    assert.equal(ran.length, 1, "no execution is noted of what was not claimed");
    const waited = await maker.claim("b", { inputs, waitedFor: claimed.request.execution });
    assert.equal(waited.kind, "outdated", "whatever came of what was waited for");
  });

  inRecord("of calls made at once each is answered for itself", async (record) => {
    const wide = planOf({ a: [], x: [], y: [], z: [] });
    const maker = await Maker.start(record, wide);
    const [a, x] = [await maker.take("a"), await maker.take("x")];
    const [lost, made, free, nobody] = await Promise.allSettled([
      maker.commit({ ...a, token: "another" }, "1", {}),
      maker.commit(x, "1", {}),
      maker.claim("y"),
      maker.claim("z", { run: "0123456789abcdef" }),
    ]);
    assert.equal(lost.status === "rejected" && lost.reason.code, "lease-lost");
    assert.equal(made.status === "fulfilled" && made.value.success.state, "current");
    assert.equal(free.status === "fulfilled" && free.value.kind, "claimed");
    assert.match(nobody.status === "rejected" ? nobody.reason.message : "", /belongs to no run/);
    assert.deepEqual(
      (await record.executionsOf(maker.run.id)).map(({ task, outcome }) => [task, outcome]),
      [
        ["a", "running"],
        ["x", "success"],
        ["y", "running"],
      ],
    );
    assert.equal((await maker.commit(a, "1", {})).success.state, "current");
  });
}

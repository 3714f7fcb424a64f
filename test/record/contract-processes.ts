// Several processes with one record: exactly one makes an output, and the dead are told from the slow.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";
import type { Run } from "../../src/record/types.ts";
import { expired, type InRecord } from "./contract.ts";
import { Maker, planOf, startOf } from "./maker.ts";
import { OtherProcess } from "./other-process.ts";

const plan = planOf({ a: [], b: ["a"] });

export function processContract(inRecord: InRecord, opener: URL): void {
  const other = async (t: TestContext, dir: string, prefix: readonly string[] = []) => {
    const child = await OtherProcess.start(opener, dir, prefix);
    t.after(() => child.kill());
    return child;
  };

  inRecord("of processes that claim one output at once, exactly one gets it", async (record, t, dir) => {
    const children = await Promise.all([other(t, dir), other(t, dir), other(t, dir)]);
    const runs = await Promise.all(children.map(({ record }) => record.startRun(startOf(plan))));
    assert.deepEqual(runs.map(({ number }) => number).sort(), [1, 2, 3]);
    for (const task of ["a", "b"]) {
      const n = task === "a" ? 1 : 2;
      const claims = await Promise.all(
        children.map((child, i) =>
          child.record.claim({ ...requestOf(runs[i]!, task), execution: `${runs[i]!.id}-${n}` }),
        ),
      );
      assert.deepEqual(claims.map(({ kind }) => kind).sort(), ["claimed", "held", "held"]);
    }
    const executions = await Promise.all(runs.map(({ id }) => record.executionsOf(id)));
    assert.equal(executions.flat().length, 2);
  });

  inRecord("the lease of a killed process is taken over", async (record, t, dir) => {
    const child = await other(t, dir);
    const run = await child.record.startRun(startOf(plan));
    const request = requestOf(run, "a");
    assert.equal((await child.record.claim(request)).kind, "claimed");
    const maker = await Maker.start(record, plan);
    assert.equal((await maker.claim("a")).kind, "held");
    await child.kill();
    await expired(opener, dir, run.id);
    assert.equal(
      (await record.execution(request.execution))?.failure?.kind,
      "abandoned",
      "before anyone took it over",
    );
    const past = (await record.pasts([request.output])).get(request.output);
    assert.equal(past?.execution?.failure?.kind, "abandoned", "and so where many are asked about");
    const claim = await maker.take("a", { waitedFor: request.execution });
    assert.equal(claim.after?.execution, request.execution);
    assert.equal(claim.after?.slot, request.slot);
    assert.equal((await record.execution(request.execution))?.failure?.kind, "abandoned");
    assert.equal((await record.run(run.id))?.status, "abandoned");
    assert.equal(await record.isLive(run.id), false);
    assert.equal((await maker.commit(claim, "1")).success.state, "current");
  });

  inRecord("a stopped process keeps its lease", async (record, t, dir) => {
    const child = await other(t, dir);
    const run = await child.record.startRun(startOf(plan));
    await child.record.claim(requestOf(run, "a"));
    child.stop();
    const maker = await Maker.start(record, plan);
    assert.equal((await maker.claim("a")).kind, "held");
    assert.equal(await record.isLive(run.id), true);
    assert.equal((await record.run(run.id))?.status, "running");
  });

  inRecord("who looks whether a run lives does not take its life", async (record, t, dir) => {
    const maker = await Maker.start(record, plan);
    const children = await Promise.all([other(t, dir), other(t, dir)]);
    for (let i = 0; i < 20; i++) {
      const answers = await Promise.all(children.map((child) => child.record.isLive(maker.run.id)));
      assert.deepEqual(answers, [true, true]);
      assert.equal(await record.isLive(maker.run.id), true);
    }
    await record.close();
    for (const child of children) assert.equal(await child.record.isLive(maker.run.id), false);
  });

  inRecord("life and death are seen across process-id namespaces", async (record, t, dir) => {
    const prefix = ["unshare", "--pid", "--fork", "--kill-child"];
    if (spawnSync(prefix[0]!, [...prefix.slice(1), "true"]).status !== 0)
      return t.skip("needs root and unshare");
    const child = await other(t, dir, prefix);
    const maker = await Maker.start(record, plan);
    const run = await child.record.startRun(startOf(plan));
    assert.equal(await record.isLive(run.id), true);
    assert.equal(await child.record.isLive(maker.run.id), true);
    await child.record.claim(requestOf(run, "a"));
    assert.equal((await maker.claim("a")).kind, "held");
    await child.kill();
    await expired(opener, dir, run.id);
    assert.equal((await untilClaimed(maker, "a")).after?.run, run.id);
  });
}

function requestOf(run: Run, task: string) {
  return new Maker(undefined as never, plan, run).request(task);
}

/** Only `unshare` was waited for: the process in the namespace is killed with it, but ends a little later. */
async function untilClaimed(maker: Maker, task: string) {
  for (;;) {
    const claim = await maker.claim(task);
    if (claim.kind === "claimed") return claim;
    assert.equal(claim.kind, "held");
  }
}

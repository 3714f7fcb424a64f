// Successes and executions: what is read back of them, and what is found out about them later.
import assert from "node:assert/strict";
import type { AlamodeError } from "../../src/errors.ts";
import type { OutputId } from "../../src/plan/types.ts";
import type { TreeDigest } from "../../src/store/types.ts";
import type { InRecord } from "./contract.ts";
import { digestOf, EXIT_1, Maker, planOf, treeOf } from "./maker.ts";

const plan = planOf({ a: [], b: ["a"] });

export function successContract(inRecord: InRecord): void {
  inRecord("a success comes back as it was committed, with tree and stamps", async (record) => {
    const maker = await Maker.start(record, plan);
    const claim = await maker.take("a");
    const request = maker.commitRequest(claim, "1", {});
    const { success, ...rest } = await record.commit(request);
    assert.deepEqual(rest, { madeStale: 0 });
    assert.deepEqual(success, {
      id: success.id,
      output: maker.output("a"),
      execution: claim.request.execution,
      treeDigest: treeOf("1"),
      location: request.location,
      store: "folder",
      isolation: "none",
      state: "current",
      stale: false,
      settled: false,
      host: "here",
      boot: "boot-1",
      madeAt: request.endedAt,
      sizeBytes: 1,
      files: 1,
    });
    assert.deepEqual(
      [...(await record.successes([success.output, maker.output("b")]))],
      [[success.output, success]],
    );
    const { store, location, isolation, settled, host, boot } = success;
    const [none, one, more] = await record.standing([maker.output("b"), success.output, success.output]);
    assert.equal(none, undefined);
    for (const standing of [one, more])
      assert.partialDeepStrictEqual(standing, { store, location, isolation, settled, host, boot });
    assert.deepEqual(Buffer.from(await record.tree(success.treeDigest)), Buffer.from(request.tree));
    assert.deepEqual(Buffer.from(await record.stamps(success.id)), Buffer.from(request.stamps));
    assert.deepEqual(await record.locations(success.output, "folder"), [request.location]);
    assert.deepEqual(await record.locations(success.output, "elsewhere"), []);
    assert.equal(await record.lastSuccess(), success.id);
  });

  inRecord("a tree or success that is not there is told as damage", async (record) => {
    const damaged = (error: AlamodeError) => error.code === "record-damaged";
    await assert.rejects(record.tree("0".repeat(64) as TreeDigest), damaged);
    await assert.rejects(record.stamps(7), damaged);
    assert.equal(await record.lastSuccess(), 0);
  });

  inRecord("an execution comes back with its inputs, resources and end", async (record) => {
    const maker = await Maker.start(record, plan);
    await maker.make("a", "1");
    const claim = await maker.take("b", { attempt: 3 });
    const running = await record.execution(claim.request.execution);
    assert.equal(running?.outcome, "running");
    assert.equal(running?.endedAt, undefined);
    await maker.commit(claim, "2");
    const [execution] = await record.executions(maker.output("b"));
    assert.deepEqual(
      { ...execution, inputs: { ...execution?.inputs } },
      {
        id: claim.request.execution,
        run: maker.run.id,
        runNumber: maker.run.number,
        output: maker.output("b"),
        task: "b",
        attempt: 3,
        startedAt: claim.startedAt,
        endedAt: claim.startedAt + 100,
        outcome: "success",
        host: "here",
        user: "me",
        executor: "local",
        isolation: "none",
        path: "/bin",
        inputs: { a: treeOf("1") },
        resources: { maxRssBytes: 1000, userMs: 10 },
        log: `${claim.request.execution}.log`,
      },
    );
    assert.deepEqual(
      (await record.executionsOf(maker.run.id)).map(({ task }) => task),
      ["a", "b"],
    );
    assert.equal(await record.execution(`${maker.run.id}-99`), undefined);
  });

  inRecord("kept scratch folders are told newest first, until they are forgotten", async (record) => {
    const maker = await Maker.start(record, plan);
    const executions: string[] = [];
    for (const scratch of ["/one", "/two"]) {
      const { token, startedAt, request } = await maker.take("a");
      executions.push(request.execution);
      const end = { endedAt: startedAt, resources: {}, scratch, log: "x.log", inputs: {} };
      await record.fail(token, request.execution, EXIT_1, end);
    }
    const [one, two] = executions as [string, string];
    assert.deepEqual(await record.keptScratch(maker.output("a")), [
      { execution: two, scratch: "/two" },
      { execution: one, scratch: "/one" },
    ]);
    await record.forgetScratch(two);
    assert.deepEqual(await record.keptScratch(maker.output("a")), [{ execution: one, scratch: "/one" }]);
  });

  inRecord("only successes of this store, host and boot are settled, up to the one named", async (record) => {
    const maker = await Maker.start(record, plan);
    const a = (await maker.make("a", "1")).success;
    const b = (await maker.make("b", "2")).success;
    assert.equal(await record.settle("folder", "here", "boot-2", b.id), 0);
    assert.equal(await record.settle("folder", "there", "boot-1", b.id), 0);
    assert.equal(await record.settle("elsewhere", "here", "boot-1", b.id), 0);
    assert.equal(await record.settle("folder", "here", "boot-1", a.id), 1);
    const settled = async () =>
      [...(await record.successes([a.output, b.output])).values()].map((success) => success.settled);
    assert.deepEqual(await settled(), [true, false]);
    await record.settleThese([b.id]);
    assert.deepEqual(await settled(), [true, true]);
  });

  inRecord("what is lost or damaged no longer stands for its output", async (record) => {
    const maker = await Maker.start(record, plan);
    for (const state of ["lost", "damaged"] as const) {
      const { success } = await maker.make("a", "1");
      assert.equal(success.state, "current");
      await record.mark([success.id], state);
      assert.equal((await record.successes([success.output])).size, 0);
      assert.equal((await record.history(success.output))[0]?.state, state);
    }
  });

  inRecord("many are marked or settled at once, with all that rest on the same bytes", async (record) => {
    const maker = await Maker.start(record, plan);
    const a = (await maker.make("a", "1")).success;
    const b = (await maker.make("b", "2")).success;
    const output = digestOf("an alias of a") as OutputId;
    const [alias] = await record.alias([{ output, original: a.id, isolation: "none", inputs: {} }]);
    const all = async () => {
      const histories = await Promise.all([a, b, alias!].map((success) => record.history(success.output)));
      return histories.map(([newest]) => newest!);
    };
    await record.settleThese([alias!.id, b.id, 999]);
    assert.deepEqual(
      (await all()).map(({ settled }) => settled),
      [true, true, true],
    );
    await record.mark([], "lost");
    await record.mark([b.id, alias!.id], "lost");
    assert.deepEqual(
      (await all()).map(({ state }) => state),
      ["lost", "lost", "lost"],
    );
  });

  inRecord("durations are the median of a task's last five successes", async (record) => {
    const maker = await Maker.start(record, plan);
    assert.deepEqual([...(await record.durations(["a", "b"]))], []);
    for (const ms of [9000, 1, 2, 30, 4, 5]) {
      const claim = await maker.take("a", { force: true });
      await record.commit({ ...maker.commitRequest(claim, "1", {}), endedAt: claim.startedAt + ms });
    }
    await maker.fail(await maker.take("b"), EXIT_1);
    assert.deepEqual([...(await record.durations(["a", "b"]))], [["a", 4]]);
  });
}

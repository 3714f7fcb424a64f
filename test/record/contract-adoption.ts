// Successes that come from another record, with the run and the execution that made them.
import assert from "node:assert/strict";
import { join } from "node:path";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import type { CommitRequest, RecordDb, Success } from "../../src/record/types.ts";
import type { Location } from "../../src/store/types.ts";
import type { InRecord } from "./contract.ts";
import { Maker, NO_COUNTS, planDigestOf, planOf } from "./maker.ts";

const plan = planOf({ a: [], b: ["a"] });
const elsewhere = {
  store: "the team's",
  location: "aa/there" as Location,
  stamps: new Uint8Array([7]),
  host: "pusher",
  boot: "1",
};

/** What an engine does to bring a success from one record to another; whether it could. */
async function bring(success: Success, from: RecordDb, to: RecordDb, token = "token"): Promise<boolean> {
  const execution = (await from.execution(success.execution))!;
  const run = (await from.run(execution.run))!;
  await to.notePlan((await from.plan(run.planDigest))!, run.planDigest);
  const { resolvedKey, inputs } = await from.origin(success.id);
  await to.noteTrees(
    new Map(
      await Promise.all(
        Object.values(inputs).map(
          async ({ treeDigest }) => [treeDigest, await from.tree(treeDigest)] as const,
        ),
      ),
    ),
  );
  if (!(await to.adopt({ run, execution, resolvedKey, token }))) return false;
  const request: CommitRequest = {
    ...elsewhere,
    token,
    execution: execution.id,
    output: success.output,
    treeDigest: success.treeDigest,
    tree: await from.tree(success.treeDigest),
    sizeBytes: success.sizeBytes,
    files: success.files,
    isolation: success.isolation,
    inputs,
    resolvedKey,
    endedAt: execution.endedAt!,
    resources: execution.resources,
    log: execution.log!,
    host: execution.host,
  };
  await to.commit(request);
  return true;
}

export function adoptionContract(inRecord: InRecord): void {
  const between = (
    what: string,
    body: (from: RecordDb, to: RecordDb, made: readonly Success[], maker: Maker) => Promise<void>,
  ) =>
    inRecord(what, async (to, t, dir) => {
      const from = await openSqliteRecord(join(dir, "other", "record.db"));
      t.after(() => from.close());
      const maker = await Maker.start(from, plan);
      const a = await maker.make("a", "1");
      const b = await maker.make("b", "2");
      await from.finishRun(maker.run.id, "done", { ...NO_COUNTS, ran: 2 });
      await body(from, to, [a.success, b.success], maker);
    });

  between("a success comes with its run, its execution and what it was made of", async (from, to, [a, b]) => {
    assert.equal(await bring(a!, from, to, "one"), true);
    assert.equal(await bring(b!, from, to, "two"), true);
    const found = (await to.successes([b!.output])).get(b!.output)!;
    assert.deepEqual(
      [found.execution, found.treeDigest, found.store, found.location, found.state, found.stale],
      [b!.execution, b!.treeDigest, elsewhere.store, elsewhere.location, "current", false],
    );
    const execution = (await from.execution(b!.execution))!;
    assert.deepEqual(await to.execution(b!.execution), execution);
    const run = (await from.run(execution.run))!;
    assert.deepEqual(await to.run(run.id), { ...run, number: (await to.run(run.id))!.number });
    assert.deepEqual(await to.origin(found.id), await from.origin(b!.id));
    assert.deepEqual(await to.plan(planDigestOf(plan)), plan);
    const { resolvedKey } = await from.origin(b!.id);
    assert.deepEqual(await to.candidates([resolvedKey], "none"), [[found]]);
  });

  between("what comes twice is there once, and what was cut off is gone on with", async (from, to, [a]) => {
    const execution = (await from.execution(a!.execution))!;
    const run = (await from.run(execution.run))!;
    const { resolvedKey } = await from.origin(a!.id);
    await to.notePlan(plan, planDigestOf(plan));
    await to.adopt({ run, execution, resolvedKey, token: "cut off" });
    assert.equal(await to.isLive(run.id), false);
    for (const token of ["again", "and again"]) assert.equal(await bring(a!, from, to, token), true);
    assert.equal((await to.history(a!.output)).length, 1);
    assert.equal((await to.runs(10)).length, 1);
  });

  between(
    "an input's tree is noted without a success, where that does not come",
    async (from, to, [a, b]) => {
      assert.equal(await bring(b!, from, to), true);
      assert.equal((await to.successes([a!.output])).size, 0);
      assert.ok(Buffer.from(await to.tree(a!.treeDigest)).equals(await from.tree(a!.treeDigest)));
      await bring(a!, from, to, "later");
      assert.equal((await to.successes([b!.output])).get(b!.output)?.stale, false);
    },
  );

  between("what is being made here does not come", async (from, to, [a]) => {
    const here = await Maker.start(to, plan);
    await here.claim("a");
    assert.equal(await bring(a!, from, to), false);
  });

  between("what stands here stays, and what comes with other bytes is beside it", async (from, to, [a]) => {
    const here = await Maker.start(to, plan);
    const { success } = await here.make("a", "other bytes");
    await bring(a!, from, to);
    assert.deepEqual((await to.successes([a!.output])).get(a!.output), success);
    assert.deepEqual(
      (await to.history(a!.output)).map(({ state }) => state),
      ["other", "current"],
    );
  });

  between(
    "a success that was moved is settled where it is now, with all that rest on it",
    async (from, _, [a, b]) => {
      const [alias] = await from.alias([
        { output: plan.tasks["b"]!.output, original: a!.id, isolation: "none", inputs: {} },
      ]);
      assert.equal(alias?.id, b!.id);
      await from.relocate(a!.id, elsewhere);
      const moved = (await from.successes([a!.output])).get(a!.output)!;
      assert.deepEqual(
        [moved.store, moved.location, moved.settled],
        [elsewhere.store, elsewhere.location, true],
      );
      assert.deepEqual(await from.stamps(a!.id), elsewhere.stamps);
      assert.deepEqual(await from.locations(a!.output, elsewhere.store), [elsewhere.location]);
    },
  );
}

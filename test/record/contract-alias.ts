// Promise 7 in the record: what was made once under a resolved key stands for whatever has the same key.
import assert from "node:assert/strict";
import type { AliasRequest, RecordDb } from "../../src/record/types.ts";
import type { InRecord } from "./contract.ts";
import { digestOf, EXIT_1, Maker, planOf } from "./maker.ts";

//  a → b,  x → y: b and y are one task by what they read
const plan = planOf({ a: [], x: [], b: ["a"], y: ["x"], z: ["y"] });
const resolvedKey = digestOf("the key of b and y");

async function madeB(record: RecordDb) {
  const maker = await Maker.start(record, plan);
  await maker.make("a", "same");
  await maker.make("x", "same");
  const claim = await maker.take("b", { resolvedKey });
  const request = { ...maker.commitRequest(claim, "b1", await maker.reads("b")), resolvedKey };
  const { success } = await record.commit(request);
  return { maker, original: success };
}

async function requestFor(maker: Maker, task: string, original: number): Promise<AliasRequest> {
  return {
    output: maker.output(task),
    original,
    isolation: "none",
    inputs: await maker.reads(task),
  };
}

export function aliasContract(inRecord: InRecord): void {
  inRecord(
    "what was made under a key is found by it, earliest first, as long as its bytes are there",
    async (record) => {
      const { maker, original } = await madeB(record);
      const claim = await maker.take("b", { resolvedKey, force: true });
      const second = await record.commit({
        ...maker.commitRequest(claim, "b2", await maker.reads("b")),
        resolvedKey,
      });
      const none = digestOf("no such key");
      const found = await record.candidates([none, resolvedKey], "none");
      assert.deepEqual(
        found.map((all) => all.map(({ id }) => id)),
        [[], [original.id, second.success.id]],
      );
      assert.deepEqual(await record.candidates([resolvedKey], "bubblewrap"), [[]]);
      await record.mark([original.id], "lost");
      assert.deepEqual(
        (await record.candidates([resolvedKey], "none"))[0]?.map(({ id }) => id),
        [second.success.id],
      );
    },
  );

  inRecord(
    "whoever claims what was made under its key since it last looked is told so, where its isolation suffices",
    async (record) => {
      const { maker } = await madeB(record);
      assert.deepEqual(await maker.claim("y", { resolvedKey }), { kind: "same" });
      await maker.take("y", { resolvedKey, isolation: "bubblewrap" });
    },
  );

  inRecord(
    "whoever claims what was made under its key makes it if the bytes have gone, or by force",
    async (record) => {
      const { maker, original } = await madeB(record);
      const forced = await maker.take("y", { resolvedKey, force: true });
      await record.fail(forced.token, forced.request.execution, EXIT_1, { endedAt: 1, resources: {} });
      await record.mark([original.id], "lost");
      await maker.take("y", { resolvedKey });
    },
  );

  inRecord(
    "an alias stands for its output with the original's bytes, and tells whose they are",
    async (record) => {
      const { maker, original } = await madeB(record);
      const [alias] = await record.alias([await requestFor(maker, "y", original.id)]);
      assert.equal(alias?.output, maker.output("y"));
      assert.equal(alias?.aliasOf, original.id);
      assert.equal(alias?.execution, original.execution);
      assert.equal(alias?.treeDigest, original.treeDigest);
      assert.equal(alias?.location, original.location);
      assert.deepEqual(await record.stamps(alias!.id), await record.stamps(original.id));
      assert.deepEqual((await record.successes([maker.output("y")])).get(maker.output("y")), alias);
      assert.equal((await maker.claim("y")).kind, "done");
      assert.equal(
        (await record.candidates([resolvedKey], "none"))[0]?.length,
        1,
        "an alias is no candidate itself",
      );
    },
  );

  inRecord("bytes that are gone are gone for all that rest on them", async (record) => {
    const { maker, original } = await madeB(record);
    const [alias] = await record.alias([await requestFor(maker, "y", original.id)]);
    await record.mark([alias!.id], "damaged");
    assert.equal((await record.successes([maker.output("b"), maker.output("y")])).size, 0);
    const request = await requestFor(maker, "y", original.id);
    assert.deepEqual(await record.alias([request]), [undefined]);
  });

  inRecord("what somebody made meanwhile is the answer instead of an alias", async (record) => {
    const { maker, original } = await madeB(record);
    const { success } = await maker.make("y", "made");
    const [answer] = await record.alias([await requestFor(maker, "y", original.id)]);
    assert.equal(answer?.id, success.id);
  });

  inRecord("an alias becomes stale with its inputs like any success", async (record) => {
    const { maker, original } = await madeB(record);
    await record.alias([await requestFor(maker, "y", original.id)]);
    await maker.make("z", "z1");
    const [x] = await record.history(maker.output("x"));
    await record.mark([x!.id], "lost");
    const remade = await maker.make("x", "other bytes");
    assert.equal(remade.madeStale, 2);
    const now = await record.successes([maker.output("y"), maker.output("z")]);
    assert.deepEqual(
      [...now.values()].map(({ stale }) => stale),
      [true, true],
    );
  });

  inRecord(
    "whoever makes what has the same key is waited for, whatever the output is called",
    async (record) => {
      const one = await Maker.start(record, plan);
      const other = await Maker.start(record, plan);
      const claim = await one.take("b", { resolvedKey });
      const held = await other.claim("y", { resolvedKey });
      assert.equal(held.kind === "held" && held.holder.execution, claim.request.execution);
      const twin = await one.claim("y", { resolvedKey });
      assert.equal(twin.kind, "held", "also within one run");
      await one.fail(claim, EXIT_1);
      const told = await other.claim("y", { resolvedKey, waitedFor: claim.request.execution });
      assert.equal(told.kind, "failed");
      assert.equal((await other.claim("y", { resolvedKey })).kind, "claimed");
    },
  );
}

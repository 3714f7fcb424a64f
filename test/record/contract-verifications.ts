// Verifications: how often a command was run again and gave the same, and what there is to be hashed again.
import assert from "node:assert/strict";
import type { InRecord } from "./contract.ts";
import { Maker, planOf, treeOf } from "./maker.ts";

const plan = planOf({ a: [], b: [] });

export function verificationContract(inRecord: InRecord): void {
  inRecord("verifications are counted for an output over all its successes", async (record) => {
    const maker = await Maker.start(record, plan);
    const first = await maker.make("a", "1");
    const note = (success: number, content: string) =>
      record.noteVerification({ success, at: 5, host: "here", treeDigest: treeOf(content) });
    assert.deepEqual([...(await record.reproducibility([maker.output("a"), maker.output("b")]))], []);
    await note(first.success.id, "1");
    await note(first.success.id, "other");
    await record.mark([first.success.id], "lost");
    const second = await maker.make("a", "2");
    await note(second.success.id, "2");
    assert.deepEqual(
      [...(await record.reproducibility([maker.output("a"), maker.output("b")]))],
      [[maker.output("a"), { verified: 3, same: 2 }]],
    );
  });

  inRecord(
    "what was verified under one name counts for its aliases, and the other way round",
    async (record) => {
      const maker = await Maker.start(record, plan);
      const { success } = await maker.make("a", "1");
      const [alias] = await record.alias([
        { output: maker.output("b"), original: success.id, isolation: "none", inputs: {} },
      ]);
      await record.noteVerification({ success: alias!.id, at: 5, host: "here", treeDigest: treeOf("1") });
      const counted = await record.reproducibility([maker.output("a"), maker.output("b")]);
      assert.deepEqual(counted.get(maker.output("a")), { verified: 1, same: 1 });
      assert.deepEqual(counted.get(maker.output("b")), { verified: 1, same: 1 });
      assert.deepEqual(await record.originals(0, 10), [success], "the alias has no bytes of its own");
    },
  );

  inRecord("originals come in pages, without those whose bytes are known to be gone", async (record) => {
    const maker = await Maker.start(record, plan);
    const a = await maker.make("a", "1");
    const b = await maker.make("b", "1");
    const other = await maker.make("a", "2", { force: true });
    assert.equal(other.success.state, "other");
    assert.deepEqual(await record.originals(0, 2), [a.success, b.success]);
    assert.deepEqual(
      await record.originals(b.success.id, 2),
      [other.success],
      "it may yet stand for something",
    );
    await record.mark([b.success.id], "damaged");
    assert.deepEqual(
      (await record.originals(0, 10)).map(({ id }) => id),
      [a.success.id, other.success.id],
    );
  });
}

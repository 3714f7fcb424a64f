// Plans: they come back bit for bit, from whatever parts other plans share with them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { decode } from "../../src/bencode/decode.ts";
import { encode } from "../../src/bencode/encode.ts";
import type { OutputId, Plan } from "../../src/plan/types.ts";
import type { InRecord } from "./contract.ts";
import { planDigestOf, planOf, startOf } from "./maker.ts";

const reference = JSON.parse(readFileSync(new URL("../compat/reference.json", import.meta.url), "utf8")) as {
  vectors: { name: string; plan: string }[];
};

export function planContract(inRecord: InRecord): void {
  inRecord("every plan of the reference comes back with its bytes", async (record) => {
    const digests: string[] = [];
    for (const vector of reference.vectors) {
      const plan = decode(Buffer.from(vector.plan, "base64")) as unknown as Plan;
      digests.push((await record.startRun(startOf(plan, vector.name))).planDigest);
    }
    for (const [i, digest] of digests.entries()) {
      const plan = await record.plan(digest);
      const bytes = Buffer.from(encode({ ...plan! })).toString("base64");
      assert.equal(bytes, reference.vectors[i]!.plan, reference.vectors[i]!.name);
    }
    assert.equal(await record.plan("0".repeat(64)), undefined);
  });

  inRecord("names that bite come back: __proto__, numbers, NUL, nothing, beyond the BMP", async (record) => {
    const names = ["", "10", "9", "__proto__", "a\0b", "constructor", "\uffff", "\u{1f600}"];
    const plan = planOf(
      Object.assign(Object.create(null), Object.fromEntries(names.map((name) => [name, []]))),
    );
    const top = planOf(
      Object.fromEntries([...names.map((name): [string, string[]] => [name, []]), ["top", names]]),
    );
    for (const each of [plan, top]) {
      const { planDigest } = await record.startRun(startOf(each));
      const again = await record.plan(planDigest);
      assert.equal(planDigestOf(again!), planDigest);
      assert.equal(Object.getPrototypeOf(again!.tasks), null);
    }
  });

  inRecord(
    "a plan whose inputs are other pipelines' outputs knows them, before and after",
    async (record) => {
      const outside = planOf({ a: [], b: ["a"] });
      const inside = { meta: outside.meta, tasks: { b: outside.tasks["b"]! } };
      const { planDigest } = await record.startRun(startOf(inside));
      assert.equal(planDigestOf((await record.plan(planDigest))!), planDigest);
      const a = outside.tasks["a"]!.output;
      assert.equal(await record.identity(a), undefined);
      assert.equal(
        (await record.plan((await record.startRun(startOf(outside))).planDigest)) !== undefined,
        true,
      );
      assert.deepEqual(
        (await record.identity(a))?.spec,
        Object.assign(Object.create(null), { command: "make a" }),
      );
      const b = await record.identity(outside.tasks["b"]!.output);
      assert.deepEqual({ ...b?.inputs }, { a });
    },
  );

  inRecord("outputs are found by the beginning of their IDs and know their names", async (record) => {
    const plan = planOf({ a: [] });
    const { output } = plan.tasks["a"]!;
    const renamed: Plan = { meta: plan.meta, tasks: { z: plan.tasks["a"]! } };
    await record.startRun(startOf(plan));
    await record.startRun(startOf(renamed));
    assert.deepEqual(await record.namesOf(output), ["z", "a"]);
    assert.deepEqual(await record.namesOf("0".repeat(64) as OutputId), []);
    for (const length of [4, 5, 63, 64]) {
      assert.deepEqual(await record.findOutputs(output.slice(0, length), 5), [output]);
    }
    for (const prefix of [output.slice(0, 3), `${output.slice(0, 4)}x`, "", "%%%%"]) {
      assert.deepEqual(await record.findOutputs(prefix, 5), []);
    }
  });

  inRecord("of a plan only those tasks are read that another at hand does not have", async (record) => {
    const names = ["", "10", "9", "__proto__", "a\0b", "constructor", "\uffff", "\u{1f600}"];
    const shape = (more: Readonly<Record<string, string[]>>) =>
      planOf(Object.assign(Object.create(null), Object.fromEntries(names.map((name) => [name, []])), more));
    const before = shape({ x: ["10"], y: ["x"], gone: ["y"] });
    const { planDigest } = await record.startRun(startOf(before));
    // `x` and what follows from it are others, `gone` is gone, `more` is new, and `9` has another's output.
    const after = shape({ x: ["9"], y: ["x"], more: ["y"] });
    const swapped = { ...after, tasks: Object.assign(Object.create(null), after.tasks) } as typeof after;
    (swapped.tasks as Record<string, unknown>)["9"] = after.tasks["10"];
    const again = (await record.plan(planDigest, swapped))!;
    assert.equal(planDigestOf(again), planDigest);
    assert.deepEqual(
      Object.keys(again.tasks)
        .filter((name) => again.tasks[name] === swapped.tasks[name])
        .sort(),
      names.filter((name) => name !== "9").sort(),
    );
    for (const like of [before, after, planOf({}), swapped])
      assert.equal(planDigestOf((await record.plan(planDigest, like))!), planDigest);
    assert.equal(await record.plan("0".repeat(64), after), undefined);
  });

  inRecord(
    "each of a pipeline's plans comes back, however much of it was in the one before",
    async (record) => {
      const shapes: Record<string, string[]>[] = [
        { a: [], b: ["a"], c: ["b"], d: [], e: ["d"] },
        { a: [], b: ["a"], c: ["b"], d: [], f: ["d"] }, // one removed, one added
        { a: [], b: ["a"], c: ["b"], d: [], f: ["a"] }, // one is another
        { z: [], y: ["z"], a: ["y"] }, // nearly nothing is left
        {},
        { a: [], b: ["a"], c: ["b"], d: [], e: ["d", "c"], "a\0b": [] },
        { a: [], b: ["a"], c: ["b"], d: [], "a\0b": ["d"], "a\0": ["b"] },
      ];
      const digests: string[] = [];
      for (const shape of shapes) {
        const plan = planOf(shape);
        const last = digests.at(-1);
        const former = last && { planDigest: last, plan: (await record.plan(last, plan))! };
        const { planDigest } = await record.startRun({ ...startOf(plan), ...(former && { former }) });
        digests.push(planDigest);
      }
      for (const [i, digest] of digests.entries())
        assert.equal(planDigestOf((await record.plan(digest))!), planDigestOf(planOf(shapes[i]!)));
    },
  );

  inRecord("a plan of 10,000 tasks is noted, and a second time costs a look", async (record) => {
    const shape: Record<string, string[]> = {};
    for (let i = 0; i < 10_000; i++) shape[`t${i}`] = i < 10 ? [] : [`t${i - 1}`, `t${i - 7}`];
    const request = startOf(planOf(shape));
    const { planDigest } = await record.startRun(request);
    const empty = { meta: request.plan!.meta, tasks: {} };
    await record.startRun({ ...request, plan: empty }); // known by its digest: its tasks are not looked at
    assert.equal(planDigestOf((await record.plan(planDigest))!), planDigest);
  });
}

// Aliases written many at once leave the record as those written one by one would: what stands, whose bytes, and what is stale.
import assert from "node:assert/strict";
import fc from "fast-check";
import { encode } from "../../src/bencode/encode.ts";
import type { OutputId } from "../../src/plan/types.ts";
import type { AliasRequest, RecordDb, Success } from "../../src/record/types.ts";
import type { InRecord } from "./contract.ts";
import { digestOf, Maker, planOf, treeOf } from "./maker.ts";

/** Tasks, each with those before it that it depends on. What is made for `o…` is what others may rest on. */
const SHAPE: Readonly<Record<string, readonly string[]>> = {
  o1: [],
  o2: [],
  a: [],
  b: [],
  c: ["a"],
  d: ["a", "b"],
  e: ["c", "d"],
  f: ["e"],
};
const NAMES = Object.keys(SHAPE);

const name = fc.constantFrom(...NAMES);
const bytes = fc.constantFrom("1", "1", "2");
const isolation = fc.constantFrom("none", "none", "bubblewrap", "container:i");
const before = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("make" as const), name, bytes, isolation }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), name }) },
  ),
  { maxLength: 8 },
);
/** Also requests for one output twice, for an output that another of them reads, and on bytes that are gone. */
const requests = fc.array(
  fc.record({ name, original: fc.constantFrom("o1", "o2"), reads: bytes, isolation }),
  { minLength: 1, maxLength: 10 },
);
type Before = typeof before extends fc.Arbitrary<infer T> ? T : never;
type Requests = typeof requests extends fc.Arbitrary<infer T> ? T : never;

export function aliasBatchContract(inRecord: InRecord, histories: number): void {
  inRecord("aliases written at once leave what those written one by one leave", async (record) => {
    let specs = 0;
    await record.noteTrees(
      new Map(["1", "2"].map((content) => [treeOf(content), encode(["tree", content])])),
    );
    const property = fc.asyncProperty(before, requests, async (happened, asked) => {
      const told = [];
      for (const together of [false, true]) {
        // Another spec, and so other outputs, each time: they share the record but nothing in it.
        const maker = await Maker.start(record, planOf(SHAPE, { aliased: specs++ }));
        const originals = new Map<string, Success>();
        for (const original of ["o1", "o2"])
          originals.set(original, (await maker.make(original, "1")).success);
        await prepare(maker, happened);
        const all = asked.map((request) => requestOf(maker, originals, request));
        const answers = together ? await record.alias(all) : await oneByOne(record, all);
        told.push(await tell(maker, answers));
      }
      assert.deepEqual(told[1], told[0]);
    });
    await fc.assert(property, { numRuns: histories });
  });

  inRecord("thousands of aliases are written in order, with all that they read", async (record) => {
    const maker = await Maker.start(record, planOf({ o: [], a: [] }));
    const { success: original } = await maker.make("o", "1");
    await maker.make("a", "1");
    const inputs = { a: { output: maker.output("a"), treeDigest: treeOf("1") } };
    const outputs = Array.from({ length: 2001 }, (_, i) => digestOf(i) as OutputId);
    const all = outputs.map((output) => ({ output, original: original.id, isolation: "none", inputs }));
    const gone = { ...all[0]!, output: digestOf("gone") as OutputId, original: 999_999 };
    const answers = await record.alias([...all.slice(0, 1500), gone, ...all.slice(1500)]);
    assert.equal(answers[1500], undefined);
    assert.deepEqual(
      answers.flatMap((success) => success?.output ?? []),
      outputs,
    );
    assert.deepEqual(new Set(answers.flatMap((success) => success?.aliasOf ?? [])), new Set([original.id]));
    assert.deepEqual((await record.origin(answers[2001]!.id)).inputs["a"], inputs.a);
    assert.equal((await record.successes(outputs)).size, 2001);
    const again = await record.alias(all);
    assert.deepEqual(
      again.map((success) => success?.id),
      answers.flatMap((success) => success?.id ?? []),
      "what stands is the answer",
    );
  });
}

async function prepare(maker: Maker, happened: Before): Promise<void> {
  for (const each of happened) {
    const current = await maker.record.successes(NAMES.map((task) => maker.output(task)));
    const standing = current.get(maker.output(each.name));
    if (each.do === "lose") {
      if (standing !== undefined) await maker.record.mark([standing.id], "lost");
    } else if (SHAPE[each.name]!.every((dependency) => current.has(maker.output(dependency))))
      await maker.make(each.name, each.bytes, { isolation: each.isolation, force: true });
  }
}

function requestOf(
  maker: Maker,
  originals: ReadonlyMap<string, Success>,
  { name, original, reads, isolation }: Requests[number],
): AliasRequest {
  const read = SHAPE[name]!.map((dependency) => [
    dependency,
    { output: maker.output(dependency), treeDigest: treeOf(reads) },
  ]);
  return {
    output: maker.output(name),
    original: originals.get(original)!.id,
    isolation,
    inputs: Object.fromEntries(read),
  };
}

async function oneByOne(record: RecordDb, all: readonly AliasRequest[]): Promise<(Success | undefined)[]> {
  const answers = [];
  for (const request of all) answers.push(...(await record.alias([request])));
  return answers;
}

/** All that the record holds of the tasks and what was answered, in words that are the same for any spec. */
async function tell(maker: Maker, answers: readonly (Success | undefined)[]) {
  const task = new Map(NAMES.map((each) => [maker.output(each), each]));
  const known = new Map<number, string>();
  const histories = [];
  for (const each of NAMES) {
    const history = (await maker.record.history(maker.output(each))).reverse();
    history.forEach(({ id }, n) => {
      known.set(id, `${each} ${n}`);
    });
    histories.push([each, history] as const);
  }
  const current = await maker.record.successes([...task.keys()]);
  const told = [];
  for (const [each, history] of histories) {
    const successes = [];
    for (const { id, aliasOf, state, stale, isolation, treeDigest, settled } of history) {
      const { inputs } = await maker.record.origin(id);
      const read = Object.entries(inputs).map(([input, { treeDigest }]) => [input, treeDigest]);
      const original = aliasOf === undefined ? undefined : known.get(aliasOf);
      successes.push({ original, state, stale, isolation, treeDigest, settled, read });
    }
    told.push([each, successes, known.get(current.get(maker.output(each))?.id ?? -1)]);
  }
  return { told, answered: answers.map((success) => success && known.get(success.id)) };
}

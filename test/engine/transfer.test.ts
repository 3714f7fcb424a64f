// Outputs copied between stores and records, whatever happens on the way.
import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Ends, type Transferred, transfer } from "../../src/engine/transfer.ts";
import { Dag } from "../../src/plan/dag.ts";
import { source } from "../../src/plan/source-task.ts";
import { files } from "../../src/plan/sources.ts";
import type { Plan } from "../../src/plan/types.ts";
import { readReceipts } from "../../src/store/receipts.ts";
import { Stores } from "../../src/store/stores.ts";
import { withFault } from "../laws/faulty.ts";
import { openRig, outputOf, planOf, type Rig, scratch } from "./rig.ts";

const plan = planOf({
  a: "mkdir -p $OUTPUT/empty; echo one > $OUTPUT/x; ln -s x $OUTPUT/link; echo said",
  b: ["cat inputs/a/link > $OUTPUT; chmod +x $OUTPUT", "a"],
});

interface Pair {
  readonly here: Rig;
  readonly there: Rig;
  readonly ends: Ends;
}

/** A laptop where the plan was run, and a team that has nothing yet. */
async function pair(t: TestContext, made: Plan = plan): Promise<Pair> {
  const [here, there] = [await openRig(t), await openRig(t)];
  await here.run(made);
  const ends = {
    from: { record: here.record, stores: new Stores(here.store) },
    to: { record: there.record, store: there.store },
  };
  return { here, there, ends };
}

async function all(ends: Ends, copied: Plan = plan): Promise<Transferred["kind"][]> {
  const kinds: Transferred["kind"][] = [];
  for (const task of Object.keys(copied.tasks))
    kinds.push((await transfer(outputOf(copied, task), ends)).kind);
  return kinds;
}

test("what was copied is reused there, with all that is known of it; a second time copies nothing", async (t) => {
  const { here, there, ends } = await pair(t);
  assert.deepEqual(await all(ends), ["copied", "copied"]);
  assert.deepEqual(await all(ends), ["there", "there"]);
  assert.deepEqual((await there.run(plan)).counts, { ran: 0, same: 0, reused: 2, failed: 0, notStarted: 0 });
  assert.equal(await there.text(plan, "b"), "one\n");
  const output = outputOf(plan, "a");
  const [mine, theirs] = [await here.record.history(output), await there.record.history(output)];
  assert.equal(theirs.length, 1);
  assert.deepEqual(
    [theirs[0]!.execution, theirs[0]!.treeDigest, theirs[0]!.settled, theirs[0]!.store],
    [mine[0]!.execution, mine[0]!.treeDigest, true, there.store.id],
  );
  const execution = (await here.record.execution(mine[0]!.execution))!;
  assert.deepEqual(await there.record.execution(execution.id), execution);
  assert.equal(readFileSync((await there.store.log(execution.log!))!, "utf8"), "said\n");
  const notes = [...readReceipts(join(there.storeDir, "receipts", execution.run))];
  assert.deepEqual(
    notes.map((note) => [note["output"], note["digest"]]),
    ["a", "b"].map((task) => [outputOf(plan, task), mineDigest(task)]),
  );
  assert.equal((await there.record.runs(9)).length, 2);

  function mineDigest(task: string): unknown {
    return [...readReceipts(join(here.storeDir, "receipts", execution.run))].find(
      (note) => note["output"] === outputOf(plan, task),
    )!["digest"];
  }
});

test("a copy that fails at any call is gone on with by the next, and nothing stands without its bytes", async (t) => {
  const { here } = await pair(t);
  for (const broken of ["store", "record"] as const) {
    for (let at = 1, fired = true; fired; at++) {
      const there = await openRig(t);
      const fault = {
        at,
        times: 1,
        when: at % 2 ? "before" : "after",
        error: () => new Error("cut off"),
      } as const;
      const faulty = broken === "store" ? withFault(there.store, fault) : withFault(there.record, fault);
      const from = { record: here.record, stores: new Stores(here.store) };
      const to = { record: there.record, store: there.store };
      await all({ from, to: { ...to, [broken]: faulty.faulty } }).catch((error: Error) =>
        assert.equal(error.message, "cut off"),
      );
      const outputs = Object.values(plan.tasks).map(({ output }) => output);
      for (const { location, treeDigest } of (await there.record.successes(outputs)).values())
        assert.equal((await there.store.rehash(location))?.digest, treeDigest);
      await all({ from, to });
      assert.equal((await there.run(plan)).counts.ran, 0, `${broken}, call ${at}`);
      fired = faulty.fired.calls.length > 0;
    }
  }
});

test("bytes that were changed since are not copied, and noted as damaged", async (t) => {
  const { here, there, ends } = await pair(t);
  const place = await here.place(plan, "b");
  chmodSync(place, 0o755);
  writeFileSync(place, "two\n");
  await assert.rejects(all(ends), { code: "output-damaged" });
  assert.equal((await there.record.successes([outputOf(plan, "b")])).size, 0);
  assert.equal((await here.run(plan)).counts.ran, 1);
  assert.deepEqual(await all(ends), ["there", "copied"]);
});

test("within one record a success moves to the other store, for all that rest on it", async (t) => {
  const { here, there, ends } = await pair(t);
  const within = { from: ends.from, to: { record: here.record, store: there.store } };
  assert.deepEqual(await all(within), ["copied", "copied"]);
  assert.deepEqual(await all(within), ["there", "there"]);
  const known = new Stores(here.store, { names: ["team"], open: async () => there.store });
  const { counts } = await here.run(plan, { store: known } as object);
  assert.equal(counts.ran, 0);
});

test("an alias comes with what it rests on, which is copied once; code comes along", async (t) => {
  const dir = scratch(t);
  writeFileSync(join(dir, "code.sh"), "echo made\n");
  const written = (comment: string) => {
    const dag = new Dag();
    const first = dag.task("first", { command: `true ${comment}; echo same > $OUTPUT` });
    dag
      .task("second", { command: "sh code.sh > $OUTPUT", files: files(join(dir, "code.sh"), { from: dir }) })
      .after(first);
    return dag.encode();
  };
  const before = written("a");
  const { here, there, ends } = await pair(t, before);
  const after = written("b");
  assert.equal((await here.run(after)).counts.same, 1);
  assert.deepEqual(await all(ends, after), ["copied", "copied"]);
  assert.deepEqual(await all(ends, after), ["there", "there"]);
  assert.equal((await there.run(after)).counts.reused, 2);
  assert.deepEqual(
    await all(ends, before),
    ["copied", "there"],
    "the second came as what the alias rests on",
  );
  const other = await openRig(t);
  const elsewhere = { from: ends.from, to: { record: other.record, store: other.store } };
  assert.deepEqual(await all(elsewhere, before), ["copied", "copied"]);
  assert.deepEqual(
    await all(elsewhere, after),
    ["copied", "noted"],
    "of what lies there only the success is written",
  );
  const [sha256] = Object.values(after.tasks["second"]!["files"] as Record<string, string>);
  assert.ok(await there.store.source(sha256!));
});

test("data that is read in place is copied as files, and what is gone is left", async (t) => {
  const dir = scratch(t);
  writeFileSync(join(dir, "data"), "1\n", { mode: 0o755 });
  const dag = new Dag();
  dag.task("data", source(join(dir, "data"), { inPlace: true }));
  const placed = dag.encode();
  const { here, there, ends } = await pair(t, placed);
  assert.deepEqual(await all(ends, placed), ["copied"]);
  assert.equal(await there.text(placed, "data"), "1\n");
  assert.equal((await transfer(outputOf(plan, "a"), ends)).kind, "left");
  await here.run(plan);
  await here.store.moveAside(
    (await here.record.successes([outputOf(plan, "a")])).get(outputOf(plan, "a"))!.location,
  );
  assert.deepEqual(await all(ends), ["left", "copied"]);
  assert.ok(readdirSync(join(there.storeDir, "outputs")).length > 0);
});

// Bytes that are gone or changed, and what is made anew for it: promises 4, 6 and 10.
import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { removeTree } from "../../src/store/remove.ts";
import { openRig, outputOf, planOf, type Rig } from "./rig.ts";

/** Changes what a task made, as its owner can. */
function overwrite(place: string, text: string): void {
  chmodSync(place, 0o644);
  writeFileSync(place, text);
}

const stateOf = async (rig: Rig, plan: Parameters<typeof outputOf>[0], task: string) =>
  (await rig.record.history(outputOf(plan, task))).map(({ state }) => state);

test("a task that writes into its input fails, and the input is made again when it is needed", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    raw: 'mkdir "$OUTPUT"; echo good > "$OUTPUT/a.csv"; echo b > "$OUTPUT/b.csv"',
    bad: ["cd inputs/raw/; chmod u+w . a.csv; echo more >> a.csv; echo done > $OUTPUT", "raw"],
    good: ["cat inputs/raw/a.csv > $OUTPUT", "raw"],
  });
  const { failures, status } = await rig.run(plan, { goals: ["bad"] });
  assert.equal(status, "failed");
  assert.equal(failures[0]!.failure.kind, "input-damaged");
  assert.match(failures[0]!.failure.message, /^changed its input "raw": a\.csv /);
  assert.deepEqual(await stateOf(rig, plan, "raw"), ["damaged"]);
  const again = await rig.run(plan, { goals: ["good"] });
  assert.deepEqual(again.ranTasks, ["raw", "good"]);
  assert.equal(await rig.text(plan, "good"), "good\n");
});

for (const [how, change] of [
  ["deleted", "rm -rf inputs/raw/*"],
  ["added to", "touch inputs/raw/new"],
  ["made to hold a link", "rm inputs/raw/a.csv; ln -s /etc/passwd inputs/raw/a.csv"],
]) {
  test(`an input that a task has ${how} fails it, however it exits`, async (t) => {
    const rig = await openRig(t);
    const raw = 'mkdir "$OUTPUT"; echo good > "$OUTPUT/a.csv"';
    const plan = planOf({ raw, bad: [`chmod u+w inputs/raw/; ${change}; exit 1`, "raw"] });
    const { failures } = await rig.run(plan);
    assert.equal(failures[0]!.failure.kind, "input-damaged");
    assert.deepEqual(await stateOf(rig, plan, "raw"), ["damaged"]);
  });
}

test("an input edited by hand between runs is noticed, told, and made again before it is read", async (t) => {
  const rig = await openRig(t);
  const raw = "echo good > $OUTPUT";
  const before = planOf({ raw });
  await rig.run(before);
  overwrite(await rig.place(before, "raw"), "edited\n");
  const plan = planOf({
    raw,
    use: ["cat inputs/raw > $OUTPUT", "raw"],
    also: ["cat inputs/raw; cat inputs/raw > $OUTPUT", "raw"],
  });
  const { status, ranTasks, warned, of } = await rig.run(plan);
  assert.equal(status, "done");
  assert.deepEqual([...ranTasks].sort(), ["also", "raw", "use"]);
  assert.equal(await rig.text(plan, "use"), "good\n");
  assert.ok(warned.includes("input-lost"));
  assert.match(of("warning")[0]!.message, /^its input "raw" .*, so that is made again first$/);
  assert.equal(ranTasks[0], "raw");
});

test("an input deleted by hand between runs is made again", async (t) => {
  const rig = await openRig(t);
  const raw = "echo good > $OUTPUT";
  const before = planOf({ raw });
  await rig.run(before);
  rmSync(await rig.place(before, "raw"));
  const plan = planOf({ raw, use: ["cat inputs/raw > $OUTPUT", "raw"] });
  assert.deepEqual((await rig.run(plan)).ranTasks, ["raw", "use"]);
  assert.deepEqual(await stateOf(rig, plan, "raw"), ["current", "lost"]);
});

test("an input that goes while the run is at work is made again too", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const plan = planOf({
    raw: `echo x >> '${rig.dir}/count'; echo good > $OUTPUT`,
    slow: [`${gate.command()}; echo x > $OUTPUT`, "raw"],
    use: ["cat inputs/raw inputs/slow > $OUTPUT", "raw", "slow"],
  });
  const running = rig.run(plan);
  await gate.reached();
  unlinkSync(await rig.place(plan, "raw"));
  await gate.open();
  const { failures } = await running;
  // It went under the hands of the task that was reading it.
  assert.equal(failures[0]!.task, "slow");
  assert.match(failures[0]!.failure.message, /^changed its input "raw": is no longer there$/);
  const again = rig.run(plan);
  await gate.reached();
  await gate.open();
  assert.deepEqual((await again).ranTasks, ["raw", "slow", "use"]);
  assert.equal(readFileSync(join(rig.dir, "count"), "utf8"), "x\nx\n");
});

test("times alone are no damage: a copied store is used as it is", async (t) => {
  const rig = await openRig(t);
  const raw = "echo good > $OUTPUT";
  const before = planOf({ raw });
  await rig.run(before);
  overwrite(await rig.place(before, "raw"), "good\n");
  const plan = planOf({ raw, use: ["cat inputs/raw > $OUTPUT", "raw"] });
  assert.deepEqual((await rig.run(plan)).ranTasks, ["use"]);
});

test("a goal whose bytes are gone is told as lost, and made again", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "echo a > $OUTPUT", b: ["mkdir $OUTPUT; cp inputs/a $OUTPUT/b", "a"] });
  await rig.run(plan);
  await removeTree(await rig.place(plan, "b"));
  const { due } = await rig.status(plan);
  assert.deepEqual(
    due.map(({ task, reasons }) => [task, reasons]),
    [["b", [{ kind: "lost" }]]],
  );
  const { ranTasks, of } = await rig.run(plan);
  assert.deepEqual(ranTasks, ["b"]);
  const [warning] = of("warning");
  assert.deepEqual(
    [warning!.code, warning!.message],
    ["output-lost", "bytes in the store are gone or changed, and are made again: b"],
  );
  assert.deepEqual((await rig.status(plan)).due, []);
});

test("a missing intermediate that nothing needs is not made again; needed, it is", async (t) => {
  const rig = await openRig(t);
  const base = {
    a: "echo a > $OUTPUT",
    b: ["cat inputs/a > $OUTPUT", "a"],
    c: ["cat inputs/b > $OUTPUT", "b"],
  } as const;
  const plan = planOf(base);
  await rig.run(plan);
  for (const task of ["a", "b"]) await removeTree(await rig.place(plan, task));
  assert.deepEqual((await rig.run(plan)).counts, { ran: 0, same: 0, reused: 3, failed: 0, notStarted: 0 });
  const more = planOf({ ...base, d: ["cat inputs/b; echo d > $OUTPUT", "b"] });
  assert.deepEqual((await rig.run(more)).ranTasks, ["a", "b", "d"]);
});

test("bytes that come out otherwise when made again: told, and what rests on the old ones is stale", async (t) => {
  const rig = await openRig(t);
  const source = join(rig.dir, "source");
  writeFileSync(source, "first\n");
  const tasks = {
    random: `cat '${source}' > $OUTPUT`,
    mid: ["cat inputs/random > $OUTPUT", "random"],
    end: ["cat inputs/mid > $OUTPUT", "mid"],
  } as const;
  const plan = planOf(tasks);
  await rig.run(plan);
  await removeTree(await rig.place(plan, "random"));
  writeFileSync(source, "second\n");
  const remade = await rig.run(plan, { goals: ["random"] });
  const [warning] = remade.of("warning").filter(({ code }) => code === "not-deterministic");
  assert.equal(warning!.task, "random");
  assert.match(warning!.message, /it is not deterministic\. 2 results made from the old bytes are stale$/);

  // As goals they are done all the same…
  assert.equal((await rig.run(plan)).counts.ran, 0);
  assert.equal(await rig.text(plan, "end"), "first\n");
  // …but nothing is made from them any more.
  const more = planOf({ ...tasks, more: ["cat inputs/end > $OUTPUT", "end"] });
  assert.deepEqual(
    (await rig.status(more)).due.map(({ task }) => task),
    ["mid", "end", "more"],
  );
  assert.deepEqual((await rig.run(more)).ranTasks, ["mid", "end", "more"]);
  assert.equal(await rig.text(more, "more"), "second\n");
  assert.equal((await rig.run(more)).counts.ran, 0);
});

test("a task that makes the same bytes again makes nothing stale", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "echo a > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
  await rig.run(plan);
  await removeTree(await rig.place(plan, "a"));
  const { warned } = await rig.run(plan, { goals: ["a"] });
  assert.deepEqual(warned, ["output-lost"]);
  assert.equal((await rig.record.successes([outputOf(plan, "b")])).get(outputOf(plan, "b"))!.stale, false);
});

test("the record is what counts: bytes at a location without a success are never read", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "echo a > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
  await rig.run(plan);
  const other = await openRig(t);
  const place = join(other.storeDir, "outputs", outputOf(plan, "a").slice(0, 2), outputOf(plan, "a"));
  await other.run(planOf({ x: "echo x > $OUTPUT" }));
  mkdirSync(join(place, ".."), { recursive: true });
  appendFileSync(place, "rubbish\n");
  assert.deepEqual((await other.run(plan)).ranTasks, ["a", "b"]);
  assert.equal(await other.text(plan, "b"), "a\n");
});

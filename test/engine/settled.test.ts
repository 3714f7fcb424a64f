// Promise 2 after power loss: what may not have reached the disk is hashed before it is used.
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { openRig, outputOf, planOf, type Rig } from "./rig.ts";

const plan = planOf({ a: "echo one > $OUTPUT", b: ["cat inputs/a > $OUTPUT; echo two >> $OUTPUT", "a"] });

/** As if the machine had gone down right after the commits, and had been started again. */
function reboot({ recordFile }: Rig): void {
  const db = new DatabaseSync(recordFile);
  db.exec("UPDATE successes SET settled = 0, boot = 'the boot before'");
  db.close();
}

test("a run settles what it made, and no success of it is doubted after a reboot", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  const successes = await rig.record.successes([outputOf(plan, "a"), outputOf(plan, "b")]);
  assert.deepEqual(
    [...successes.values()].map(({ settled }) => settled),
    [true, true],
  );
});

test("an unsettled success of an earlier boot is used once its bytes are found to be right, and is settled then", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  reboot(rig);
  assert.equal((await rig.status(plan)).due.length, 0);
  assert.equal((await rig.run(plan)).counts.ran, 0);
  assert.equal((await rig.record.successes([outputOf(plan, "b")])).get(outputOf(plan, "b"))?.settled, true);
});

test("an unsettled success of an earlier boot whose bytes were lost on the way to the disk is made again", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  const place = await rig.place(plan, "b");
  chmodSync(place, 0o644);
  writeFileSync(place, "\0\0\0\0\0\0\0\0"); // the right size, as after a crash: nothing that stat could tell
  chmodSync(place, 0o444);
  reboot(rig);
  const [due] = (await rig.status(plan)).due;
  assert.equal(due?.task, "b");
  assert.equal(due?.reasons[0]?.kind, "damaged");
  const told = await rig.run(plan);
  assert.deepEqual(told.ranTasks, ["b"]);
  assert.equal(await rig.text(plan, "b"), "one\ntwo\n");
});

test("a store that was copied elsewhere is hashed before it is believed", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  const db = new DatabaseSync(rig.recordFile);
  db.exec("UPDATE successes SET store = 'another store'");
  db.close();
  assert.equal((await rig.run(plan)).counts.ran, 0);
  const place = await rig.place(plan, "b");
  chmodSync(place, 0o644);
  writeFileSync(place, "otherwise");
  // Bytes that are others say nothing of the store that the record names.
  await assert.rejects(rig.run(plan), { code: "output-elsewhere", message: /^b lies/ });
  const output = outputOf(plan, "b");
  assert.ok((await rig.record.successes([output])).has(output), "it still stands");
});

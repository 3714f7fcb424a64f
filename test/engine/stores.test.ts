// Several stores in one run: outputs go where their options say, and are read from wherever they are.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { InputChecks } from "../../src/engine/input-checks.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import { Stores } from "../../src/store/stores.ts";
import { openRig, outputOf, planOf, runToEnd } from "./rig.ts";

const plan = planOf(
  {
    a: "mkdir $OUTPUT; echo one > $OUTPUT/x; ln -s x $OUTPUT/link",
    b: ["cp inputs/a/x $OUTPUT; chmod +x $OUTPUT", "a"],
    c: ["cat inputs/b > $OUTPUT; echo said", "b"],
  },
  { b: { store: "big" } },
);

test("an output goes to the store that its option names, and is found there by its success alone", async (t) => {
  const rig = await openRig(t);
  const big = join(rig.dir, "big");
  let opened = 0;
  const stores = () =>
    new Stores(rig.store, {
      names: ["big"],
      open: () => {
        opened++;
        return openFolderStore(big);
      },
    });
  const run = (others: Stores) => runToEnd(plan, { record: rig.record, store: others, jobs: 2 });
  const told = await run(stores());
  assert.deepEqual(told.ranTasks, ["a", "b", "c"]);
  const output = outputOf(plan, "b");
  const success = (await rig.record.successes([output])).get(output)!;
  assert.notEqual(success.store, rig.store.id);
  assert.equal(success.settled, true);
  assert.ok(existsSync(join(big, "outputs", success.location)));
  assert.ok(!existsSync(join(rig.storeDir, "outputs", success.location)));
  assert.equal(await told.place("b"), join(big, "outputs", success.location));
  assert.equal(opened, 1);

  const again = stores();
  assert.equal((await run(again)).counts.reused, 3);
  assert.equal(opened, 1, "what nobody asks for is not opened");
  assert.equal(await again.called(success.store), "big");
  assert.deepEqual(await again.present([success, { ...success, store: rig.store.id }]), [true, false]);

  await again.main.moveAside(
    (await rig.record.successes([outputOf(plan, "c")])).get(outputOf(plan, "c"))!.location,
  );
  assert.deepEqual((await run(stores())).ranTasks, ["c"], "its input is read where it lies");
});

test("a store that nobody knows is told before anything runs", async (t) => {
  const rig = await openRig(t);
  await assert.rejects(rig.run(plan), { code: "unknown-store", message: /"big"/, hint: /stores:/ });
  assert.equal((await rig.record.runs(1)).length, 0);
});

test("what lies in a store that the project does not name is never held against its success", async (t) => {
  const rig = await openRig(t);
  const theirs = await openFolderStore(join(rig.dir, "theirs"));
  const placed = planOf({ a: "echo one > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
  await runToEnd(placed, { record: rig.record, store: theirs });

  const mine = { record: rig.record, store: rig.store };
  for (const goals of [["b"], ["a"]]) {
    await assert.rejects(runToEnd(placed, { ...mine, goals }), {
      code: "output-elsewhere",
      message: new RegExp(`^${goals[0]} lies in a store`),
      hint: new RegExp(`stores: .*forget-store ${theirs.id}`, "s"),
    });
  }
  await assert.rejects(runToEnd(placed, { ...mine, force: ["b"] }), {
    code: "output-elsewhere",
    message: /^a /,
  });
  assert.equal((await rig.record.runs(9)).length, 1, "no run was begun");
  const [due] = (await rig.status(placed)).due;
  assert.deepEqual(due?.reasons, [{ kind: "elsewhere", store: theirs.id }]);

  // An input that vanishes from where it was looked for, in a store's stead.
  const success = (await rig.record.successes([outputOf(placed, "a")])).get(outputOf(placed, "a"))!;
  const checks = new InputChecks(rig.record, new Stores(rig.store));
  assert.equal(await checks.before(success), "is no longer there");
  for (const task of ["a", "b"]) {
    const [made] = await rig.record.history(outputOf(placed, task));
    assert.equal(made?.state, "current", task);
  }
  assert.equal((await runToEnd(placed, { record: rig.record, store: theirs })).counts.reused, 2);

  const other = planOf({ z: "echo one > $OUTPUT; true", b2: ["cat inputs/z > $OUTPUT", "z"] });
  assert.deepEqual((await rig.run(other)).ranTasks, ["z", "b2"], "what is not needed stops nobody");
  assert.equal((await runToEnd(placed, { record: rig.record, store: theirs })).counts.reused, 2);
});

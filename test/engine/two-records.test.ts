// One store, two records: neither takes away what the other knows to be done.
import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import { removeTree } from "../../src/store/remove.ts";
import { openRig, planOf, runToEnd } from "./rig.ts";

const plan = planOf({ a: "date +%s%N > $OUTPUT" });

test("what another record made in the same store stays where it is, and each has its own", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  const first = await rig.text(plan, "a");
  const other = await openSqliteRecord(join(rig.dir, "other.db"));
  t.after(() => other.close());
  const { counts, path } = await runToEnd(plan, { record: other, store: rig.store });
  assert.equal(counts.ran, 1);
  assert.equal((await rig.run(plan)).counts.ran, 0);
  assert.equal(await rig.text(plan, "a"), first);
  assert.notEqual(await path("a"), await rig.place(plan, "a"));
});

test("a record that takes the place of one that is gone may tidy up after it", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  const place = await rig.place(plan, "a");
  for (const name of ["record.db", "record.db-wal", "record.db-shm"]) await removeTree(join(rig.dir, name));
  const other = await openSqliteRecord(join(rig.dir, "other.db"));
  t.after(() => other.close());
  const told = await runToEnd(plan, { record: other, store: rig.store });
  assert.equal(told.counts.ran, 1);
  assert.equal(await told.path("a"), place);
});

// The laws, where the record is shared: as those of files, and fewer cases, since each step is a round trip.
import assert from "node:assert/strict";
import { chmodSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { openPostgresRecord } from "../../src/record/postgres.ts";
import { removeTree } from "../../src/store/remove.ts";
import { openRig, planOf, scratch } from "../engine/rig.ts";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { faultLaws, type TriedRecord } from "./fault-laws.ts";
import { type History, histories } from "./histories.ts";
import { performHistory } from "./pipeline.ts";
import { sharedRowsOf } from "./record-rows.ts";

const long = process.env["ALAMODE_LONG"] === "1";
const skip = whyNoPostgres() ?? false;

let server: Postgres;
before(async () => {
  if (!skip) server = await startPostgres();
});
after(() => server?.stop());

const schemaOf = (dir: string) =>
  basename(dir)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "_");

const tried: TriedRecord = {
  open: (dir) => openPostgresRecord(`${server.url}?schema=${schemaOf(dir)}`),
  rows: (dir) => sharedRowsOf(server, schemaOf(dir)),
};

faultLaws("postgres", tried, (_, times) => (long ? 1 : times > 1 ? 17 : 9), skip);

test("whatever happened before, a run makes what an empty store would hold, by the fewest executions, as status said", {
  skip,
}, async () => {
  const perform = (history: History) => performHistory(history, tried);
  await fc.assert(fc.asyncProperty(histories({ slain: false }), perform), { numRuns: long ? 150 : 3 });
});

test("what is damaged time and again is made again, though nothing but that may be moved aside", {
  skip,
}, async (t) => {
  const dir = scratch(t);
  const rig = await openRig(t, dir, join(dir, "store"), tried.open);
  const plan = planOf({ a: "echo a > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
  for (let n = 0; n < 4; n++) {
    assert.deepEqual((await rig.run(plan)).ranTasks, ["a", "b"]);
    assert.equal(await rig.text(plan, "b"), "a\n");
    const place = await rig.place(plan, "a");
    chmodSync(place, 0o644);
    writeFileSync(place, "?\n");
    utimesSync(place, 1, 1);
    await removeTree(await rig.place(plan, "b"));
  }
});

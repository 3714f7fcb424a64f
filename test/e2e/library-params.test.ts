// A pipeline with parameters, run from code: the same values, dates and record as at the command line.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { open, run } from "../../src/library.ts";
import { bash } from "../../src/plan/bash.ts";
import { Dag } from "../../src/plan/dag.ts";
import { day, integer } from "../../src/plan/params.ts";
import { pipeline } from "../../src/plan/pipeline.ts";
import { project } from "./project.ts";

const shop = pipeline({ date: day(), k: integer(3) }, ({ date, k }) => {
  const dag = new Dag({ name: "shop", schedule: "@daily" });
  dag.task("load", bash`echo ${date} ${k} > $OUTPUT`);
  return dag;
});

test("run() gives a pipeline its parameters and its date", async (t) => {
  const here = project(t);
  const places = { store: join(here.dir, "store"), record: join(here.dir, "record.db") };
  const result = await run(shop, { ...places, params: { k: 4 }, date: "2026-11-01" });
  assert.equal(readFileSync(result.path("load"), "utf8"), "2026-11-01 4\n");
  const asked = await open(places);
  t.after(() => asked.close());
  assert.deepEqual({ ...(await asked.runs())[0]?.params }, { date: "2026-11-01", k: "4" });
  await assert.rejects(run(shop, { ...places, params: { kk: 4 } }), { code: "bad-params" });
  await assert.rejects(run(shop, { ...places, date: "2026-11-01..2026-11-02" }), { code: "many-dates" });
  await assert.rejects(run(new Dag(), { ...places, date: "2026-11-01" }), { code: "bad-params" });
});

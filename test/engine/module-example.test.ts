import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { setSourceBase } from "../../src/plan/sources.ts";
import { openRig } from "./rig.ts";

const pipeline = resolve(import.meta.dirname, "../../examples/module/pipeline.ts");

test("the example's functions draw the diagram, and a second run makes nothing", async (t) => {
  setSourceBase(dirname(pipeline));
  const { default: dag } = await import(pipeline);
  const plan = dag.encode();
  const rig = await openRig(t);
  const told = await rig.run(plan);
  assert.deepEqual([told.failures, told.counts.ran], [[], 5]);
  const svg = readFileSync(join(await rig.place(plan, "diagram"), "diagram.svg"), "utf8");
  // Below a rate of 3 there is one population, 1 - 1/rate; at 4 there are many.
  assert.ok(svg.includes('d="M0.0 192.8h1M2.0 '), svg.slice(0, 200));
  assert.ok(svg.split("h1").length > 10_000);
  assert.equal((await rig.run(plan)).counts.ran, 0);
});

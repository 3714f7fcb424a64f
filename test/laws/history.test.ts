// The laws of incremental runs, over random pipelines and histories of edits, runs, kills, deletions and damage, held
// against a model of the rules (rules.ts). ALAMODE_LONG=1 tries many more; a failure prints its seed.
import { test } from "node:test";
import fc from "fast-check";
import { histories } from "./histories.ts";
import { performHistory } from "./pipeline.ts";

const long = process.env["ALAMODE_LONG"] === "1";
const seed = process.env["ALAMODE_SEED"];
const settings = seed === undefined ? {} : { seed: Number(seed) };

test("whatever happened before, a run makes what an empty store would hold, by the fewest executions, as status said", async () => {
  await fc.assert(
    fc.asyncProperty(histories({ slain: false }), (history) => performHistory(history)),
    {
      numRuns: long ? 500 : 30,
      ...settings,
    },
  );
});

test("so it does after runs whose process was killed with SIGKILL", async () => {
  await fc.assert(
    fc.asyncProperty(histories({ slain: true }), (history) => performHistory(history)),
    {
      numRuns: long ? 40 : 4,
      endOnFailure: true, // where a process is killed is another instant each time: there is no shrinking that
      ...settings,
    },
  );
});

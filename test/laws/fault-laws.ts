// The n-th call of the store or of the record fails, for every n until none does: whatever came of that run, the next one is
// right, and repeats at most what was under way.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { RecordDb } from "../../src/record/types.ts";
import { openRig, outputOf, planOf, runToEnd, scratch } from "../engine/rig.ts";
import { goneWithin, stepsOf, supervisorsOf } from "../faults/processes.ts";
import { type Fault, inputOutputError, noSpace, type When, withFault } from "./faulty.ts";
import type { Rows } from "./record-rows.ts";

/** The record that is tried: opened in, or for, a folder; and read apart from the code under test. */
export interface TriedRecord {
  open(dir: string): Promise<RecordDb>;
  rows(dir: string): Rows;
}

/** `c` fails the first time, so that failing is tried too. */
const plan = planOf(
  {
    a: "echo a > $OUTPUT",
    b: ["mkdir $OUTPUT; cat inputs/a > $OUTPUT/b", "a"],
    c: ["[ -e $MARK ] || { : > $MARK; exit 1; }; cat inputs/a > $OUTPUT; echo c >> $OUTPUT", "a"],
    d: ["cat inputs/b/b inputs/c > $OUTPUT", "b", "c"],
  },
  { c: { pass: ["MARK"], retries: 1, backoff: "1ms" } },
);
const tasks = Object.keys(plan.tasks);

/** Returns what was called when it failed; nothing if it did not come to that. */
async function tryFault(
  { open, rows }: TriedRecord,
  faulted: "store" | "record",
  fault: Fault,
): Promise<string[]> {
  const cleanups: (() => unknown)[] = [];
  try {
    const t = { after: (fn: unknown) => void cleanups.unshift(fn as () => unknown) };
    const dir = scratch(t);
    const rig = await openRig(t, dir, join(dir, "store"), open);
    const { faulty, fired } = withFault(rig[faulted], fault);
    const options = { jobs: 2, callerEnv: { MARK: join(rig.dir, "mark") } };
    const at = `${faulted} call ${fault.at}`;
    const told = await runToEnd(plan, {
      record: rig.record,
      store: rig.store,
      ...options,
      [faulted]: faulty,
    }).catch((error: Error) => error);
    const calls = fired.calls.join(", ");

    const done = new Set(
      rows(rig.dir)
        .successes.filter(({ state }) => state === "current")
        .map(({ output }) => output),
    );
    // A run that could not even be ended lives on with its process: then that ends too, and another opens the record.
    let { record } = rig;
    if (fault.times > 1) {
      await rig.record.close();
      record = await open(rig.dir);
      cleanups.unshift(() => record.close());
    }
    const again = await runToEnd(plan, { record, store: rig.store, ...options });
    const about = `${at} (${calls}): first ${told instanceof Error ? told.message : told.status}`;
    assert.equal(again.status, "done", about);
    const due = tasks.filter((task) => !done.has(outputOf(plan, task)));
    assert.deepEqual(again.ranTasks.toSorted(), due, `${about}; only what had not been committed runs`);
    const { successes, unfinished, leases } = rows(rig.dir);
    assert.deepEqual([unfinished, leases], [0, 0], about);
    assert.equal(successes.filter(({ state }) => state === "current").length, tasks.length, about);
    for (const { location, digest } of successes) {
      const found = await rig.store.rehash(location as Parameters<typeof rig.store.rehash>[0]);
      assert.equal(found?.digest, digest, `${about}; ${location} holds what the record says`);
    }
    const place = await again.path("d");
    assert.equal(await readFile(place, "utf8"), "a\na\nc\n", about);
    assert.deepEqual(
      readdirSync(rig.store.scratchDir).filter((name) => name !== "failed"),
      [],
      `${about}; nothing is left in the scratch area`,
    );
    const runs = readdirSync(join(rig.storeDir, "receipts"));
    const left = await goneWithin(() => [...stepsOf(runs), ...supervisorsOf(runs)]);
    assert.deepEqual(left, [], `${about}; no process is left`);
    return fired.calls;
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
}

/** Declares the tests. `step` says which calls are made to fail: each, or each so many. */
export function faultLaws(
  name: string,
  tried: TriedRecord,
  step: (when: When, times: number) => number,
  skip: string | false = false,
): void {
  for (const faulted of ["store", "record"] as const) {
    for (const when of ["before", "after"] satisfies When[]) {
      for (const times of [1, 2]) {
        const what = times === 1 ? "call fails" : "call and the one after it fail";
        test(`${name}: the next run is right when any ${what}: ${faulted}, ${when} it was done`, {
          skip,
        }, async (t) => {
          const seen = new Map<string, number>();
          for (let at = 1; ; at += step(when, times)) {
            const error = at % 2 === 0 ? noSpace : inputOutputError;
            const calls = await tryFault(tried, faulted, { at, times, when, error });
            if (calls.length === 0) break;
            for (const call of calls) seen.set(call, (seen.get(call) ?? 0) + 1);
          }
          t.diagnostic([...seen].map(([call, count]) => `${call} ${count}`).join(", "));
        });
      }
    }
  }
}

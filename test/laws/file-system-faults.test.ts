// The n-th file-system call of a run fails, for every n until none does: whatever came of that run, the next one is right. The
// engine's own calls in its own folders, that is; SQLite's go another way (a full disk is in test/faults).
import assert from "node:assert/strict";
import fs from "node:fs";
import { readFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import test from "node:test";
import { openRig, planOf, runToEnd } from "../engine/rig.ts";
import { goneWithin, stepsOf, supervisorsOf } from "../faults/processes.ts";
import { rowsOf } from "./record-rows.ts";

const long = process.env["ALAMODE_LONG"] === "1";

const CALLS = [
  "accessSync",
  "chmodSync",
  "copyFileSync",
  "ftruncateSync",
  "linkSync",
  "lstatSync",
  "mkdirSync",
  "openSync",
  "readdirSync",
  "readFileSync",
  "readlinkSync",
  "readSync",
  "renameSync",
  "rmdirSync",
  "rmSync",
  "statSync",
  "symlinkSync",
  "unlinkSync",
  "writeFileSync",
  "writeSync",
] as const;
const originals = Object.fromEntries(CALLS.map((name) => [name, fs[name]]));

const plan = planOf({
  a: [{ command: "echo a > $OUTPUT; echo told", files: {} }],
  b: ["mkdir -p $OUTPUT/sub; cat inputs/a > $OUTPUT/sub/b; ln -s sub/b $OUTPUT/link", "a"],
  c: ["ln -s $INPUTS/b $OUTPUT", "b"],
});

/** Makes the `at`-th call below `dir`, or of an open descriptor, fail from now on; the function returned ends that. */
function faultAt(at: number, dir: string): { readonly call: () => string | undefined; end(): void } {
  let count = 0;
  let failed: string | undefined;
  for (const name of CALLS) {
    const original = originals[name] as (...args: unknown[]) => unknown;
    const patched = (...args: unknown[]) => {
      const [first] = args;
      const ours = typeof first === "number" || String(first).startsWith(dir);
      if (ours && ++count === at) {
        failed = `${name} ${String(first)}`;
        throw Object.assign(new Error(`EIO: i/o error, ${name} '${String(first)}'`), {
          code: "EIO",
          errno: -5,
          syscall: name,
        });
      }
      return original(...args);
    };
    // realpathSync and the like keep what hangs on them.
    Object.assign(fs, { [name]: Object.assign(patched, original) });
  }
  syncBuiltinESMExports();
  return {
    call: () => failed,
    end() {
      Object.assign(fs, originals);
      syncBuiltinESMExports();
    },
  };
}

/** Returns the call that failed; nothing if it did not come to that. */
async function tryFault(at: number): Promise<string | undefined> {
  const cleanups: (() => unknown)[] = [];
  try {
    const rig = await openRig({ after: (clean) => void cleanups.unshift(clean as () => unknown) });
    const fault = faultAt(at, rig.storeDir);
    const told = await runToEnd(plan, { record: rig.record, store: rig.store, jobs: 2 }).catch(
      (error: Error) => error,
    );
    fault.end();
    const about = `call ${at} (${fault.call()}): first ${told instanceof Error ? told.message : told.status}`;
    const done = rowsOf(rig.recordFile).successes.filter(({ state }) => state === "current").length;

    const again = await rig.run(plan);
    assert.equal(again.status, "done", `${about}; then ${JSON.stringify(again.failures)}`);
    assert.ok(
      again.ranTasks.length <= 3 - done + 1,
      `${about}; ran ${again.ranTasks} though ${done} were done`,
    );
    const { successes, unfinished, leases } = rowsOf(rig.recordFile);
    assert.deepEqual([unfinished, leases], [0, 0], about);
    for (const { location, digest } of successes.filter(({ state }) => state === "current")) {
      const found = await rig.store.rehash(location as Parameters<typeof rig.store.rehash>[0]);
      assert.equal(found?.digest, digest, `${about}; ${location} holds what the record says`);
    }
    assert.equal(await readFile(join(await again.path("c"), "link"), "utf8"), "a\n", about);
    const runs = fs.readdirSync(join(rig.storeDir, "receipts"));
    assert.deepEqual(
      await goneWithin(() => [...stepsOf(runs), ...supervisorsOf(runs)]),
      [],
      `${about}; no process is left`,
    );
    return fault.call();
  } finally {
    Object.assign(fs, originals);
    syncBuiltinESMExports();
    for (const cleanup of cleanups) await cleanup();
  }
}

test("a run survives one fault at any call of the file system", async () => {
  const step = long ? 1 : 9;
  for (let at = 1, fired: string | undefined = "none yet"; fired !== undefined; at += step)
    fired = await tryFault(at);
});

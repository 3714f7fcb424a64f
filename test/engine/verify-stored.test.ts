// What the store holds, hashed against the record: each kind of damage is found, named, and never handed on.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, lstatSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { VerifyResult } from "../../src/engine/verify.ts";
import type { VerifyEvent } from "../../src/engine/verify-events.ts";
import { type VerifyStoredOptions, verifyStored } from "../../src/engine/verify-stored.ts";
import { Dag } from "../../src/plan/dag.ts";
import { source } from "../../src/plan/source-task.ts";
import type { Plan } from "../../src/plan/types.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import { removeTree } from "../../src/store/remove.ts";
import { openRig, outputOf, planOf, type Rig } from "./rig.ts";

type Of<Name extends VerifyEvent["event"]> = Extract<VerifyEvent, { event: Name }>;

interface Told extends VerifyResult {
  of<Name extends VerifyEvent["event"]>(name: Name): Of<Name>[];
}

async function stored(
  { record, store }: Pick<Rig, "record" | "store">,
  plan?: Plan,
  options: Partial<VerifyStoredOptions> = {},
): Promise<Told> {
  const events: VerifyEvent[] = [];
  const named = plan === undefined ? {} : { plan };
  const result = await verifyStored({
    record,
    store,
    ...named,
    ...options,
    onEvent: (event) => events.push(event),
  });
  return {
    ...result,
    of: <Name extends VerifyEvent["event"]>(name: Name) =>
      events.filter((event): event is Of<Name> => event.event === name),
  };
}

const plan = planOf({
  data: 'mkdir -p "$OUTPUT/sub"; echo one > "$OUTPUT/a"; echo two > "$OUTPUT/sub/b"; ln -s a "$OUTPUT/link"',
  copy: ['cat inputs/data/a inputs/data/sub/b > "$OUTPUT"', "data"],
});

/** Changes a file as a failing disk would: by what stat says, to the nanosecond, nothing has happened. */
function flipBit(file: string): void {
  const before = lstatSync(file, { bigint: true });
  const times = join(tmpdir(), `alamode-times-${process.pid}`);
  execFileSync("touch", ["-r", file, times]);
  const bytes = readFileSync(file);
  bytes[0]! ^= 1;
  chmodSync(file, 0o644);
  writeFileSync(file, bytes);
  chmodSync(file, Number(before.mode));
  execFileSync("touch", ["-r", times, file]);
  rmSync(times);
  const { mtimeNs, size, mode } = lstatSync(file, { bigint: true });
  assert.deepEqual([mtimeNs, size, mode], [before.mtimeNs, before.size, before.mode]);
}

/** Lets `change` at what lies in a read-only folder. */
function inFolder(folder: string, change: () => void): void {
  chmodSync(folder, 0o755);
  change();
  chmodSync(folder, 0o555);
}

const damages: readonly {
  readonly what: string;
  readonly damage: (place: string) => void;
  readonly found: readonly (readonly [kind: string, path: string, how?: RegExp])[];
}[] = [
  {
    what: "a flipped bit",
    damage: (place) => flipBit(`${place}/sub/b`),
    found: [["changed", "sub/b", /^other bytes, 4 as before$/]],
  },
  {
    what: "a missing file",
    damage: (place) => inFolder(`${place}/sub`, () => rmSync(`${place}/sub/b`)),
    found: [["missing", "sub/b"]],
  },
  {
    what: "an added file",
    damage: (place) => inFolder(`${place}/sub`, () => writeFileSync(`${place}/sub/c`, "")),
    found: [["added", "sub/c"]],
  },
  {
    what: "a changed exec bit",
    damage: (place) => chmodSync(`${place}/a`, 0o555),
    found: [["changed", "a", /^is executable, was not$/]],
  },
  {
    what: "a link that leads elsewhere",
    damage: (place) =>
      inFolder(place, () => {
        rmSync(`${place}/link`);
        symlinkSync("sub/b", `${place}/link`);
      }),
    found: [["changed", "link", /^leads to sub\/b, was a$/]],
  },
  {
    what: "a file in a folder's place",
    damage: (place) =>
      inFolder(place, () => {
        chmodSync(`${place}/sub`, 0o755);
        rmSync(`${place}/sub`, { recursive: true });
        writeFileSync(`${place}/sub`, "x");
      }),
    found: [
      ["changed", "sub", /^is a file, was a folder$/],
      ["missing", "sub/b"],
    ],
  },
];

for (const { what, damage, found } of damages) {
  test(`${what} is found, marked, never handed to a task, and made good when needed`, async (t) => {
    const rig = await openRig(t);
    await rig.run(plan, { goals: ["data"] });
    damage(await rig.place(plan, "data"));
    const told = await stored(rig, plan);
    const [event] = told.of("stored.damaged");
    assert.equal(event?.task, "data");
    const shown = event!.differences.shown;
    assert.deepEqual(
      shown.map(({ kind, path }) => [kind, path]),
      found.map(([kind, path]) => [kind, path]),
    );
    for (const [i, [, , how]] of found.entries()) {
      const difference = shown[i];
      if (how) assert.match(difference?.kind === "changed" ? difference.how : "", how);
    }
    assert.deepEqual(
      { differ: told.differ, same: told.same, lost: told.lost },
      { differ: 1, same: 0, lost: 0 },
    );
    assert.equal((await rig.record.history(outputOf(plan, "data")))[0]?.state, "damaged");
    assert.equal((await stored(rig, plan)).differ, 0, "what is known is not found again");
    const run = await rig.run(plan);
    assert.deepEqual(run.ranTasks, ["data", "copy"]);
    assert.equal(await rig.text(plan, "copy"), "one\ntwo\n");
    assert.deepEqual({ ...(await stored(rig, plan)) }.same, 2);
  });
}

test("an output that is gone is told as lost, and only made again when needed", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  await removeTree(await rig.place(plan, "data"));
  const told = await stored(rig, plan);
  assert.deepEqual(
    told.of("stored.lost").map(({ task }) => task),
    ["data"],
  );
  assert.deepEqual({ lost: told.lost, same: told.same }, { lost: 1, same: 1 });
  assert.equal((await rig.run(plan)).counts.ran, 0, "the goal is done");
});

test("something that is no tree in an output's place is damage", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  const copy = await rig.place(plan, "copy");
  rmSync(copy, { force: true });
  execFileSync("mkfifo", [copy]);
  const data = await rig.place(plan, "data");
  inFolder(data, () => execFileSync("mkfifo", [`${data}/pipe`]));
  const told = await stored(rig, plan);
  const because = new Map(told.of("stored.damaged").map(({ task, because }) => [task, because]));
  assert.match(because.get("copy") ?? "", /it is a FIFO/);
  assert.match(because.get("data") ?? "", /"pipe" cannot be kept: it is a FIFO/);
});

test("what cannot be read is told, and nothing is concluded from it", async (t) => {
  if (process.getuid?.() === 0) return t.skip("root reads everything");
  const rig = await openRig(t);
  await rig.run(plan);
  const place = await rig.place(plan, "copy");
  chmodSync(place, 0);
  const told = await stored(rig, plan);
  assert.deepEqual({ failed: told.failed, same: told.same }, { failed: 1, same: 1 });
  assert.equal((await rig.record.history(outputOf(plan, "copy")))[0]?.state, "current");
});

test("bytes that several outputs rest on are hashed once, and damage to them is all theirs", async (t) => {
  const rig = await openRig(t);
  const first = planOf({ a: "echo 1 > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
  const second = planOf({ a: "echo 1 > $OUTPUT # said otherwise", b: ["cat inputs/a > $OUTPUT", "a"] });
  await rig.run(first);
  assert.equal((await rig.run(second)).counts.same, 1);
  assert.equal((await stored(rig, second)).same, 3);
  flipBit(await rig.place(second, "b"));
  const told = await stored(rig, second, { tasks: ["b"] });
  assert.deepEqual(
    told.of("stored.damaged").map(({ task }) => task),
    ["b"],
  );
  const current = await rig.record.successes([outputOf(first, "b"), outputOf(second, "b")]);
  assert.equal(current.size, 0);
});

test("a second tree, which does not stand for its output, is hashed too: it may yet stand for another", async (t) => {
  const rig = await openRig(t);
  const random = planOf({ random: "head -c 8 /dev/urandom > $OUTPUT" });
  await rig.run(random);
  await rig.run(random, { force: ["random"] });
  const other = (await rig.record.history(outputOf(random, "random"))).find(({ state }) => state === "other");
  flipBit((await rig.store.stage(other!.location, other!.treeDigest)).path);
  const told = await stored(rig);
  assert.deepEqual({ same: told.same, differ: told.differ }, { same: 1, differ: 1 });
  assert.equal(told.of("stored.damaged")[0]?.location, other!.location);
});

test("named tasks are hashed alone, and what is not made is told", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan, { goals: ["data"] });
  const told = await stored(rig, plan, { tasks: ["data", "copy"] });
  assert.deepEqual({ same: told.same, impossible: told.impossible }, { same: 1, impossible: 1 });
  flipBit(join(await rig.place(plan, "data"), "a"));
  await stored(rig, plan);
  const [event] = (await stored(rig, plan, { tasks: ["data"] })).of("verify.impossible");
  assert.equal(event?.because, "its bytes were changed since it was made");
});

test("what lies in another store is left alone", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  const other = await openFolderStore(join(rig.dir, "other"));
  t.after(() => other.close());
  const told = await stored({ record: rig.record, store: other }, plan);
  assert.deepEqual({ left: told.left, lost: told.lost }, { left: 2, lost: 0 });
  assert.equal((await stored(rig, plan)).same, 2);
});

test("a stop leaves the rest, and marks nothing", async (t) => {
  const rig = await openRig(t);
  await rig.run(plan);
  const stop = new AbortController();
  stop.abort();
  const told = await stored(rig, plan, { signal: stop.signal });
  assert.deepEqual({ interrupted: told.interrupted, left: told.left }, { interrupted: true, left: 2 });
});

test("data that is read in place is hashed where it lies", async (t) => {
  const rig = await openRig(t);
  const file = join(rig.dir, "raw.txt");
  writeFileSync(file, "data\n");
  const dag = new Dag();
  const raw = dag.task("raw", source(file, { inPlace: true }));
  dag.task("copy", { command: "cat inputs/raw > $OUTPUT" }).after(raw);
  const placed = dag.encode();
  await rig.run(placed);
  assert.equal((await stored(rig, placed)).same, 2);
  writeFileSync(file, "date\n");
  const [event] = (await stored(rig, placed)).of("stored.damaged");
  assert.equal(event?.path, file);
  assert.deepEqual(event?.differences.shown, [
    { kind: "changed", path: "", how: "other bytes, 5 as before", content: true },
  ]);
  assert.equal(readFileSync(file, "utf8"), "date\n", "it is nobody's to mend");
});

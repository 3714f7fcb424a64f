// Tasks run again from what they were made from: what is planted is found, what is clean is told as the same, and nothing
// of it is left.
import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openSandbox } from "../../src/engine/sandbox/open.ts";
import { sweepScratch } from "../../src/engine/scratch.ts";
import { type VerifyOptions, type VerifyResult, verify } from "../../src/engine/verify.ts";
import type { VerifyEvent } from "../../src/engine/verify-events.ts";
import { bencodePlan } from "../../src/plan/encode.ts";
import type { Plan } from "../../src/plan/types.ts";
import { removeTree } from "../../src/store/remove.ts";
import { alive, type Gate, openRig, outputOf, planOf, type Rig } from "./rig.ts";

type Of<Name extends VerifyEvent["event"]> = Extract<VerifyEvent, { event: Name }>;

type Gate4 = [Gate, Gate, Gate, Gate];

interface Told extends VerifyResult {
  readonly events: readonly VerifyEvent[];
  of<Name extends VerifyEvent["event"]>(name: Name): Of<Name>[];
}

async function verified(
  { record, store }: Rig,
  plan: Plan,
  options: Partial<VerifyOptions> = {},
): Promise<Told> {
  const events: VerifyEvent[] = [];
  const result = await verify(plan, {
    record,
    store,
    jobs: 2,
    ...options,
    onEvent: (event) => events.push(event),
  });
  assert.deepEqual(
    readdirSync(store.scratchDir).filter((name) => name !== "failed"),
    [],
    "nothing is left in the scratch area",
  );
  return {
    ...result,
    events,
    of: <Name extends VerifyEvent["event"]>(name: Name) =>
      events.filter((event): event is Of<Name> => event.event === name),
  };
}

/** All that lies in the store and what the record says of its runs: a verification may change none of it. */
async function state({ storeDir, record }: Rig, plan: Plan): Promise<unknown> {
  const places = readdirSync(storeDir, { recursive: true, withFileTypes: true }).map(
    ({ name, parentPath }) => {
      const stats = lstatSync(join(parentPath, name));
      return stats.isDirectory()
        ? [parentPath, name]
        : [parentPath, name, stats.ino, stats.mtimeMs, stats.mode];
    },
  );
  const outputs = Object.values(plan.tasks).map(({ output }) => output);
  return [
    places,
    await record.runs(100),
    await Promise.all(outputs.map((output) => record.executions(output))),
    await Promise.all(outputs.map((output) => record.history(output))),
  ];
}

test("a clean task is the same, its count grows, and nothing real is touched", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    data: 'mkdir "$OUTPUT"; echo 1 > "$OUTPUT/a"; ln -s a "$OUTPUT/b"; printf x > "$OUTPUT/run"; chmod +x "$OUTPUT/run"',
    sum: [{ command: 'cat inputs/data/a > "$OUTPUT"', produces: "sum.txt" }, "data"],
    text: ['cat inputs/data/b > "$OUTPUT"; echo said', "data"],
  });
  await rig.run(plan);
  const before = await state(rig, plan);
  const told = await verified(rig, plan);
  assert.deepEqual(await state(rig, plan), before);
  assert.deepEqual(
    told
      .of("verify.same")
      .map(({ task }) => task)
      .sort(),
    ["data", "sum", "text"],
  );
  assert.deepEqual(
    { same: told.same, differ: told.differ, left: told.left },
    { same: 3, differ: 0, left: 0 },
  );
  const again = await verified(rig, plan, { tasks: ["sum"] });
  assert.deepEqual(again.of("verify.same")[0]?.reproducibility, { verified: 2, same: 2 });
  const counted = await rig.record.reproducibility([outputOf(plan, "data"), outputOf(plan, "sum")]);
  assert.deepEqual(
    [...counted.values()],
    [
      { verified: 1, same: 1 },
      { verified: 2, same: 2 },
    ],
  );
});

test("a clock is found, with the first other byte of both", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ clock: 'echo "made at $(date +%s%N)" > "$OUTPUT"' });
  await rig.run(plan);
  const recorded = await rig.text(plan, "clock");
  const told = await verified(rig, plan);
  const [differs] = told.of("verify.differs");
  const [difference] = differs!.differences.shown;
  assert.equal(told.differ, 1);
  assert.deepEqual(differs?.reproducibility, { verified: 1, same: 0 });
  assert.ok(difference?.kind === "changed" && difference.path === "" && difference.first !== undefined);
  const { offset, from, recorded: was, found } = difference.first;
  assert.ok(offset >= "made at ".length);
  assert.equal(Buffer.from(was, "hex").toString(), recorded.slice(from, offset + 8));
  assert.equal(was.slice(0, (offset - from) * 2), found.slice(0, (offset - from) * 2));
  assert.notEqual(was.slice((offset - from) * 2), found.slice((offset - from) * 2));
  assert.equal(await rig.text(plan, "clock"), recorded, "what stands stays");
});

test("random numbers and process ids are found, in contents and in names", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    random: 'head -c 32 /dev/urandom > "$OUTPUT"',
    named:
      'mkdir "$OUTPUT"; name=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d " "); echo 1 > "$OUTPUT/$name"; echo 2 > "$OUTPUT/kept"',
  });
  await rig.run(plan);
  const told = await verified(rig, plan);
  assert.deepEqual(
    told
      .of("verify.differs")
      .map(({ task }) => task)
      .sort(),
    ["named", "random"],
  );
  const { differences } = told.of("verify.differs").find(({ task }) => task === "named")!;
  assert.deepEqual(differences.shown.map(({ kind }) => kind).sort(), ["added", "missing"]);
  assert.equal(differences.all, 2);
});

test("a race of two writers is found", async (t) => {
  const rig = await openRig(t);
  const [beforeA, afterA, beforeB, afterB] = ["1", "2", "3", "4"].map((name) => rig.gate(name)) as Gate4;
  const writer = (name: string, before: Gate, after: Gate) =>
    `(${before.command()}; echo ${name} >> "$OUTPUT"; ${after.command()}) &`;
  const plan = planOf({ race: `${writer("a", beforeA, afterA)} ${writer("b", beforeB, afterB)} wait` });
  const order = async (...writers: readonly [before: Gate, after: Gate][]) => {
    await Promise.all(writers.map(([before]) => before.reached()));
    for (const [before, after] of writers) {
      await before.open();
      await after.reached();
      await after.open();
    }
  };
  const [made] = await Promise.all([rig.run(plan), order([beforeA, afterA], [beforeB, afterB])]);
  assert.equal(made.status, "done");
  assert.equal(await rig.text(plan, "race"), "a\nb\n");
  const [told] = await Promise.all([verified(rig, plan), order([beforeB, afterB], [beforeA, afterA])]);
  const [difference] = told.of("verify.differs")[0]!.differences.shown;
  assert.ok(difference?.kind === "changed");
  assert.deepEqual(difference.first, { offset: 0, from: 0, recorded: "610a620a", found: "620a610a" });
});

test("the path of the scratch folder is found and named; in a sandbox it is the same each time", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ where: 'pwd > "$OUTPUT"' });
  await rig.run(plan);
  const told = await verified(rig, plan);
  assert.match(told.of("verify.differs")[0]?.hint ?? "", /path of the scratch folder/);
  if (
    await openSandbox("bubblewrap").then(
      () => false,
      () => true,
    )
  )
    return;
  const shut = planOf({ where: 'echo $(pwd) > "$OUTPUT"' });
  await rig.run(shut, { sandbox: "bubblewrap" });
  assert.equal((await verified(rig, shut)).same, 1, "it is verified in the sandbox that it was made in");
  const bare = await verified(rig, shut, { sandbox: "none" });
  assert.equal(bare.differ, 1);
});

test("the scratch folders of dead verifications are swept, those of living ones are not", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const plan = planOf({ slow: `${gate.command()}; echo 1 > "$OUTPUT"` });
  await Promise.all([rig.run(plan), gate.reached().then(() => gate.open())]);
  const dead = join(rig.store.scratchDir, "verify-0123456789abcdef");
  mkdirSync(join(dead, "0"), { recursive: true });
  const stop = new AbortController();
  const verifying = verify(plan, { record: rig.record, store: rig.store, signal: stop.signal });
  await gate.reached();
  const folders = readdirSync(rig.store.scratchDir).filter((name) => name.startsWith("verify-"));
  assert.equal(folders.length, 2);
  for (const name of folders) utimesSync(join(rig.store.scratchDir, name), 1, 1);
  await sweepScratch(rig.record, rig.store, hostname());
  assert.equal(existsSync(dead), false);
  assert.equal(readdirSync(rig.store.scratchDir).length, 1);
  await gate.open();
  assert.equal((await verifying).same, 1);
});

test("what was made from bytes that are no more cannot be verified, and is told as stale", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    fit: 'head -c 16 /dev/urandom > "$OUTPUT"',
    plot: ['cat inputs/fit > "$OUTPUT"', "fit"],
    page: ['cat inputs/plot > "$OUTPUT"', "plot"],
  });
  await rig.run(plan);
  await removeTree(await rig.place(plan, "fit"));
  const gone = await verified(rig, plan, { tasks: ["plot", "page"] });
  assert.equal(gone.of("verify.impossible")[0]?.because, 'input "fit" is gone');
  assert.equal(gone.same, 1, "page's own input is there");
  await rig.run(plan, { goals: ["fit"] });
  const told = await verified(rig, plan, { tasks: ["plot"] });
  assert.equal(
    told.of("verify.impossible")[0]?.because,
    'input "fit" is gone: other bytes have taken its place since',
  );
  assert.deepEqual(
    told.of("task.stale").map(({ task, input, inputIsStale }) => ({ task, input, inputIsStale })),
    [
      { task: "page", input: "plot", inputIsStale: true },
      { task: "plot", input: "fit", inputIsStale: undefined },
    ],
  );
  assert.equal(told.stale, 2);
});

test("an input that was lost, and made again with the same bytes, serves as well", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "echo 1 > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
  await rig.run(plan);
  const [success] = await rig.record.history(outputOf(plan, "a"));
  await rig.record.mark([success!.id], "lost");
  await rig.run(plan, { goals: ["a"] });
  assert.equal((await verified(rig, plan, { tasks: ["b"] })).same, 1);
});

test("an alias is verified as what it stands on, and both are counted", async (t) => {
  const rig = await openRig(t);
  const first = planOf({ a: "echo 1 > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
  const second = planOf({ a: "echo 1 > $OUTPUT # said otherwise", b: ["cat inputs/a > $OUTPUT", "a"] });
  await rig.run(first);
  assert.equal((await rig.run(second)).counts.same, 1);
  assert.equal((await verified(rig, second, { tasks: ["b"] })).same, 1);
  const counted = await rig.record.reproducibility([outputOf(first, "b"), outputOf(second, "b")]);
  assert.deepEqual(
    [...counted.values()],
    [
      { verified: 1, same: 1 },
      { verified: 1, same: 1 },
    ],
  );
});

test("a failure to run again is told as a run's would be, and counts for nothing", async (t) => {
  const rig = await openRig(t);
  const flag = join(rig.dir, "flag");
  const plan = planOf({
    bad: `echo about to look; if [ -e '${flag}' ]; then exit 3; fi; echo 1 > "$OUTPUT"`,
    good: 'echo 1 > "$OUTPUT"',
    leaves: `if [ -e '${flag}' ]; then sleep 1000 & echo $! > '${flag}'; fi; echo 1 > "$OUTPUT"`,
    nothing: `[ -e '${flag}' ] || echo 1 > "$OUTPUT"`,
  });
  await rig.run(plan);
  writeFileSync(flag, "");
  const told = await verified(rig, plan);
  const failures = new Map(told.of("verify.failed").map(({ task, failure }) => [task, failure]));
  assert.equal(failures.get("bad")?.message, "exit 3");
  assert.deepEqual(failures.get("bad")?.logTail, ["about to look"]);
  assert.equal(failures.get("leaves")?.kind, "left-process");
  assert.equal(failures.get("nothing")?.kind, "no-output");
  assert.deepEqual({ same: told.same, failed: told.failed }, { same: 1, failed: 3 });
  assert.equal((await rig.record.reproducibility([outputOf(plan, "bad")])).size, 0);
  assert.equal((await rig.run(plan)).counts.reused, 4, "what stands still stands");
});

test("a task that writes to its input when run again is found, and the input is made again when needed", async (t) => {
  const rig = await openRig(t);
  const flag = join(rig.dir, "flag");
  const plan = planOf({
    a: 'mkdir "$OUTPUT"; echo 1 > "$OUTPUT/x"',
    b: [
      `if [ -e '${flag}' ]; then chmod +w inputs/a/x && echo more >> inputs/a/x; fi; cat inputs/a/x > "$OUTPUT"`,
      "a",
    ],
  });
  await rig.run(plan);
  writeFileSync(flag, "");
  const told = await verified(rig, plan, { tasks: ["b"] });
  assert.match(told.of("verify.failed")[0]?.failure.message ?? "", /^changed its input "a": x /);
  assert.equal((await rig.record.history(outputOf(plan, "a")))[0]?.state, "damaged");
});

test("a stop ends what runs, leaves the rest, and tells which", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const plan = planOf({ slow: `${gate.command("$$")}; echo 1 > "$OUTPUT"`, other: 'echo 1 > "$OUTPUT"' });
  await Promise.all([rig.run(plan), gate.reached().then(() => gate.open())]);
  const stop = new AbortController();
  const verifying = verified(rig, plan, { tasks: ["slow", "other"], jobs: 1, signal: stop.signal });
  const pid = Number(await gate.reached());
  stop.abort();
  const told = await verifying;
  assert.equal(alive(pid), false);
  assert.deepEqual(
    { interrupted: told.interrupted, left: told.left, failed: told.failed },
    { interrupted: true, left: 2, failed: 0 },
  );
});

test("tasks are verified at once, as many as jobs say", async (t) => {
  const rig = await openRig(t);
  const gates = ["a", "b"].map((name) => rig.gate(name));
  const plan = planOf({
    a: `${gates[0]!.command()}; echo a > $OUTPUT`,
    b: `${gates[1]!.command()}; echo b > $OUTPUT`,
  });
  const both = async () => {
    await Promise.all(gates.map((gate) => gate.reached()));
    await Promise.all(gates.map((gate) => gate.open()));
  };
  await Promise.all([rig.run(plan), both()]);
  const [told] = await Promise.all([verified(rig, plan), both()]);
  assert.equal(told.same, 2);
});

test("a sample is a share of what is done, and the same seed gives the same one", async (t) => {
  const rig = await openRig(t);
  const names = Array.from({ length: 20 }, (_, n) => `t${n}`);
  const plan = planOf(Object.fromEntries(names.map((name) => [name, `echo ${name} > $OUTPUT`])));
  await rig.run(plan, { goals: names.slice(0, 10) });
  const chosen = async (share: number, seed?: string) => {
    const told = await verified(rig, plan, { share, ...(seed === undefined ? {} : { seed }) });
    const { of, outputs, seed: drawnBy } = told.of("verify.started")[0]!;
    assert.equal(of, 10);
    assert.equal(told.same, outputs);
    return {
      tasks: told
        .of("verify.same")
        .map(({ task }) => task)
        .sort(),
      seed: drawnBy!,
    };
  };
  const first = await chosen(0.3);
  assert.equal(first.tasks.length, 3);
  assert.deepEqual(await chosen(0.3, first.seed), first);
  assert.equal((await chosen(0.01, "1")).tasks.length, 1, "at least one");
  const drawn = new Set<string>();
  for (const seed of ["1", "2", "3", "4", "5", "6"]) drawn.add((await chosen(0.2, seed)).tasks.join());
  assert.ok(drawn.size > 1, "another seed draws others");
});

test("what is not done is left out, and told where it was named", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "echo 1 > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
  await rig.run(plan, { goals: ["a"] });
  assert.deepEqual((await verified(rig, plan)).impossible, 0);
  const told = await verified(rig, plan, { tasks: ["a", "b"] });
  assert.deepEqual(
    told.of("verify.impossible").map(({ task, because }) => ({ task, because })),
    [{ task: "b", because: "it is not made" }],
  );
  await assert.rejects(verified(rig, plan, { tasks: ["c"] }), { code: "unknown-task" });
});

test("a plan that a task wrote is written again, and its tasks are verified too", async (t) => {
  const rig = await openRig(t);
  const inner = planOf({
    clean: "echo 1 > $OUTPUT",
    result: ["cat inputs/clean > $OUTPUT; date +%N >> $OUTPUT", "clean"],
  });
  const file = join(rig.dir, "inner.dag");
  writeFileSync(file, bencodePlan(inner));
  const grow = { command: `test -n "$INPUT_IDS" && cat '${file}' > "$OUTPUT"`, expand: 1 };
  const plan = planOf({ grow: [grow], after: ["cat inputs/grow > $OUTPUT", "grow"] });
  await rig.run(plan);
  const told = await verified(rig, plan);
  assert.deepEqual(
    told
      .of("verify.same")
      .map(({ task }) => task)
      .sort(),
    ["after", "grow", "grow/clean"],
  );
  assert.deepEqual(
    told.of("verify.differs").map(({ task }) => task),
    ["grow/result"],
  );
  assert.equal((await verified(rig, plan, { tasks: ["after"] })).same, 1);
  assert.equal((await verified(rig, plan, { tasks: ["grow"] })).same, 2);
});

test("data from outside is made by nothing that could be run again", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ raw: [{ source: { x: "0".repeat(64) } }] });
  assert.equal((await verified(rig, plan)).impossible, 0);
  const told = await verified(rig, plan, { tasks: ["raw"] });
  assert.match(told.of("verify.impossible")[0]?.because ?? "", /data from outside/);
});

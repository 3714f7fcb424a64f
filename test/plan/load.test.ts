import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { encode } from "../../src/bencode/encode.ts";
import type { Bvalue } from "../../src/bencode/types.ts";
import { Dag } from "../../src/plan/dag.ts";
import { bencodePlan, outputOf, planDigest } from "../../src/plan/encode.ts";
import { decodePlan, loadPlan, verifyPlan } from "../../src/plan/load.ts";
import { chain } from "../../src/plan/task.ts";

function collage(): Dag {
  const dag = new Dag({ schedule: "@daily" });
  const [raw, blur, edges, all] = ["raw", "blur", "edges", "collage"].map((name) =>
    dag.task(name, {
      command: name,
      sha: "6f09d",
      ok: true,
      n: 2n,
      bytes: new Uint8Array([97, 255]),
      text: new Uint8Array([97]),
    }),
  );
  chain(raw!, [blur!, edges!], all!);
  return dag;
}

test("nothing of a large plan goes with its file's bytes", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "alamode-"));
  t.after(() => rm(folder, { recursive: true }));
  const dag = collage();
  const long = { text: "x".repeat(2 ** 20), bytes: new Uint8Array(2 ** 20).fill(255) };
  dag.task("long", { command: "é".repeat(100), ...long });
  const path = join(folder, "plan.dag");
  await dag.save(path);
  assert.deepEqual(bencodePlan(await loadPlan(path)), dag.bencode());
});

test("a saved plan is loaded as it was encoded", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "alamode-"));
  t.after(() => rm(folder, { recursive: true }));
  const dag = collage();
  const path = join(folder, "plan.dag");
  await dag.save(path);
  await dag.save(path);
  const plan = await loadPlan(path);
  assert.deepEqual(plan, dag.encode());
  assert.deepEqual(bencodePlan(plan), dag.bencode());
  assert.equal(planDigest(plan), createHash("sha256").update(dag.bencode()).digest("hex"));
  assert.deepEqual(await readdir(folder), ["plan.dag"]);
});

test("a plan that cannot be encoded leaves the file before it alone", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "alamode-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "plan.dag");
  await collage().save(path);
  const bad = new Dag();
  bad.task("a", { lr: 0.5 });
  await assert.rejects(bad.save(path), { code: "not-encodable" });
  assert.deepEqual(await loadPlan(path), collage().encode());
  assert.deepEqual(await readdir(folder), ["plan.dag"]);
});

test("a plan whose file was edited is refused by task and IDs", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "alamode-"));
  t.after(() => rm(folder, { recursive: true }));
  const dag = new Dag();
  dag.task("blur", { sha: "6f09d" });
  const path = join(folder, "plan.dag");
  await writeFile(path, Buffer.from(dag.bencode()).toString().replace("6f09d", "6f09e"));
  const is = outputOf({ sha: "6f09e" }, {}).slice(0, 8);
  const says = outputOf({ sha: "6f09d" }, {}).slice(0, 8);
  await assert.rejects(loadPlan(path), {
    code: "plan-mismatch",
    message: `plan.dag: task "blur" says its output is ${says}, but its spec makes it ${is}.`,
    hint: "The file was edited or damaged; encode it again.",
  });
});

test("verifying computes the IDs of a plan that was not loaded", () => {
  const plan = collage().encode();
  verifyPlan(plan);
  const wrong = { meta: plan.meta, tasks: { ...plan.tasks, blur: { ...plan.tasks["blur"]!, sha: "other" } } };
  assert.throws(() => verifyPlan(wrong, "mine"), { code: "plan-mismatch", message: /^mine: task "blur"/ });
});

test("what is no plan is told apart", () => {
  const id = "a".repeat(64);
  const cases: [Bvalue, RegExp][] = [
    ["text", /^p\.dag: not a plan: it is not a map/],
    [{}, /it has no meta/],
    [{ meta: {} }, /it has no tasks/],
    [{ meta: {}, other: 1, tasks: {} }, /it has the key "other"/],
    [{ meta: [], tasks: {} }, /its meta is not a map/],
    [{ meta: {}, tasks: [] }, /its tasks are not a map/],
    [{ meta: {}, tasks: { a: 1 } }, /task "a" is not a map/],
    [{ meta: {}, tasks: { a: { output: id } } }, /task "a" has no inputs/],
    [{ meta: {}, tasks: { a: { inputs: {} } } }, /task "a" has no output/],
    [{ meta: {}, tasks: { a: { inputs: { b: "x" }, output: id } } }, /input "b" of task "a" is not an ID/],
    [{ meta: {}, tasks: { a: { inputs: [], output: id } } }, /the inputs of task "a" are not a map/],
    [
      { meta: {}, tasks: { a: { inputs: {}, output: id.toUpperCase() } } },
      /the output of task "a" is not an ID/,
    ],
    [{ meta: {}, tasks: { a: { inputs: {}, output: 1 } } }, /the output of task "a" is not an ID/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => decodePlan(encode(value), "p.dag"), { code: "not-a-plan", message });
  }
  assert.throws(() => decodePlan(Buffer.from("d4:meta"), "p.dag"), {
    code: "not-bencode",
    message: /^p\.dag: not canonical bencode at byte 7/,
  });
});

test("a file that is missing or a folder is told as that", async () => {
  await assert.rejects(loadPlan(join(tmpdir(), "no-such-plan.dag")), { code: "plan-not-found" });
  await assert.rejects(loadPlan(tmpdir()), { code: "plan-unreadable", message: /it is a folder/ });
});

test("a spec as deep as can be is planned, saved and loaded, and one deeper is refused at once", () => {
  const nested = (depth: number): Bvalue => (depth === 0 ? [] : [nested(depth - 1)]);
  const dag = new Dag();
  const task = dag.task("a", { deep: nested(496) });
  assert.deepEqual(decodePlan(dag.bencode()), dag.encode());
  task.spec["deep"] = nested(497);
  assert.throws(() => dag.encode(), { code: "not-encodable", message: /more than 500/ });
});

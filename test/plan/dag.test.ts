import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Dag, isDag } from "../../src/plan/dag.ts";
import { outputOf } from "../../src/plan/encode.ts";
import { chain, type Task } from "../../src/plan/task.ts";
import type { Spec } from "../../src/plan/types.ts";

const names = (task: Task) =>
  [...task.dependencies].map(([name, other]) => (name === other.name ? name : `${name}=${other.name}`));

test("a task is found by its name, on the dag and in tasks", () => {
  const dag = new Dag();
  const blur = dag.task("blur", { command: "blur" });
  const encode = dag.task("encode", {});
  const odd = dag.task("__proto__", {});
  assert.equal(dag["blur"], blur);
  assert.equal(dag.blur, blur);
  assert.equal(dag.tasks["blur"], blur);
  assert.equal(dag.tasks["encode"], encode);
  assert.equal(typeof dag.encode, "function");
  assert.equal(dag.tasks[odd.name], odd);
  assert.deepEqual(Object.keys(dag.tasks), ["blur", "encode", "__proto__"]);
  assert.ok("blur" in dag.tasks && !("blurr" in dag.tasks));
});

test("an unknown name is an error that lists near ones", () => {
  const dag = new Dag();
  for (const name of ["blur", "blue", "collage"]) dag.task(name, {});
  const expected = {
    code: "unknown-task",
    message: /no task "blurr" in this pipeline\. Near: blur\. All: alamode ls --tasks/,
  };
  assert.throws(() => dag.blurr, expected);
  assert.throws(() => dag.tasks["blurr"], expected);
});

test("a dag can be awaited, printed and turned into text like any object", async () => {
  const dag = new Dag({ name: "n" });
  dag.task("blur", {});
  assert.equal(await dag, dag);
  assert.ok(inspect(dag));
  assert.ok(inspect(dag.tasks));
  assert.ok(inspect(dag, { showProxy: true }));
  assert.equal(dag.toJSON, undefined);
  assert.ok(JSON.stringify(dag));
  assert.equal(`${dag}`, "[object Object]");
});

test("a dag is known across copies of the package, and nothing else is", () => {
  assert.ok(isDag(new Dag()));
  assert.ok(isDag({ [Symbol.for("a-la-mode.dag")]: {} }));
  for (const value of [undefined, null, {}, "dag", Dag]) assert.equal(isDag(value), false);
});

test("dependencies are said in three ways", () => {
  const dag = new Dag();
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => dag.task(name, {})) as [Task, Task, Task, Task];
  assert.equal(b.addDep(a), b);
  assert.equal(c.after(a, b), c);
  d.after({ model: a, "b c": b }, c).after(c);
  assert.deepEqual([names(b), names(c), names(d)], [["a"], ["a", "b"], ["model=a", "b c=b", "c"]]);
});

test("a chain depends from link to link, and gives its last", () => {
  const dag = new Dag();
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => dag.task(name, {})) as [Task, Task, Task, Task];
  const last: Task = chain(a, [b, c], d);
  assert.equal(last, d);
  assert.deepEqual([names(a), names(b), names(c), names(d)], [[], ["a"], ["a"], ["b", "c"]]);
});

test("a spec is live until the dag is encoded", () => {
  const dag = new Dag();
  const blur = dag.task("blur", { sha: "6f09d" });
  const before = dag.encode().tasks["blur"]!.output;
  blur.spec["sha"] = "qwetr3";
  const after = dag.encode().tasks["blur"]!.output;
  assert.notEqual(before, after);
  assert.equal(after, outputOf({ sha: "qwetr3" }, {}));
});

test("options lie in meta, absent when empty, and change no ID", () => {
  const dag = new Dag({ name: "n" });
  const plain = dag.task("a", { command: "x" });
  dag.task("b", { command: "y" }, {}).after(plain);
  const before = dag.encode();
  assert.deepEqual(Object.keys(before.meta), ["name"]);
  plain.options["retries"] = 3;
  const after = dag.encode();
  assert.equal(JSON.stringify(after.meta), '{"name":"n","options":{"a":{"retries":3}}}');
  assert.deepEqual(after.tasks, before.tasks);
});

test("options in meta and with the task are joined", () => {
  const dag = new Dag({ options: { a: { cpus: 2, retries: 1 } } });
  dag.task("a", {}, { retries: 3 });
  assert.equal(JSON.stringify(dag.encode().meta), '{"options":{"a":{"cpus":2,"retries":3}}}');
});

test("a task of another dag is an external input", () => {
  const one = new Dag();
  const raw = one.task("raw", { command: "get" });
  const fit = one.task("fit", { command: "fit" }).after(raw);
  const two = new Dag();
  two.task("plot", { command: "plot" }).after({ model: fit });
  const plan = two.encode();
  assert.deepEqual(Object.keys(plan.tasks), ["plot"]);
  assert.equal(plan.tasks["plot"]!.inputs["model"], one.encode().tasks["fit"]!.output);
});

test("mistakes are refused where they are made", () => {
  const dag = new Dag();
  const other = new Dag();
  const a = dag.task("a", {});
  assert.throws(() => dag.task("a", {}), {
    code: "duplicate-task",
    message: 'this pipeline already has a task "a".',
  });
  assert.throws(() => dag.task("b", { inputs: {} }), {
    code: "reserved-key",
    message: /task "b", spec\.inputs/,
  });
  assert.throws(() => dag.task("b", { output: "x" }), { code: "reserved-key" });
  assert.throws(() => dag.task("\ud800", {}), { code: "bad-name" });
  assert.throws(() => dag.task("b", "make" as unknown as Spec), {
    code: "not-encodable",
    message: /a map is needed/,
  });
  assert.throws(() => a.addDep("b" as unknown as Task), { code: "not-a-task", message: /the text "b"/ });
  assert.throws(() => a.after([a] as unknown as Task), { code: "not-a-task", message: /spread it/ });
  const b = dag.task("b", {}).after(a);
  assert.throws(() => b.after(other.task("a", {})), {
    code: "duplicate-dependency",
    message: /"b" already depends on another task under the name "a"/,
  });
  assert.doesNotThrow(() => b.after(a));
});

test("a reserved key that was put into a live spec is refused at encoding", () => {
  const dag = new Dag();
  dag.task("a", {}).spec["output"] = "x";
  assert.throws(() => dag.encode(), { code: "reserved-key" });
});

test("a value that cannot be encoded is told with its task", () => {
  const dag = new Dag();
  dag.task("fit", { args: ["--lr", 1, 0.05] });
  assert.throws(() => dag.encode(), {
    code: "not-encodable",
    message: /^task "fit", spec\.args\[2\]: 0\.05 is a float/,
  });
  const meta = new Dag({ schedule: undefined as unknown as string });
  assert.throws(() => meta.encode(), { message: /^meta\.schedule: undefined/ });
  assert.throws(() => meta.bencode(), { message: /^meta\.schedule: undefined/ });
});

test("a cycle is told with its path, in the direction of the data", () => {
  const dag = new Dag();
  const [clean, merge, stats] = ["clean", "merge", "stats"].map((name) => dag.task(name, {})) as [
    Task,
    Task,
    Task,
  ];
  chain(clean, merge, stats, clean);
  assert.throws(() => dag.encode(), { code: "cycle", message: "cycle: clean → merge → stats → clean" });
  const self = new Dag();
  const a = self.task("a", {});
  a.after(a);
  assert.throws(() => self.encode(), { message: "cycle: a → a" });
});

test("a long cycle is shown without its middle", () => {
  const dag = new Dag();
  const tasks = Array.from({ length: 50_000 }, (_, i) => dag.task(`t${i}`, {}));
  chain(...tasks, tasks[0]!);
  assert.throws(() => dag.encode(), {
    message: /^cycle: t0 → t1 → .* → … \(49989 more\) … → .* → t49999 → t0$/,
  });
});

test("a spec key that is nearly a known one is warned of, once", () => {
  const dag = new Dag();
  dag.task("a", { comand: "x", sha: "1" });
  dag.task("b", { comand: "y", evn: {}, colour: "red", ens: 1, x: 1 });
  assert.deepEqual(dag.warnings(), [
    'task "a" and 1 more: spec key "comand" means nothing to the engine. Is "command" meant?',
    'task "b": spec key "evn" means nothing to the engine. Is "env" meant?',
  ]);
});

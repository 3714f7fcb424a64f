// Asking a project from code without its pipeline: the same answers, by the same rules, as clients/python/alamode.py gives.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { open, run } from "../../src/library.ts";
import { Dag } from "../../src/plan/dag.ts";
import { removeTree } from "../../src/store/remove.ts";
import { type Project, pipeline, project } from "./project.ts";

async function opened(t: TestContext, here: Project) {
  const asked = await open({
    store: join(here.dir, ".alamode"),
    record: join(here.dir, ".alamode/record.db"),
  });
  t.after(() => asked.close());
  return asked;
}

const fruit = (pears: number, name = "test") =>
  pipeline(`const raw = dag.task("raw", { command: "echo pears ${pears} > $OUTPUT" });
    dag.task("count/pear", { command: "cat inputs/raw > $OUTPUT", produces: "pear.txt" }).after(raw);`).replace(
    '"test"',
    `"${name}"`,
  );

test("an output is found by pipeline and task, by task, by ID, and as any run had it", async (t) => {
  const here = project(t, { "pipeline.ts": fruit(3), "other.ts": fruit(5, "shop/other") });
  await here.done(["run"]);
  const first = (await here.done(["path", "count/pear"])).trim();
  const asked = await opened(t, here);
  const id = /\/([0-9a-f]{64})\//.exec(first)![1]!;
  for (const what of ["test/count/pear", "count/pear", id.slice(0, 9)])
    assert.equal(await asked.path(what), first);

  here.write("pipeline.ts", fruit(4));
  await here.done(["run"]);
  const second = (await here.done(["path", "count/pear"])).trim();
  assert.notEqual(second, first);
  assert.equal(await asked.path("test/count/pear"), second);
  assert.equal(await asked.path("count/pear", { run: 1 }), first);

  await here.done(["run", "-f", "other.ts"]);
  const other = (await here.done(["path", "-f", "other.ts", "count/pear"])).trim();
  assert.equal(await asked.path("shop/other/count/pear"), other);
  await assert.rejects(asked.path("count/pear"), (error: Error & { hint?: string }) => {
    assert.match(error.hint ?? "", /shop\/other\/count\/pear, test\/count\/pear/);
    return true;
  });
  await assert.rejects(asked.path("test/count/paer"), {
    code: "unknown-task",
    hint: "Near: test/count/pear.",
  });
  await assert.rejects(asked.path("raw", { run: 9 }), { code: "unknown-run" });
  assert.deepEqual(
    (await asked.ls()).map(({ pipeline: of, task, state }) => `${of} ${task} ${state}`),
    ["shop/other count/pear made", "shop/other raw made", "test count/pear made", "test raw made"],
  );
  assert.deepEqual((await asked.ls("test", { run: 1 })).map(({ path }) => path)[0], first);
  await assert.rejects(asked.ls("tset"), { code: "unknown-pipeline", hint: "There is: shop/other, test." });
});

test("an output is found as the latest run with some parameters has it", async (t) => {
  const here = project(t, {
    "pipeline.ts": `import { Dag, integer, pipeline } from "a-la-mode";
      export default pipeline({ k: integer(1) }, ({ k }) => {
        const dag = new Dag({ name: "sweep" });
        dag.task("fit", { command: \`echo \${k} > $OUTPUT\` });
        return dag;
      });`,
  });
  for (const k of [1, 2]) await here.done(["run", "-p", `k=${k}`]);
  const asked = await opened(t, here);
  const read = async (params?: Record<string, string>) =>
    readFileSync(await asked.path("sweep/fit", params === undefined ? {} : { params }), "utf8");
  assert.deepEqual([await read(), await read({ k: "1" })], ["2\n", "1\n"]);
  await assert.rejects(asked.path("sweep/fit", { params: { k: "3" } }), { code: "unknown-task" });
});

test("what is not made, gone or stale is told as that", async (t) => {
  const source = (more = "") =>
    pipeline(`const now = dag.task("now", { command: "date +%s%N > $OUTPUT; echo $$ >> $OUTPUT" });
      dag.task("copy", { command: "cat inputs/now > $OUTPUT${more}" }).after(now);`);
  const here = project(t, { "pipeline.ts": source() });
  await here.done(["run"]);
  const asked = await opened(t, here);
  const copy = await asked.path("copy");
  const states = async () =>
    Object.fromEntries((await asked.ls("test")).map(({ task, state }) => [task, state]));

  here.write("pipeline.ts", source("; exit 3"));
  await here.alamode(["run"]);
  await assert.rejects(asked.path("copy"), { code: "not-made" });
  assert.deepEqual(await states(), { now: "made", copy: "not made" });
  assert.equal(await asked.path("copy", { run: 1 }), copy);

  here.write("pipeline.ts", source());
  await removeTree(await asked.path("now"));
  await assert.rejects(asked.path("now"), { code: "output-missing" });
  await here.done(["run", "now"]);
  await assert.rejects(asked.path("copy"), { code: "output-stale" });
  assert.equal(await asked.path("copy", { stale: true }), copy);
  assert.deepEqual(await states(), { now: "made", copy: "stale" });
});

test("code that hands on the project's settings has its stores and options, in run and in open", async (t) => {
  const here = project(t);
  const settings = {
    store: join(here.dir, "main"),
    stores: { big: join(here.dir, "big") },
    record: join(here.dir, "record.db"),
    jobs: 1,
    options: { b: { store: "big" } },
  };
  const dag = new Dag({ name: "test" });
  const a = dag.task("a", { command: "echo one > $OUTPUT" });
  dag.task("b", { command: "cat inputs/a > $OUTPUT" }).after(a);
  const { path, counts } = await run(dag, { settings });
  assert.equal(counts.ran, 2);
  assert.ok(path("b").startsWith(`${settings.stores.big}/outputs/`));
  const asked = await open({ settings });
  t.after(() => asked.close());
  assert.equal(await asked.path("test/b"), path("b"));
  const { stores: _, ...unnamed } = settings;
  const poorer = await open({ settings: unnamed });
  t.after(() => poorer.close());
  await assert.rejects(poorer.path("test/b"), { code: "output-elsewhere", hint: /stores:/ });
  assert.equal((await poorer.ls("test")).find(({ task }) => task === "b")?.state, "elsewhere");
});

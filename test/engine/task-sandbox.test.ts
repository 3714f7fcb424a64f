// The option `sandbox`: each task is shut in as its own options say, and counts only if it was.
import assert from "node:assert/strict";
import test from "node:test";
import { Demands } from "../../src/engine/demands.ts";
import { ConfiguredOptions } from "../../src/engine/options.ts";
import { openSandbox } from "../../src/engine/sandbox/open.ts";
import { Sandboxes } from "../../src/engine/sandbox/sandboxes.ts";
import { unconfined } from "../../src/engine/sandbox/types.ts";
import { AlamodeError } from "../../src/errors.ts";
import { graphOf } from "../../src/plan/graph.ts";
import { openRig, outputOf, planOf, type Rig } from "./rig.ts";

const why = await openSandbox("bubblewrap").then(
  () => undefined,
  (error: unknown) => (error instanceof AlamodeError ? error.message : String(error)),
);
const sandboxed = (name: string, body: (rig: Rig) => Promise<void>) =>
  test(name, { skip: why ?? false }, async (t) => body(await openRig(t)));

// In the sandbox the working folder is /task.
const where = "test $PWD = /task && echo in > $OUTPUT || echo out > $OUTPUT";
const chain = planOf({
  a: where,
  b: [`${where}; cat inputs/a >> $OUTPUT`, "a"],
  c: ["cat inputs/b > $OUTPUT", "b"],
});
const onlyB = { options: { b: { sandbox: "bubblewrap" } } };

sandboxed(
  "a task is shut in though others are not, and its result is reused where that is asked for again",
  async (rig) => {
    assert.deepEqual((await rig.run(chain, onlyB)).ranTasks, ["a", "b", "c"]);
    assert.equal(await rig.text(chain, "c"), "in\nout\n");
    const successes = await rig.record.successes(["a", "b", "c"].map((task) => outputOf(chain, task)));
    const isolations = ["a", "b", "c"].map((task) => successes.get(outputOf(chain, task))!.isolation);
    assert.deepEqual(isolations, ["none", "bubblewrap/none", "none"]);
    assert.equal((await rig.run(chain, onlyB)).counts.reused, 3);
    assert.equal((await rig.run(chain)).counts.reused, 3, "more than is asked for is enough");
    assert.deepEqual((await rig.status(chain, onlyB)).due, []);
  },
);

sandboxed(
  "a result that was made without its task's sandbox does not count, nor does an equal one from before",
  async (rig) => {
    await rig.run(chain);
    const goal = { ...onlyB, goals: ["b"] };
    assert.deepEqual(
      (await rig.status(chain, goal)).due.map(({ task }) => task),
      ["b"],
    );
    const told = await rig.run(chain, goal);
    assert.deepEqual(told.ranTasks, ["b"]);
    assert.equal(await rig.text(chain, "b"), "in\nout\n");
  },
);

sandboxed("a flag goes for all tasks, and the usual sandbox for those that say nothing", async (rig) => {
  await rig.run(chain, { ...onlyB, sandbox: "none" });
  assert.equal(await rig.text(chain, "b"), "out\nout\n");
  const other = planOf({ a: `${where}; :`, b: `${where}; : b` }, { b: { sandbox: "none" } });
  await rig.run(other, { usualSandbox: "bubblewrap" });
  assert.deepEqual([await rig.text(other, "a"), await rig.text(other, "b")], ["in\n", "out\n"]);
  // What the machine's configuration says of the task wins over what the pipeline does.
  const named = planOf({ a: `${where}; : named` }, { a: { sandbox: "none" } });
  await rig.run(named, { options: { a: { sandbox: "bubblewrap" } } });
  assert.equal(await rig.text(named, "a"), "in\n");
});

sandboxed("what a task wrote is shut in by the names that it has there", async (rig) => {
  const { writeFileSync } = await import("node:fs");
  const { bencodePlan } = await import("../../src/plan/encode.ts");
  writeFileSync(`${rig.dir}/inner.dag`, bencodePlan(planOf({ result: where })));
  const plan = planOf({ grow: [{ command: `cat ${rig.dir}/inner.dag > $OUTPUT`, expand: 1 }] });
  const told = await rig.run(plan, { options: { "grow/*": { sandbox: "bubblewrap" } } });
  assert.equal(told.status, "done");
  assert.equal(await rig.text(plan, "grow"), "in\n");
});

test("what is demanded of a result is its task's own sandbox, over the least that those above it have", async () => {
  const graph = graphOf(chain);
  const kinds = { a: "bubblewrap", b: "none", c: "bubblewrap" } as const;
  const shutIn = {
    one: undefined,
    has: () => true,
    of: ({ output }: { output: string }) => {
      const task = Object.keys(kinds).find((name) => chain.tasks[name]!.output === output);
      return { ...unconfined, kind: kinds[task as "a"] };
    },
  };
  const demands = new Demands(chain, graph, shutIn);
  assert.deepEqual(
    ["a", "b", "c"].map((task) => demands.of(outputOf(chain, task))),
    ["bubblewrap", "none", "bubblewrap/none"],
  );
});

test("a sandbox that there is none of is told, as an option and as a flag", async () => {
  const given = { options: { b: { sandbox: "buble" } } };
  assert.throws(() => new ConfiguredOptions(given.options), {
    code: "bad-options",
    message: 'options for "b": sandbox must be one of none, bubblewrap, container',
  });
  const sandboxes = new Sandboxes(new ConfiguredOptions(), { sandbox: "buble" });
  await assert.rejects(sandboxes.open(chain, graphOf(chain)), { code: "unknown-sandbox" });
});

// The shortcut of a run with nothing to do: it tells and records what a full run would, and steps back wherever a full run
// might find anything else.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { RunEvent } from "../../src/engine/events.ts";
import { runNothingDue } from "../../src/engine/nothing-due.ts";
import { Dag } from "../../src/plan/dag.ts";
import { planDigest } from "../../src/plan/encode.ts";
import type { Plan } from "../../src/plan/types.ts";
import { removeTree } from "../../src/store/remove.ts";
import { openRig, type Rig } from "./rig.ts";

/** a → b, c; and a second name of c. `d` is text of its own for b. */
function planOf(d = "b"): Plan {
  const dag = new Dag({ name: "test" });
  const a = dag.task("a", { command: "echo a >$OUTPUT" });
  dag.task("b", { command: `echo ${d} >$OUTPUT` }).addDep(a);
  for (const name of ["c", "same"]) dag.task(name, { command: "echo c >$OUTPUT" }).addDep(a);
  return dag.encode();
}

async function ran(t: TestContext, plan = planOf(), options: Parameters<Rig["run"]>[1] = {}) {
  const rig = await openRig(t);
  const verified = await rig.run(plan, { verified: true, pipeline: "test", ...options });
  assert.equal(verified.status, "done");
  const events: RunEvent[] = [];
  const again = (more: object = {}) => {
    const onEvent = (event: RunEvent) => events.push(event);
    const { store, record } = rig;
    return runNothingDue(planDigest(plan), { store, record, pipeline: "test", onEvent, ...more });
  };
  return { rig, plan, again, events };
}

/** Without what differs between any two runs. */
function comparable(events: readonly RunEvent[]): object[] {
  return events.map((event) => ({ ...event, run: "", number: 0, durationMs: 0 }));
}

test("nothing due: the same events as of a full run, and a run in the record", async (t) => {
  const { rig, plan, again, events } = await ran(t);
  const full = await rig.run(plan, { verified: true, pipeline: "test" });
  assert.equal(await again(), true);
  assert.deepEqual(comparable(events), comparable(full.events.filter(({ event }) => event !== "warning")));
  const [last, before] = await rig.record.runs(2);
  assert.ok(last !== undefined && before !== undefined);
  const { id, number, startedAt, endedAt, ...rest } = last;
  const { id: _, number: __, startedAt: ___, endedAt: ____, ...expected } = before;
  assert.deepEqual(rest, expected);
  assert.ok(endedAt! >= startedAt && number === before.number + 1 && id !== before.id);
});

test("it steps back, and writes nothing, when a full run might find something else", async (t) => {
  const cases: Readonly<
    Record<string, (of: Awaited<ReturnType<typeof ran>>) => Promise<object | undefined>>
  > = {
    "a goal's bytes are gone": async ({ rig, plan }) => {
      await removeTree(await rig.place(plan, "c"));
      return undefined;
    },
    "a goal was found damaged": async ({ rig, plan }) => {
      const { output } = plan.tasks["b"]!;
      await rig.record.mark([(await rig.record.successes([output])).get(output)!.id], "damaged");
      return undefined;
    },
    "another plan ran under this name since": async ({ rig }) => {
      await rig.run(planOf("other"), { verified: true, pipeline: "test" });
      return undefined;
    },
    "what was kept of the plan is damaged": async ({ rig, plan }) => {
      const digest = planDigest(plan);
      const [file] = [await rig.store.derived(`${digest}.known.0.1.0`)];
      assert.ok(file !== undefined);
      chmodSync(file, 0o644);
      writeFileSync(file, "torn");
      return undefined;
    },
    "a dead run left its scratch folder": async ({ rig }) => {
      const [last] = await rig.record.runs(1);
      mkdirSync(join(rig.store.scratchDir, last!.id));
      return undefined;
    },
    "what was kept of the plan is gone": async ({ rig, plan }) => {
      rmSync((await rig.store.derived(`${planDigest(plan)}.known.0.1.0`))!);
      return undefined;
    },
  };
  for (const [when, change] of Object.entries(cases)) {
    const made = await ran(t);
    const more = await change(made);
    const runs = (await made.rig.record.runs(10)).length;
    assert.equal(await made.again(more), false, when);
    assert.deepEqual(made.events, [], when);
    assert.equal((await made.rig.record.runs(10)).length, runs, when);
  }
});

test("it is not for plans that nobody verified, that are warned of, or whose images may move", async (t) => {
  const withSpec = (spec: Record<string, string>) => {
    const dag = new Dag({ name: "test" });
    dag.task("a", { command: "echo a >$OUTPUT", ...spec });
    return dag.encode();
  };
  assert.equal(await (await ran(t, withSpec({}))).again(), true);
  assert.equal(await (await ran(t, withSpec({}), { verified: false })).again(), false);
  assert.equal(await (await ran(t, withSpec({ comand: "x" }))).again(), false);
  assert.equal(await (await ran(t, withSpec({ image: "debian" }))).again(), false);
  assert.equal(await (await ran(t, planOf(), { goals: ["b", "c", "same"] })).again(), false);
});

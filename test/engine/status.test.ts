// What status says would run is what run then runs, whatever happened before.
import assert from "node:assert/strict";
import { existsSync, unlinkSync } from "node:fs";
import test, { type TestContext } from "node:test";
import fc from "fast-check";
import type { Plan } from "../../src/plan/types.ts";
import { openRig, planOf } from "./rig.ts";

test("each reason is told: first, the author's change, an input that is due, one that has another ID, a failure", async (t) => {
  const rig = await openRig(t);
  const pipeline = "p";
  const spec = (a: string) =>
    planOf({
      a: [{ command: "echo a > $OUTPUT", sha: a }],
      b: ["cat inputs/a > $OUTPUT", "a"],
      bad: "exit 3",
    });
  const reasons = async (plan: Plan) =>
    Object.fromEntries(
      (await rig.status(plan, { pipeline })).due.map(({ task, reasons }) => [task, reasons]),
    );

  assert.deepEqual(await reasons(spec("1")), {
    a: [{ kind: "first" }],
    b: [{ kind: "input", dependency: "a" }],
    bad: [{ kind: "first" }],
  });
  const { failures } = await rig.run(spec("1"), { pipeline, keepGoing: true });
  const execution = (await rig.record.executions(failures[0]!.output))[0]!.id;
  assert.deepEqual(await reasons(spec("1")), { bad: [{ kind: "failed", execution, message: "exit 3" }] });
  const changed = await reasons(spec("2"));
  assert.deepEqual(changed["a"], [{ kind: "spec", changes: [{ path: ["sha"], old: "1", new: "2" }] }]);
  assert.deepEqual(changed["b"], [{ kind: "input", dependency: "a" }]);
  await rig.run(spec("2"), { pipeline, goals: ["a"] });
  await rig.run(spec("1"), { pipeline, goals: ["a"] });
  assert.ok((await reasons(spec("2")))["b"] === undefined, "the same bytes were read before");
});

test("status changes nothing", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "echo a > $OUTPUT" });
  await rig.run(plan);
  unlinkSync(await rig.place(plan, "a"));
  const first = await rig.status(plan);
  assert.deepEqual(await rig.status(plan), first);
  assert.equal((await rig.record.runs(9)).length, 1);
});

type Edit =
  | { readonly kind: "change"; readonly task: number; readonly version: number }
  | { readonly kind: "forget"; readonly task: number }
  | { readonly kind: "run"; readonly goal: number | undefined };

const SIZE = 5;
const edits = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("change" as const), task: fc.nat(SIZE - 1), version: fc.nat(2) }),
    fc.record({ kind: fc.constant("forget" as const), task: fc.nat(SIZE - 1) }),
    fc.record({ kind: fc.constant("run" as const), goal: fc.option(fc.nat(SIZE - 1), { nil: undefined }) }),
  ),
  { minLength: 2, maxLength: 8 },
);

test("after any history of edits, losses and runs: status lists what run runs, and the bytes are those of a first run", async () => {
  const history = fc.record({
    edges: fc.array(fc.tuple(fc.nat(SIZE - 1), fc.nat(SIZE - 1)), { minLength: 2, maxLength: 8 }),
    edits,
  });
  await fc.assert(
    fc.asyncProperty(history, async ({ edges, edits }) => {
      const afters: (() => unknown)[] = [];
      const rig = await openRig({ after: (end) => void afters.push(end as () => unknown) } as Pick<
        TestContext,
        "after"
      >);
      const versions = Array<number>(SIZE).fill(0);
      const planNow = () => {
        const tasks: Record<string, [string, ...string[]]> = {};
        for (let n = 0; n < SIZE; n++) {
          const above = new Set(
            edges.filter(([from, to]) => to === n && from < n).map(([from]) => `t${from}`),
          );
          // Distinct texts, so that every change changes bytes: what cut-off saves is another test's business.
          tasks[`t${n}`] = [
            `(echo ${n} ${versions[n]}; cat inputs/* 2>/dev/null || true) > $OUTPUT`,
            ...above,
          ];
        }
        return planOf(tasks);
      };
      const check = async (goal: number | undefined) => {
        const plan = planNow();
        const goals: { goals?: string[] } = goal === undefined ? {} : { goals: [`t${goal}`] };
        const { due } = await rig.status(plan, goals);
        const { ranTasks, status } = await rig.run(plan, goals);
        assert.equal(status, "done");
        assert.deepEqual([...ranTasks].sort(), due.map(({ task }) => task).sort());
        assert.deepEqual((await rig.status(plan, goals)).due, []);
        for (const task of goals.goals ?? [`t${SIZE - 1}`]) {
          assert.equal(await rig.text(plan, task), expected(Number(task.slice(1))));
        }
      };
      /** The bytes of a task by its definition. */
      const expected = (n: number): string => {
        const above = edges.filter(([from, to]) => to === n && from < n).map(([from]) => from);
        return `${n} ${versions[n]}\n${[...new Set(above)].sort().map(expected).join("")}`;
      };
      for (const edit of edits as Edit[]) {
        if (edit.kind === "change") versions[edit.task] = edit.version;
        else if (edit.kind === "run") await check(edit.goal);
        else {
          const place = await rig.place(planNow(), `t${edit.task}`).catch(() => undefined);
          if (place !== undefined && existsSync(place)) unlinkSync(place);
        }
      }
      await check(undefined);
      for (const end of afters.reverse()) await end();
    }),
    { numRuns: process.env["ALAMODE_LONG"] === "1" ? 100 : 8 },
  );
});

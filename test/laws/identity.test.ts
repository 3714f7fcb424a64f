// Which changes of a description change IDs, over random pipelines: order never does, and a name only where it is hashed.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bvalue } from "../../src/bencode/types.ts";
import { Dag } from "../../src/plan/dag.ts";
import { bencodePlan } from "../../src/plan/encode.ts";
import type { Plan } from "../../src/plan/types.ts";
import { value } from "../bencode/values.ts";

interface Described {
  readonly name: string;
  readonly spec: readonly (readonly [key: string, value: Bvalue])[];
  /** Place of an earlier task, and a dependency name of its own where there is one. */
  readonly after: readonly { readonly task: number; readonly as?: string }[];
}

const long = process.env["ALAMODE_LONG"] === "1";
const runs = { numRuns: long ? 5000 : 300 };
const word = fc.string({ unit: "binary", maxLength: 8 }).filter((text) => text.isWellFormed());
const specKey = word.filter((key) => key !== "inputs" && key !== "output");

const pipeline: fc.Arbitrary<readonly Described[]> = fc
  .uniqueArray(
    fc.record({
      name: word,
      spec: fc.uniqueArray(fc.tuple(specKey, value), { selector: ([key]) => key, maxLength: 4 }),
      after: fc.array(fc.record({ task: fc.nat(), as: fc.option(word, { nil: undefined }) }), {
        maxLength: 4,
      }),
    }),
    { selector: ({ name }) => name, minLength: 1, maxLength: 10 },
  )
  .map((tasks) =>
    tasks.map(({ name, spec, after }, place) => {
      const dependencies = new Map<string, Described["after"][number]>();
      for (const { task: nth, as } of place === 0 ? [] : after) {
        const task = nth % place;
        dependencies.set(as ?? tasks[task]!.name, { task, ...(as === undefined ? {} : { as }) });
      }
      return { name, spec, after: [...dependencies.values()] };
    }),
  );

function planOf(tasks: readonly Described[], order = <T>(all: readonly T[]) => all): Plan {
  const dag = new Dag();
  const made = new Map(
    order([...tasks.keys()]).map((place) => {
      const { name, spec } = tasks[place]!;
      return [place, dag.task(name, Object.fromEntries(order(spec)))] as const;
    }),
  );
  for (const place of order([...tasks.keys()])) {
    for (const { task, as } of order(tasks[place]!.after)) {
      if (as === undefined) made.get(place)!.addDep(made.get(task)!);
      else made.get(place)!.addDep(made.get(task)!, as);
    }
  }
  return dag.encode();
}

test("the order in which tasks, dependencies and keys are written changes no byte of the plan", () => {
  fc.assert(
    fc.property(pipeline, fc.infiniteStream(fc.nat()), (tasks, random) => {
      const shuffled = <T>(all: readonly T[]): T[] =>
        all
          .map((item) => [random.next().value as number, item] as const)
          .sort(([a], [b]) => a - b)
          .map(([, item]) => item);
      assert.deepEqual(bencodePlan(planOf(tasks, shuffled)), bencodePlan(planOf(tasks)));
    }),
    runs,
  );
});

test("a task's new name changes the IDs of those who depend on it by its name, and of what is below them: not its own", () => {
  fc.assert(
    fc.property(pipeline, fc.nat(), word, (tasks, nth, name) => {
      const renamed = nth % tasks.length;
      // A name that is taken, or that a dependency has elsewhere already, would be another change.
      fc.pre(tasks.every((task) => task.name !== name && task.after.every(({ as }) => as !== name)));
      const before = planOf(tasks);
      const after = planOf(tasks.with(renamed, { ...tasks[renamed]!, name }));
      const changed = new Set<number>();
      for (const [place, task] of tasks.entries()) {
        const byName = task.after.some(({ task: other, as }) => other === renamed && as === undefined);
        if (byName || task.after.some(({ task: other }) => changed.has(other))) changed.add(place);
      }
      for (const [place, task] of tasks.entries()) {
        const now = after.tasks[place === renamed ? name : task.name]!;
        assert.equal(now.output !== before.tasks[task.name]!.output, changed.has(place), task.name);
      }
    }),
    runs,
  );
});

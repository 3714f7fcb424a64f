import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Dag } from "../../src/plan/dag.ts";
import { diff, valueChanges } from "../../src/plan/diff.ts";
import { pp } from "../../src/plan/pp.ts";
import type { Plan } from "../../src/plan/types.ts";
import { normal } from "../bencode/values.ts";

/** raw → blur, edges → collage; `change` may alter it before it is encoded. */
function collage(change: (dag: Dag) => void = () => {}): Plan {
  const dag = new Dag({ schedule: "@daily" });
  const raw = dag.task("raw", { command: "raw" });
  const blur = dag.task("blur", { command: "blur", env: { A: "1" } }).after(raw);
  const edges = dag.task("edges", { command: "edges" }).after(raw);
  dag.task("collage", { command: "collage" }).after(blur, edges);
  change(dag);
  return dag.encode();
}

const none = { added: [], removed: [], repointed: [] };

test("a changed spec is a cause, and what depends on it a consequence", () => {
  const found = diff(
    collage(),
    collage((dag) => {
      dag.tasks["blur"]!.spec["env"] = { A: "2", B: "x" };
    }),
  );
  assert.deepEqual(found.changed, [
    {
      task: "blur",
      changes: [
        { path: ["env", "A"], old: "1", new: "2" },
        { path: ["env", "B"], new: "x" },
      ],
      dependencies: none,
    },
  ]);
  assert.deepEqual(found.consequences, ["collage"]);
  assert.deepEqual([found.added, found.removed, found.renamed, found.meta], [[], [], [], []]);
  assert.deepEqual(
    found.values.map(({ path }) => path.join(".")),
    [
      "tasks.blur.env.A",
      "tasks.blur.env.B",
      "tasks.blur.output",
      "tasks.collage.inputs.blur",
      "tasks.collage.output",
    ],
  );
});

test("equal plans have no differences, though they were made apart", () => {
  const found = diff(collage(), collage());
  assert.deepEqual(found.values, []);
  assert.deepEqual(found.changed, []);
});

test("a dependency that was added, removed or repointed is a cause", () => {
  const found = diff(
    collage(),
    collage((dag) => {
      dag.task("extra", { command: "extra" });
      dag.tasks["edges"]!.after(dag.tasks["extra"]!);
      (dag.tasks["collage"]!.dependencies as Map<string, unknown>).delete("blur");
      (dag.tasks["blur"]!.dependencies as Map<string, unknown>).set("raw", dag.tasks["extra"]);
    }),
  );
  const byTask = Object.fromEntries(found.changed.map(({ task, dependencies }) => [task, dependencies]));
  assert.deepEqual(found.added, ["extra"]);
  assert.deepEqual(byTask["edges"], { ...none, added: ["extra"] });
  assert.deepEqual(byTask["collage"], { ...none, removed: ["blur"] });
  assert.equal(byTask["blur"]?.repointed[0]?.dependency, "raw");
  assert.deepEqual(found.consequences, []);
});

test("a task under another name is renamed, and its dependents' IDs may stay", () => {
  const make = (name: string) => {
    const dag = new Dag();
    const fit = dag.task(name, { command: "fit" });
    dag.task("plot", { command: "plot" }).after({ model: fit });
    return dag.encode();
  };
  const found = diff(make("fit"), make("train"));
  assert.deepEqual(found.renamed, [{ from: "fit", to: "train" }]);
  assert.deepEqual([found.added, found.removed, found.changed, found.consequences], [[], [], [], []]);
});

test("tasks that came and went, and meta, are told", () => {
  const found = diff(
    collage(),
    collage((dag) => {
      dag.meta = { schedule: "@hourly", name: "n" };
      dag.task("new", {});
    }),
  );
  assert.deepEqual(found.added, ["new"]);
  assert.deepEqual(found.meta, [
    { path: ["name"], new: "n" },
    { path: ["schedule"], old: "@daily", new: "@hourly" },
  ]);
  assert.deepEqual(
    diff(
      collage((dag) => void dag.task("old", {})),
      collage(),
    ).removed,
    ["old"],
  );
});

test("values that are equal have no changes, and others have some", () => {
  fc.assert(
    fc.property(normal, normal, (a, b) => {
      assert.deepEqual(valueChanges(a, structuredClone(a)), []);
      let equal = true;
      try {
        assert.deepEqual(a, b);
      } catch {
        equal = false;
      }
      assert.equal(valueChanges(a, b).length === 0, equal);
    }),
  );
});

test("a plan is printed with names before IDs", () => {
  assert.equal(
    pp(
      collage((dag) => {
        dag.tasks["raw"]!.spec["args"] = ["--n", 1, "", { a: new Uint8Array([255]) }];
      }),
    ).replaceAll(/[0-9a-f]{8}/g, "01234567"),
    `meta
  schedule  @daily

blur  01234567
  command  blur
  env      { A: 1 }
  inputs   raw 01234567

collage  01234567
  command  collage
  inputs   blur 01234567, edges 01234567

edges  01234567
  command  edges
  inputs   raw 01234567

raw  01234567
  args     [--n, 1, "", { a: <ff> }]
  command  raw`,
  );
});

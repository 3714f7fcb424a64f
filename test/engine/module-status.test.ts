// A function that was edited is told by the file that changed, not by the digest of all its code.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { module } from "../../src/plan/module.ts";
import { openRig } from "./rig.ts";

test("status and the run's note name the file of a function that was edited", async (t) => {
  const rig = await openRig(t);
  mkdirSync(join(rig.dir, "lib"));
  writeFileSync(
    join(rig.dir, "fit.ts"),
    'import { writeFileSync } from "node:fs";\nimport { scale } from "./lib/scale.ts";\nexport default ({ output }: { output: string }) => writeFileSync(output, scale(2));\n',
  );
  const plan = (factor: number) => {
    writeFileSync(
      join(rig.dir, "lib/scale.ts"),
      `export const scale = (x: number) => String(x * ${factor});\n`,
    );
    const dag = new Dag();
    dag.task("fit", module("./fit.ts", { from: rig.dir }));
    return dag.encode();
  };
  await rig.run(plan(2), { pipeline: "m" });
  const edited = plan(30);
  const [due] = (await rig.status(edited, { pipeline: "m" })).due;
  assert.deepEqual(
    due?.reasons.flatMap((reason) => (reason.kind === "spec" ? reason.changes.map(({ path }) => path) : [])),
    [["module", "sources", "lib/scale.ts"]],
  );
  await rig.run(edited, { pipeline: "m" });
  assert.match((await rig.record.lastRun("m"))?.note ?? "", /^fit: module\.sources\.lib\/scale\.ts /);
  assert.equal(await rig.text(edited, "fit"), "60");
});

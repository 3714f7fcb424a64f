// The README's collage, written in TypeScript, has the IDs that the Python reference gives it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Json, project } from "./project.ts";

const { vectors } = JSON.parse(readFileSync(join(import.meta.dirname, "../compat/reference.json"), "utf8"));

const collage = (sha: string) => `
import { Dag } from "a-la-mode";

const dag = new Dag({ schedule: "@daily" });
const image = "collage";

dag.task("download_images", { image, sha: "1qe34", command: "python dl_images.py" });
dag.task("blur", { image, sha: "${sha}", command: "python transform_images.py blur" });
dag.task("edge_enhance", { image, sha: "1qe34", command: "python transform_images.py edge_enhance" });
dag.task("collage", { image, sha: "1qe34", command: "python collage.py" });

dag.blur.addDep(dag.download_images);
dag.edge_enhance.addDep(dag.download_images);
dag.collage.addDep(dag.blur);
dag.collage.addDep(dag.edge_enhance);

export default dag;
`;

test("the README's pipeline gets the reference's IDs and plan bytes", async (t) => {
  const here = project(t, { "pipeline.ts": collage("6f09d"), "changed.ts": collage("qwetr3") });
  for (const [n, file] of ["pipeline.ts", "changed.ts"].entries()) {
    const { outputs, plan } = vectors[n] as { outputs: Record<string, string>; plan: string };
    const { tasks } = JSON.parse(await here.done(["plan", "--json", "-f", file]));
    for (const [task, output] of Object.entries(outputs)) assert.equal(tasks[task].output, output, task);
    const shown = await here.done(["plan", "-f", file]);
    for (const [task, output] of Object.entries(outputs))
      assert.match(shown, new RegExp(`^${task} +${output.slice(0, 8)}$`, "m"));
    await here.done(["plan", "-f", file, "-o", `${file}.dag`]);
    assert.equal(readFileSync(join(here.dir, `${file}.dag`)).toString("base64"), plan);
  }
});

test("diff shows blur's sha and what follows from it: exactly four values", async (t) => {
  const here = project(t, { "pipeline.ts": collage("6f09d"), "changed.ts": collage("qwetr3") });
  const people = await here.alamode(["diff", "pipeline.ts", "changed.ts"]);
  assert.equal(people.code, 1);
  assert.equal(people.stdout, "blur\n  sha  6f09d → qwetr3\nand so, by their inputs: collage\n");

  const { code, stdout } = await here.alamode(["diff", "pipeline.ts", "changed.ts", "--json"]);
  assert.equal(code, 1);
  const [before, after] = (vectors as { outputs: Record<string, string> }[]).map(({ outputs }) => outputs);
  const { values } = JSON.parse(stdout) as { values: Json[] };
  const expected = [
    { path: ["tasks", "blur", "output"], old: before!["blur"], new: after!["blur"] },
    { path: ["tasks", "blur", "sha"], old: "6f09d", new: "qwetr3" },
    { path: ["tasks", "collage", "inputs", "blur"], old: before!["blur"], new: after!["blur"] },
    { path: ["tasks", "collage", "output"], old: before!["collage"], new: after!["collage"] },
  ];
  const byPath = (a: Json, b: Json) => (String(a["path"]) < String(b["path"]) ? -1 : 1);
  assert.deepEqual([...values].sort(byPath), expected);
  assert.equal((await here.alamode(["diff", "pipeline.ts", "pipeline.ts"])).code, 0);
});

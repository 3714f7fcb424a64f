// What the Python package a-la-mode 0.1.1 made of 163 pipelines: we make the same of each, to the byte.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decode } from "../../src/bencode/decode.ts";
import { encode } from "../../src/bencode/encode.ts";
import { Dag } from "../../src/plan/dag.ts";
import { diff } from "../../src/plan/diff.ts";
import { bencodePlan } from "../../src/plan/encode.ts";
import { decodePlan, verifyPlan } from "../../src/plan/load.ts";
import { chain } from "../../src/plan/task.ts";
import type { Plan } from "../../src/plan/types.ts";
import { vectorNamed, vectors } from "./vectors.ts";

test("all vectors are there", () => {
  assert.equal(vectors.length, 163);
});

for (const vector of vectors) {
  test(`the reference's plan of ${vector.name}`, () => {
    const dag = vector.dag();
    const plan = dag.encode();
    assert.deepEqual(Object.keys(plan.tasks).sort(), Object.keys(vector.outputs).sort());
    for (const [task, output] of Object.entries(vector.outputs))
      assert.equal(plan.tasks[task]!.output, output);
    assert.equal(Buffer.compare(dag.bencode(), vector.plan), 0);
    const loaded = decodePlan(vector.plan);
    assert.deepEqual(loaded, plan);
    verifyPlan(loaded);
    assert.equal(Buffer.compare(bencodePlan(loaded), vector.plan), 0);
    assert.equal(Buffer.compare(encode(decode(vector.plan)), vector.plan), 0);
  });
}

/** The README's pipeline. */
function readme(blurSha = "6f09d"): Plan {
  const dag = new Dag({ schedule: "@daily" });
  const download = dag.task("download_images", {
    image: "collage",
    sha: "1qe34",
    command: "python dl_images.py",
  });
  const transform = "python transform_images.py";
  const blur = dag.task("blur", { image: "collage", sha: blurSha, command: `${transform} blur` });
  const edges = dag.task("edge_enhance", {
    image: "collage",
    sha: "1qe34",
    command: `${transform} edge_enhance`,
  });
  const collage = dag.task("collage", { image: "collage", sha: "1qe34", command: "python collage.py" });
  chain(download, [blur, edges], collage);
  return dag.encode();
}

test("the README's pipeline has the reference's IDs", () => {
  const outputs = (plan: Plan) =>
    Object.fromEntries(Object.entries(plan.tasks).map(([name, { output }]) => [name, output]));
  assert.deepEqual(outputs(readme()), {
    blur: "82695e5805a9cd091e42ae94469efe77a90907c96190c793cee3c7d58dc2bbe0",
    collage: "566a13d45eeebdefc50de118f5031278b20171ce76deb51791a4f084668e6d16",
    download_images: "6075b3951568e2f31df204a59eb92bbb17d84e6b49f1275216bc0b6deb0e223d",
    edge_enhance: "7a764d984ce66d23a69c87645b47fcf7be79711f40be95fb631308ee01ca2a04",
  });
  assert.deepEqual(outputs(readme("qwetr3")), {
    blur: "4df7200d1f836f7372ce01761c9cb9e0d2bc7d1abc7ee9c1abe8dc7df9a67e5e",
    collage: "25adad1924719ff4d5d2c3f4839f0ff1b4e21537c3c358f7d10b5e5d7c9c6de5",
    download_images: "6075b3951568e2f31df204a59eb92bbb17d84e6b49f1275216bc0b6deb0e223d",
    edge_enhance: "7a764d984ce66d23a69c87645b47fcf7be79711f40be95fb631308ee01ca2a04",
  });
  assert.equal(Buffer.compare(bencodePlan(readme()), vectorNamed("readme").plan), 0);
});

test("the README's change is one cause, one consequence, and four values", () => {
  const found = diff(decodePlan(vectorNamed("readme").plan), decodePlan(vectorNamed("readme-changed").plan));
  assert.deepEqual(found.changed, [
    {
      task: "blur",
      changes: [{ path: ["sha"], old: "6f09d", new: "qwetr3" }],
      dependencies: { added: [], removed: [], repointed: [] },
    },
  ]);
  assert.deepEqual(found.consequences, ["collage"]);
  assert.deepEqual(
    found.values.map(({ path }) => path),
    [
      ["tasks", "blur", "output"],
      ["tasks", "blur", "sha"],
      ["tasks", "collage", "inputs", "blur"],
      ["tasks", "collage", "output"],
    ],
  );
});

test("a plan file that the reference wrote is loaded", () => {
  const bytes = readFileSync(new URL("reference-run.dag", import.meta.url));
  const plan = decodePlan(bytes);
  assert.deepEqual(Object.keys(plan.tasks), ["greet", "shout", "together", "who"]);
  assert.equal(Buffer.compare(bencodePlan(plan), bytes), 0);
});

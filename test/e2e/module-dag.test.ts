// A function that returns a dag: its tasks join the run, through the command a user types. Promise 8, from TypeScript.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openSandbox } from "../../src/engine/sandbox/open.ts";
import { type Project, project, ranIn } from "./project.ts";

const noBubblewrap = await openSandbox("bubblewrap").then(
  () => false as const,
  (error: unknown) => String(error),
);

/** Counts the words of each file of a folder in a task of its own, and adds them up. */
const WORDS = `import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Dag, module, source, type TaskCall } from "a-la-mode";

export function list({ inputs }: TaskCall) {
  const dag = new Dag();
  const result = dag.task("result", module({ export: "sum" }));
  for (const file of readdirSync(inputs["texts"]!)) {
    const text = dag.task(file, source(join(inputs["texts"]!, file)));
    result.after(dag.task(\`count/\${file}\`, module({ export: "count" })).after({ text }));
  }
  return dag;
}

export async function count({ inputs, output }: TaskCall) {
  writeFileSync(output, String(readFileSync(inputs["text"]!, "utf8").split(/\\s+/).filter(Boolean).length));
}

export function sum({ inputs, output }: TaskCall) {
  writeFileSync(output, String(Object.values(inputs).reduce((n, path) => n + Number(readFileSync(path, "utf8")), 0)));
}
`;

const files = {
  "pipeline.ts": `import { Dag, module, source } from "a-la-mode";
    const dag = new Dag();
    const texts = dag.task("texts", source("texts/*"));
    dag.task("words", { ...module("./words.ts", { export: "list" }), expand: 1 }).after(texts);
    export default dag;`,
  "words.ts": WORDS,
  "texts/a": "one two\n",
  "texts/b": "three\n",
};

async function ran({ done }: Project, ...more: string[]): Promise<string[]> {
  return ranIn(await done(["run", "--json", ...more]));
}

test("a function returns a dag of other exports of its module, and a change of one item makes that one anew", async (t) => {
  const here = project(t, files);
  const all = ["texts", "words", "words/a", "words/b", "words/count/a", "words/count/b", "words/result"];
  assert.deepEqual(await ran(here), all);
  assert.equal(here.read((await here.done(["path", "words"])).trim().slice(here.dir.length + 1)), "3");
  assert.deepEqual(await ran(here), []);
  here.write("texts/b", "three four\n");
  assert.deepEqual(await ran(here), ["texts", "words", "words/b", "words/count/b", "words/result"]);
});

test("it depends on the inputs of its task by their names", async (t) => {
  const here = project(t, {
    ...files,
    "words.ts": `import { Dag, type TaskCall } from "a-la-mode";
      export const list = async ({ tasks }: TaskCall) => {
        const dag = new Dag();
        dag.task("all", { command: "cat inputs/in/* > $OUTPUT" }).after({ in: tasks["texts"]! });
        return dag;
      };`,
  });
  assert.deepEqual(await ran(here), ["texts", "words", "words/all"]);
  assert.equal(
    here.read((await here.done(["path", "words"])).trim().slice(here.dir.length + 1)),
    "one two\nthree\n",
  );
});

const NESTED = {
  "pipeline.ts": `import { Dag, files, module } from "a-la-mode";
    const dag = new Dag();
    dag.task("outer", { ...module("./outer.ts"), files: files("inner/*"), expand: 1 });
    export default dag;`,
  "outer.ts": `import { Dag, files, module, type TaskCall } from "a-la-mode";
    export default ({ log }: TaskCall) => {
      log("outer");
      const dag = new Dag();
      const data = dag.task("data", { command: "cp inner/data $OUTPUT", files: files("inner/data") });
      dag.task("result", { ...module("./inner/inner.ts", { args: { times: 2 } }), expand: 1 }).after(data);
      return dag;
    };`,
  "inner/data": "ab",
  "inner/repeat.ts": "export const repeat = (text: string, times: number) => text.repeat(times);",
  "inner/inner.ts": `import { readFileSync, writeFileSync } from "node:fs";
    import { Dag, module, type TaskCall } from "a-la-mode";
    import { repeat } from "./repeat.ts";
    export default ({ tasks, args }: TaskCall<{ times: number }>) => {
      const dag = new Dag();
      dag.task("result", module({ export: "write", args })).after(tasks["data"]!);
      return dag;
    };
    export function write({ inputs, output, args }: TaskCall<{ times: number }>) {
      writeFileSync(output, repeat(readFileSync(inputs["data"]!, "utf8"), args.times));
    }`,
};

for (const sandbox of ["none", "bubblewrap"]) {
  const skip = sandbox === "none" ? false : noBubblewrap;
  test(`dags nest, and bring along modules and files that they describe (sandbox ${sandbox})`, {
    skip,
  }, async (t) => {
    const here = project(t, NESTED);
    const [outer, data, result, inner] = ["outer", "outer/data", "outer/result", "outer/result/result"];
    assert.deepEqual(await ran(here, "--sandbox", sandbox, "--jobs", "1"), [outer, data, result, inner]);
    assert.equal(here.read((await here.done(["path", "outer"])).trim().slice(here.dir.length + 1)), "abab");
    assert.deepEqual(await ran(here, "--sandbox", sandbox), []);
    here.write("inner/repeat.ts", "export const repeat = (text: string) => text;");
    // All of it is code of the outermost task; what only read the data stays.
    assert.deepEqual(await ran(here, "--sandbox", sandbox), [outer, result, inner]);
    assert.equal(here.read((await here.done(["path", "outer"])).trim().slice(here.dir.length + 1)), "ab");
  });
}

test("a dag that is returned where nobody takes it, and what is no dag, are told", async (t) => {
  const here = project(t, {
    "pipeline.ts": `import { Dag, module } from "a-la-mode";
      const dag = new Dag();
      dag.task("plain", module("./steps.ts", { export: "dag" }));
      dag.task("number", { ...module("./steps.ts", { export: "number" }), expand: 1 });
      dag.task("both", { ...module("./steps.ts", { export: "both" }), expand: 1 });
      dag.task("misspelt", { ...module("./steps.ts", { export: "misspelt" }), expand: 1 });
      export default dag;`,
    "steps.ts": `import { writeFileSync } from "node:fs";
      import { Dag, module, type TaskCall } from "a-la-mode";
      export const dag = () => new Dag();
      export const number = () => 1 as unknown as Dag;
      export const both = ({ output }: TaskCall) => { writeFileSync(output, ""); return new Dag(); };
      export const misspelt = () => { const dag = new Dag(); dag.task("a", module({ export: "nunber" })); return dag; };`,
  });
  const { code, stdout } = await here.alamode(["run", "--keep-going"]);
  assert.equal(code, 1);
  assert.match(stdout, /returned a dag: its task has to say {2}expand: 1/);
  assert.match(stdout, /returned something that is no dag/);
  assert.match(stdout, /something lies at the output already/);
  assert.match(stdout, /module\(\{ export: "nunber" \}\): it has no export "nunber"/);
});

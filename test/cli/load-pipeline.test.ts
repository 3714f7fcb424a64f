import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { type TestContext } from "node:test";
import type { Context } from "../../src/cli/context.ts";
import { selectedGoals } from "../../src/cli/goals.ts";
import { loadPipeline, type Pipeline } from "../../src/cli/load-pipeline.ts";
import { AlamodeError } from "../../src/errors.ts";

/** A project of these files in a folder of its own. */
function project(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "alamode-load-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries({ "package.json": '{"type":"module"}', ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

function load(folder: string, file?: string): Promise<Pipeline> {
  const context: Context = {
    cwd: folder,
    project: folder,
    settings: {},
    options: {},
    flags: "",
    path: undefined,
    placeFlags: "",
    store: join(folder, ".alamode"),
    storeDir: join(folder, ".alamode"),
    cache: { dir: join(folder, ".alamode/cache"), capBytes: 20 * 2 ** 30 },
    record: join(folder, ".alamode/record.db"),
  };
  return loadPipeline(context, file);
}

async function refused(folder: string, file: string): Promise<AlamodeError> {
  const error = await load(folder, file).then(
    () => assert.fail("it loaded"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof AlamodeError, String(error));
  return error;
}

const ONE = `import { Dag } from "a-la-mode";
const dag = new Dag();
dag.task("one", { command: "echo 1 > $OUTPUT" });
`;

test("a-la-mode is this very package where the project has none, and pipeline.ts the usual name", async (t) => {
  const folder = project(t, { "pipeline.ts": `${ONE}export default dag;` });
  const { plan, name, warnings } = await load(folder);
  assert.deepEqual(Object.keys(plan.tasks), ["one"]);
  assert.equal(name, "pipeline.ts");
  assert.deepEqual(warnings, []);
});

test("the name is meta's where it has one", async (t) => {
  const folder = project(t, { "a.ts": `${ONE}dag.meta.name = "fruit";\nexport default dag;` });
  assert.equal((await load(folder, "a.ts")).name, "fruit");
});

test("a function, an async function and a promise give their dag", async (t) => {
  const folder = project(t, {
    "function.ts": `${ONE}export default () => dag;`,
    "async.ts": `${ONE}export default async () => dag;`,
    "promise.ts": `${ONE}export default Promise.resolve(dag);`,
  });
  for (const file of ["function.ts", "async.ts", "promise.ts"]) {
    assert.deepEqual(Object.keys((await load(folder, file)).plan.tasks), ["one"]);
  }
});

test("what Node cannot load goes through esbuild, and leaves no file behind", async (t) => {
  const lib =
    "import { Dag } from 'a-la-mode';\nexport const make = (name: string) => { const dag = new Dag(); dag.task(name, {}); return dag; };";
  const files = {
    "enum.ts": `${ONE}enum Kind { A = "a" }\ndag.task(Kind.A, {});\nexport default dag;`,
    "bare.ts": "import { make } from './lib/make';\nexport default make('x');",
    "js.ts": "import { make } from './lib/make.js';\nexport default () => make('y');",
    "lib/make.ts": lib,
  };
  const folder = project(t, files);
  assert.deepEqual(Object.keys((await load(folder, "enum.ts")).plan.tasks), ["a", "one"]);
  assert.deepEqual(Object.keys((await load(folder, "bare.ts")).plan.tasks), ["x"]);
  assert.deepEqual(Object.keys((await load(folder, "js.ts")).plan.tasks), ["y"]);
  assert.deepEqual(readdirSync(folder).sort(), ["bare.ts", "enum.ts", "js.ts", "lib", "package.json"]);
});

test("a project that says it is CommonJS may import all the same", async (t) => {
  const folder = project(t, { "package.json": '{"type":"commonjs"}', "p.ts": `${ONE}export default dag;` });
  assert.deepEqual(Object.keys((await load(folder, "p.ts")).plan.tasks), ["one"]);
});

test("an author's error is told by its file and line, also of code that went through esbuild", async (t) => {
  const folder = project(t, {
    "throws.ts": `${ONE}\nthrow new RangeError("too far");`,
    "called.ts": `${ONE}export default () => {\n  nothing.there;\n};`,
    "bundled.ts": `${ONE}enum E { A }\nexport default () => {\n  throw new TypeError(String(E.A));\n};`,
    "syntax.ts": `${ONE}dag.task("a" {});\nexport default dag;`,
    "required.ts":
      'import { createRequire } from "node:module";\nexport default createRequire(import.meta.url)("@not/installed/data.json");',
    "package.ts": 'import x from "not-installed";\nexport default x;',
  });
  const told = async (file: string) => {
    const { message } = await refused(folder, file);
    return message.slice(message.indexOf(file));
  };
  assert.equal(await told("throws.ts"), "throws.ts:5: RangeError: too far");
  assert.equal(await told("called.ts"), "called.ts:5: ReferenceError: nothing is not defined");
  assert.equal(await told("bundled.ts"), "bundled.ts:6: TypeError: 0");
  assert.match(await told("syntax.ts"), /^syntax\.ts:4: Expected "\)"/);
  assert.equal(await told("required.ts"), 'required.ts: there is no package "@not/installed" here');
  assert.equal(await told("package.ts"), 'package.ts: there is no package "not-installed" here');
});

test("an error of description names the file, and keeps its code and way out", async (t) => {
  const folder = project(t, {
    "float.ts": `${ONE}dag.task("fit", { args: [1, 2, 0.05] });\nexport default dag;`,
  });
  const error = await refused(folder, "float.ts");
  assert.equal(error.code, "not-encodable");
  assert.match(error.message, /float\.ts: task "fit", spec\.args\[2\]: 0\.05 is a float/);
  assert.match(error.hint ?? "", /'0\.05'/);
});

test("a module without a dag is told what is missing", async (t) => {
  const folder = project(t, {
    "none.ts": `${ONE}export { dag as pipeline };`,
    "number.ts": "export default 7;",
    "nothing.ts": "export default () => {};",
    "sub/pipeline.ts": `${ONE}export default dag;`,
  });
  assert.equal((await refused(folder, "none.ts")).hint, "End it with  export default pipeline");
  assert.match((await refused(folder, "number.ts")).message, /its default export is a number, not a Dag$/);
  assert.match(
    (await refused(folder, "nothing.ts")).message,
    /the function it exports gave nothing, not a Dag$/,
  );
  assert.match((await refused(folder, "sub")).hint ?? "", /-f sub\/pipeline\.ts/);
  assert.equal((await refused(folder, "missing.ts")).code, "no-pipeline");
  await assert.rejects(load(folder), {
    code: "no-pipeline",
    message: "there is no pipeline.ts here",
    hint: /alamode init/,
  });
});

test("a misspelt spec key is warned of", async (t) => {
  const folder = project(t, { "p.ts": `${ONE}dag.task("two", { comand: "x" });\nexport default dag;` });
  const { warnings } = await load(folder, "p.ts");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /"comand".*"command"/);
});

test("a file given as a task says what was meant", async (t) => {
  const folder = project(t, { "p.ts": `${ONE}export default dag;` });
  const { plan } = await load(folder, "p.ts");
  const file = join(folder, "p.ts");
  assert.throws(() => selectedGoals(plan, [file], "run"), {
    code: "file-not-task",
    message: `"${file}" is a file, not a task. Did you mean  alamode run -f ${file} ?`,
  });
  assert.throws(() => selectedGoals(plan, ["on"], "run"), { code: "unknown-task", message: /Near: one\./ });
  assert.deepEqual(selectedGoals(plan, ["o*"], "run"), ["one"]);
  assert.equal(selectedGoals(plan, [], "run"), undefined);
});

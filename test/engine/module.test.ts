// Functions as tasks, run for real: what they are given, how they end, and that what runs is what was planned.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import type { Bmap } from "../../src/bencode/types.ts";
import { Dag } from "../../src/plan/dag.ts";
import { json } from "../../src/plan/json.ts";
import { module, moduleCode } from "../../src/plan/module.ts";
import { bundleName } from "../../src/plan/module-keep.ts";
import { noNpm, openRegistry } from "../npm-registry.ts";
import { moduleProject } from "../plan/module-project.ts";
import { openRig } from "./rig.ts";

const repository = resolve(import.meta.dirname, "../..");

/** A project with `task.ts` in it, and a store and a record beside. */
async function start(t: TestContext, code: string, files: Readonly<Record<string, string>> = {}) {
  const project = moduleProject(t, {
    "package.json": '{ "type": "module" }',
    "steps/task.ts": code,
    ...files,
  });
  return { project, rig: await openRig(t) };
}

/** A plan of one task, `made`, that is `go` of steps/task.ts, or what else is said. */
function planOf(spec: Bmap = module("steps/task.ts", { export: "go" })) {
  const dag = new Dag();
  dag.task("made", spec);
  return dag.encode();
}

/** As if another process had described the plan: nothing of any module is known but what stores keep. */
function forgetModules(): void {
  (globalThis as { [key: symbol]: Map<string, unknown> })[Symbol.for("a-la-mode.modules")]?.clear();
}

test("a function reads its inputs, writes its output, and gets its args as they were given", async (t) => {
  const { rig } = await start(
    t,
    `import { readFile, writeFile } from "node:fs/promises";
    import { join } from "node:path";
    import { shout } from "./shout.ts";
    export async function go({ inputs, output, args, log }: { inputs: Record<string, string>; output: string; args: unknown; log(...values: unknown[]): void }): Promise<void> {
      enum Size { Small, Large }
      log("%d inputs", Object.keys(inputs).length, Size.Large);
      const texts = await Promise.all([readFile(inputs["a/b"]!, "utf8"), readFile(join(inputs["__proto__"]!, "c.txt"), "utf8")]);
      await writeFile(output, JSON.stringify({ texts: texts.map(shout), args, name: output.slice(-8), cwd: process.cwd() === process.env["INPUTS"]!.slice(0, -7) }));
    }`,
    { "steps/shout.ts": "export const shout = (text: string) => text.trim().toUpperCase();" },
  );
  const args = { lr: 0.05, big: 1e21, 'q"\n': [null, true, { "": "é" }], ["__proto__"]: { x: 1 } };
  const dag = new Dag();
  const one = dag.task("one", { command: "echo one > $OUTPUT" });
  const two = dag.task("two", { command: "echo two > $OUTPUT", produces: "c.txt" });
  dag
    .task("made", { ...module("steps/task.ts", { export: "go", args }), produces: "out.json" })
    .addDep(one, "a/b")
    .addDep(two, "__proto__");
  const plan = dag.encode();
  const told = await rig.run(plan);
  assert.equal(told.status, "done", JSON.stringify(told.failures));
  const made = JSON.parse(readFileSync(join(await rig.place(plan, "made"), "out.json"), "utf8"));
  assert.deepEqual(made.texts, ["ONE", "TWO"]);
  assert.equal(json(made.args), json(args));
  assert.deepEqual([made.name, made.cwd], ["out.json", true]);
  const { execution } = told.of("task.ran").find(({ task }) => task === "made")!;
  assert.equal(readFileSync(join(rig.store.logDir, `${execution}.log`), "utf8"), "2 inputs 1\n");
  assert.equal((await rig.run(plan)).counts.ran, 0);
});

test("an error points at the author's line, in whichever file it was thrown", async (t) => {
  const { rig } = await start(
    t,
    'import { positive } from "./lib/positive.ts";\ninterface Unused { x: 1 }\nexport async function go() {\n  await null;\n  positive(-1);\n}\nexport function later() {\n  setTimeout(() => positive(-2), 1);\n}\nexport const text = () => Promise.reject("no reason");\n',
    {
      "steps/lib/positive.ts":
        "type N = number;\n\nexport function positive(n: N) {\n  if (n < 0) throw new RangeError(`negative: ${n}`, { cause: new Error('why') });\n}\n",
    },
  );
  const dag = new Dag();
  for (const name of ["go", "later", "text"]) dag.task(name, module("steps/task.ts", { export: name }));
  const { failures } = await rig.run(dag.encode(), { keepGoing: true });
  const tail = (task: string) => failures.find((failed) => failed.task === task)!.failure.logTail.join("\n");
  assert.match(
    tail("go"),
    /^RangeError: negative: -1\n {4}at positive \(steps\/lib\/positive\.ts:4:20\)\n {4}at go \(steps\/task\.ts:5:3\)/,
  );
  assert.match(tail("go"), /\[cause\]: Error: why/);
  assert.match(tail("later"), /negative: -2\n {4}at positive \(steps\/lib\/positive\.ts:4:20\)/);
  assert.equal(tail("text"), "threw 'no reason'");
  assert.deepEqual(
    failures.map(({ failure }) => failure.message),
    ["exit 1", "exit 1", "exit 1"],
  );
});

test("a misspelt input is an error that names those there are; what may be absent is asked for by `in`", async (t) => {
  const { rig } = await start(
    t,
    `import { writeFileSync } from "node:fs";
    type Call = { inputs: { readonly [name: string]: string }; output: string };
    export const wrong = ({ inputs: { film } }: Call) => film;
    export const right = ({ inputs, output }: Call) =>
      writeFileSync(output, JSON.stringify([Object.keys(inputs), "film" in inputs, { ...inputs }["films"] === inputs["films"]]));`,
  );
  const dag = new Dag();
  const films = dag.task("films", { command: "echo x > $OUTPUT" });
  for (const name of ["wrong", "right"])
    dag.task(name, module("steps/task.ts", { export: name })).after(films);
  const { failures, path } = await rig.run(dag.encode(), { keepGoing: true });
  assert.match(
    failures[0]!.failure.logTail[0]!,
    /^ReferenceError: there is no input "film": this task depends on films$/,
  );
  assert.equal(readFileSync(await path("right"), "utf8"), '[["films"],false,true]');
});

test("a function that has not finished is not done, however its process ends", async (t) => {
  const { rig } = await start(
    t,
    `import { writeFileSync } from "node:fs";
    export function never({ output }: { output: string }) { writeFileSync(output, "half"); return new Promise<void>(() => {}); }
    export function leaves({ output }: { output: string }) { writeFileSync(output, "half"); process.exit(0); }
    export const value = 1;
    export function nothing() {}`,
  );
  const dag = new Dag();
  for (const name of ["never", "leaves", "value", "nothing"])
    dag.task(name, module("steps/task.ts", { export: name }));
  const { failures } = await rig.run(dag.encode(), { keepGoing: true });
  const said = (task: string) => {
    const { message, logTail } = failures.find((failed) => failed.task === task)!.failure;
    return `${message}: ${logTail.join("\n")}`;
  };
  assert.match(said("never"), /^exit 1: .*nothing is left that could settle it/s);
  assert.match(said("leaves"), /^exit 1: .*it ended the process before it was done/);
  assert.match(said("value"), /^exit 1: TypeError: the export "value" is no function/);
  assert.match(said("nothing"), /^made nothing at \$OUTPUT/);
});

test("what runs is the code that was planned, whatever happens to its file", async (t) => {
  const text = (word: string) =>
    `import { writeFileSync } from "node:fs";\nexport const go = ({ output }: { output: string }) => writeFileSync(output, "${word}");\n`;
  const { project, rig } = await start(t, text("planned"));
  const plan = planOf();
  project.write({ "steps/task.ts": text("edited") });
  assert.equal((await rig.run(plan)).status, "done");
  assert.equal(await rig.text(plan, "made"), "planned");
  const edited = planOf();
  assert.notEqual(edited.tasks["made"]!.output, plan.tasks["made"]!.output);
  await rig.run(edited);
  assert.equal(await rig.text(edited, "made"), "edited");
  project.write({ "steps/task.ts": text("planned") });
  assert.equal((await rig.run(planOf())).counts.ran, 0);
});

test("the store keeps the identity, each source under its digest, and the bundle, which is enough to run", async (t) => {
  const code =
    'import { writeFileSync } from "node:fs";\nexport const go = ({ output }: { output: string }) => writeFileSync(output, "x");\n';
  const { rig } = await start(t, code);
  const plan = planOf();
  const digest = plan.tasks["made"]!["module"] as string;
  await rig.run(plan);
  const { encoded, sources } = moduleCode(digest)!;
  assert.ok(readFileSync((await rig.store.source(digest))!).equals(encoded));
  for (const [sha256, content] of sources) {
    assert.ok(readFileSync((await rig.store.source(sha256))!).equals(content));
    assert.equal(Buffer.from(content).toString(), code);
  }
  forgetModules();
  const again = planOf({ module: digest, export: "go", args: "{}", env: { AGAIN: "1" } });
  assert.equal((await rig.run(again)).status, "done");
});

test("a bundle that is missing or damaged fails the step, and nothing of it runs", async (t) => {
  const { rig } = await start(
    t,
    'import { writeFileSync } from "node:fs";\nexport const go = ({ output }: { output: string }) => writeFileSync(output, "x");\n',
  );
  const spec = module("steps/task.ts", { export: "go" });
  await rig.run(planOf({ ...spec, env: { FIRST: "1" } }));
  const kept = (await rig.store.derived(bundleName(spec.module)))!;
  const failure = async () => (await rig.run(planOf(spec))).failures[0]!.failure.message;
  chmodSync(kept, 0o644);
  writeFileSync(kept, readFileSync(kept, "utf8").replace('"x"', '"y"'));
  assert.match(await failure(), /the kept bundle of module [0-9a-f]{8} is no longer what was kept/);
  forgetModules();
  const elsewhere = await openRig(t);
  const { failures } = await elsewhere.run(planOf(spec));
  assert.match(failures[0]!.failure.message, /module [0-9a-f]{8} is not among the store's sources/);
});

test("a function hears of the end through its signal, and can leave in order", async (t) => {
  const { rig } = await start(
    t,
    `import { once } from "node:events";
    import { writeFile } from "node:fs/promises";
    export async function go({ signal, args, log }: { signal: AbortSignal; args: { reached: string }; log(text: string): void }) {
      const stopped = once(signal, "abort");
      const alive = setInterval(() => {}, 1e6);
      await writeFile(args.reached, "here");
      await stopped;
      clearInterval(alive);
      log(signal.reason.message);
    }`,
  );
  const gate = rig.gate("go");
  const stop = new AbortController();
  const args = { reached: join(rig.dir, "go.reached") };
  const running = rig.run(planOf(module("steps/task.ts", { export: "go", args })), { signal: stop.signal });
  assert.equal(await Promise.race([gate.reached(), running]), "here");
  stop.abort();
  const { status, failures } = await running;
  assert.equal(status, "interrupted");
  assert.deepEqual(failures[0]!.failure.logTail, ["the task was stopped"]);
});

test("what a function leaves running does not keep its step, and all it wrote is there", async (t) => {
  const { rig } = await start(
    t,
    `import { createWriteStream } from "node:fs";
    import { createServer } from "node:net";
    export function go({ output }: { output: string }) {
      setInterval(() => {}, 1e6);
      createServer().listen(0, "127.0.0.1");
      const file = createWriteStream(output);
      for (let i = 0; i < 200; i++) file.write("x".repeat(65536));
      file.end();
    }`,
  );
  const plan = planOf(module("steps/task.ts", { export: "go" }));
  const told = await rig.run(plan);
  assert.deepEqual(told.failures, []);
  const { execution, task } = told.of("task.ran")[0]!;
  assert.equal(readFileSync(await rig.place(plan, task)).length, 200 * 65536);
  assert.match(
    readFileSync(join(rig.store.logDir, `${execution}.log`), "utf8"),
    /the function "go" is done, and was ended with what it left running: .*Timeout/,
  );
});

test("packages are part of the bundle, also those that ask for Node's own modules", async (t) => {
  const { project, rig } = await start(
    t,
    `import { writeFileSync } from "node:fs";
    import sizes from "sizes";
    import { json } from "a-la-mode";
    export const go = ({ output }: { output: string }) => writeFileSync(output, json({ sum: sizes.sum(1, 2), sep: sizes.sep }));`,
    {
      "node_modules/sizes/package.json": '{ "name": "sizes", "version": "1.0.0" }',
      "node_modules/sizes/index.js":
        "const { sep } = require('path'); exports.sep = sep; exports.sum = (a, b) => a + b;",
    },
  );
  const plan = planOf();
  project.write({ "node_modules/sizes/index.js": "throw new Error('must not be read')" });
  const { failures } = await rig.run(plan);
  assert.deepEqual(failures, []);
  assert.equal(await rig.text(plan, "made"), '{"sep":"/","sum":3}');
});

/** A package that reads a file beside its code, and so is no part of a bundle. */
const WORDS = {
  "package.json": '{ "name": "words", "version": "1.0.0" }',
  "index.js": "module.exports = require('fs').readFileSync(__dirname + '/words.txt', 'utf8');",
  "words.txt": "some words",
};

function lockFile(entry: object): string {
  return JSON.stringify({ lockfileVersion: 3, packages: { "node_modules/words": { ...entry, dev: true } } });
}

function installedAt(folder: string, files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]));
}

test("packages that cannot be bundled are installed as locked, once for all that need the same", {
  skip: noNpm,
}, async (t) => {
  const registry = await openRegistry(t);
  const entry = registry.publish("words", WORDS);
  const { project, rig } = await start(
    t,
    `import { writeFileSync } from "node:fs";
    import words from "words";
    export const go = ({ inputs, output }: { inputs: object; output: string }) =>
      writeFileSync(output, words + Object.keys(inputs));`,
    {
      ...installedAt("node_modules/words", WORDS),
      "package-lock.json": lockFile(entry),
      "steps/other.ts": `import { writeFileSync } from "node:fs";
        import words from "words";
        export const go = ({ output }: { output: string }) => writeFileSync(output, words.toUpperCase());`,
    },
  );
  const dag = new Dag();
  dag.task("made", module("steps/task.ts", { export: "go" }));
  dag.task("other", { ...module("steps/other.ts", { export: "go" }), note: "x" });
  const plan = dag.encode();
  assert.deepEqual(Object.keys(plan.tasks), ["made", "other", "packages/words"]);
  assert.deepEqual({ ...plan.tasks["made"]!.inputs }, { node_modules: plan.tasks["packages/words"]!.output });
  assert.deepEqual(plan.tasks["made"]!.inputs, plan.tasks["other"]!.inputs);

  // What is installed here is only looked at: what runs is what is locked.
  project.write({ "node_modules/words/words.txt": "edited" });
  const told = await rig.run(plan, { callerEnv: registry.env });
  assert.deepEqual(
    told.failures.map(({ failure }) => failure),
    [],
  );
  assert.deepEqual([...told.ranTasks].sort(), ["made", "other", "packages/words"]);
  assert.equal(registry.fetched("words"), 1);
  assert.equal(await rig.text(plan, "made"), "some words", "and the packages are no input of the function");
  assert.equal(await rig.text(plan, "other"), "SOME WORDS");
  assert.equal((await rig.run(plan)).counts.ran, 0);

  // What else the project depends on does not count.
  const more = JSON.parse(lockFile(entry));
  more.packages["node_modules/more"] = { version: "1.0.0", integrity: "m" };
  project.write({ "package-lock.json": JSON.stringify(more) });
  const again = new Dag();
  again.task("made", module("steps/task.ts", { export: "go" }));
  assert.equal(again.encode().tasks["made"]!.output, plan.tasks["made"]!.output);
});

test("packages that cannot be installed by a lock file are refused by name", async (t) => {
  const { project } = await start(
    t,
    'import words from "words";\nexport const go = () => words;',
    installedAt("node_modules/words", WORDS),
  );
  const refused = (message: RegExp) => assert.throws(planOf, { code: "packages-not-locked", message });
  refused(/: words\. No package-lock/);
  project.write({ "package-lock.json": lockFile({ version: "1.0.0" }) });
  refused(/does not say by content what these are: words/);
});

test("a module whose packages nobody installs fails naming them", { skip: noNpm }, async (t) => {
  const registry = await openRegistry(t);
  const { rig } = await start(t, 'import words from "words";\nexport const go = () => words;', {
    ...installedAt("node_modules/words", WORDS),
    "package-lock.json": lockFile(registry.publish("words", WORDS)),
  });
  const { module: digest, export: name, args } = module("steps/task.ts", { export: "go" });
  const alone = await rig.run(planOf({ module: digest, export: name, args }));
  assert.match(alone.failures[0]!.failure.message, /are not among its inputs: words/);
  registry.publish("words", { ...WORDS, "words.txt": "other than is locked" });
  const told = await rig.run(planOf(), { callerEnv: registry.env });
  assert.deepEqual(
    told.failures.map(({ task }) => task),
    ["packages/words"],
  );
  assert.match(told.failures[0]!.failure.logTail.join("\n"), /integrity|words/);
});

test("a dag that a function returns has its packages, too", { skip: noNpm }, async (t) => {
  const registry = await openRegistry(t);
  const { rig } = await start(
    t,
    `import { writeFileSync } from "node:fs";
    import { Dag, module } from "a-la-mode";
    import words from "words";
    export function go({ tasks }: { tasks: object }) {
      const dag = new Dag();
      dag.task("result", module({ export: "write", args: { tasks: Object.keys(tasks) } }));
      return dag;
    }
    export const write = ({ output, args }: { output: string; args: { tasks: string[] } }) =>
      writeFileSync(output, words + args.tasks);`,
    {
      ...installedAt("node_modules/words", WORDS),
      "package-lock.json": lockFile(registry.publish("words", WORDS)),
    },
  );
  const plan = planOf({ ...module("steps/task.ts", { export: "go" }), expand: 1 });
  const told = await rig.run(plan, { callerEnv: registry.env });
  assert.deepEqual(told.failures, []);
  assert.equal(await rig.text(plan, "made"), "some words");
});

test("native packages of the real registry work", { skip: noNpm }, async (t) => {
  const { project, rig } = await start(
    t,
    `import sharp from "sharp";
    export async function go({ output, args }: { output: string; args: { width: number } }) {
      await sharp({ create: { width: args.width, height: 5, channels: 3, background: "red" } }).png().toFile(output);
    }`,
  );
  symlinkSync(join(repository, "node_modules"), join(project.dir, "node_modules"));
  const spec = module("steps/task.ts", { export: "go", args: { width: 7 } });
  const { external, bundle } = moduleCode(spec.module)!;
  assert.deepEqual(external, [realpathSync(join(repository, "node_modules/sharp"))]);
  assert.ok(bundle.length < 10_000);
  const plan = planOf({ ...spec, produces: "red.png" });
  const told = await rig.run(plan);
  const [failed] = told.failures;
  if (failed !== undefined && /cannot be reached/.test(failed.failure.logTail.join("\n")))
    return t.skip("no registry is in reach");
  assert.deepEqual(told.failures, []);
  const png = readFileSync(join(await rig.place(plan, "made"), "red.png"));
  assert.equal(png.readUInt32BE(16), 7);
});

test("a spec that cannot be a call of a function is refused before anything runs", async (t) => {
  const { rig } = await start(t, "export const go = () => {};");
  const spec = module("steps/task.ts", { export: "go" });
  const wrong: readonly (readonly [Bmap, RegExp])[] = [
    [{ ...spec, module: "./task.ts" }, /spec\.module: must be 64 hex digits/],
    [{ ...spec, command: "true" }, /spec\.command: and spec\.module cannot both be there/],
    [{ ...spec, args: "{" }, /spec\.args: must be JSON text/],
    [{ ...spec, export: 1 }, /spec\.export: must be text/],
    [{ ...spec, files: { ".module/runner.mjs": "0".repeat(64) } }, /\.module\/ holds the module/],
  ];
  for (const [bad, message] of wrong)
    await assert.rejects(rig.run(planOf(bad)), { code: "bad-task", message });
  assert.ok(!existsSync(join(rig.storeDir, "sources/00")));
});

const noBubblewrap = spawnSync("bwrap", ["--unshare-all", "--ro-bind", "/", "/", "true"]).status !== 0;

test("a function runs in a sandbox too, where it finds Node.js, its packages and this library, and no project", {
  skip: noNpm || (noBubblewrap && "bubblewrap does not work here"),
}, async (t) => {
  const registry = await openRegistry(t);
  const { project, rig } = await start(
    t,
    `import { existsSync, readFileSync, writeFileSync } from "node:fs";
    import { json } from "a-la-mode";
    import words from "words";
    export const go = ({ inputs, output, args }: { inputs: { one: string }; output: string; args: { project: string } }) =>
      writeFileSync(output, json({ one: readFileSync(inputs.one, "utf8"), words, project: existsSync(args.project), output }));`,
    {
      ...installedAt("node_modules/words", WORDS),
      "package-lock.json": lockFile(registry.publish("words", WORDS)),
    },
  );
  const dag = new Dag();
  const one = dag.task("one", { command: "printf 1 > $OUTPUT" });
  const args = { project: project.dir };
  dag.task("made", module("steps/task.ts", { export: "go", args })).after(one);
  const plan = dag.encode();
  assert.deepEqual((await rig.run(plan, { sandbox: "bubblewrap", callerEnv: registry.env })).failures, []);
  const made = '{"one":"1","output":"/out/OUTPUT","project":false,"words":"some words"}';
  assert.equal(await rig.text(plan, "made"), made);
});

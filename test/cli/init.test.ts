import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import test, { type TestContext } from "node:test";
import { EXAMPLES, init } from "../../src/cli/commands/init.ts";
import { loadPipeline } from "../../src/cli/load-pipeline.ts";
import { loadSettings } from "../../src/cli/settings.ts";
import { graphOf } from "../../src/plan/graph.ts";

const root = resolve(import.meta.dirname, "../..");

/** A folder of the test's own, and what was printed since. */
function scratch(t: TestContext): { readonly folder: string; said(): string } {
  const folder = mkdtempSync(join(tmpdir(), "alamode-init-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const write = t.mock.method(process.stdout, "write", () => true);
  return { folder, said: () => write.mock.calls.map(({ arguments: [text] }) => String(text)).join("") };
}

async function load(folder: string, file?: string, date?: string) {
  return await loadPipeline({
    cwd: folder,
    project: folder,
    settings: await loadSettings(folder),
    options: { ...(file === undefined ? {} : { file }), ...(date === undefined ? {} : { date }) },
    flags: "",
    path: undefined,
    placeFlags: "",
    store: join(folder, ".alamode"),
    storeDir: join(folder, ".alamode"),
    cache: { dir: join(folder, ".alamode/cache"), capBytes: 20 * 2 ** 30 },
    record: join(folder, ".alamode/record.db"),
  });
}

/** As npm would have installed them: what the clone has, and the package itself. */
function installed(folder: string): void {
  const packages = join(folder, "node_modules");
  mkdirSync(packages);
  symlinkSync(root, join(packages, "a-la-mode"));
  for (const name of ["sharp", "vega-datasets", "@stdlib", "@types"])
    symlinkSync(join(root, "node_modules", name), join(packages, name));
}

test("the first pipeline loads as it is: steps in shell and TypeScript, a fan-out and one report", async (t) => {
  const folder = join(scratch(t).folder, "new");
  assert.equal(await init(folder), 0);
  const { plan, name, warnings } = await load(folder);
  assert.equal(name, "first");
  assert.deepEqual(warnings, []);
  assert.deepEqual(graphOf(plan).goals(), ["report"]);
  assert.equal(Object.keys(plan.tasks).filter((task) => task.startsWith("count/")).length, 3);
  assert.equal(plan.tasks["report"]!["export"], "report");
});

for (const example of Object.keys(EXAMPLES)) {
  test(`the example ${example} is written whole, says what it needs, loads, and is type-checked`, async (t) => {
    const { folder: top, said } = scratch(t);
    const folder = join(top, "new");
    assert.equal(await init(folder, { from: example }), 0);
    const [wrote = "", next = ""] = said().split("\n");
    assert.match(wrote, /^wrote \S+pipeline\.(ts|py), /);
    const { packages = [], first, flags = "" } = EXAMPLES[example]!;
    assert.match(next, /^next: cd \S+ && .*alamode run( -f pipeline\.py| --date \S+)?$/);
    for (const name of packages)
      assert.match(next, new RegExp(`&& npm install .*\\b${name.replace("@", "")}@\\d`));
    if (first !== undefined) assert.equal(spawnSync("/bin/sh", ["-c", first], { cwd: folder }).status, 0);

    installed(folder);
    const described = ["pipeline.ts", "pipeline.py"].map((name) => join(folder, name)).find(existsSync)!;
    const { plan, warnings } = await load(folder, described, /--date ([\d-]+)/.exec(flags)?.[1]);
    assert.deepEqual(warnings, []);
    assert.ok(Object.keys(plan.tasks).length >= 3);
    if (described.endsWith(".py")) return;
    const tsc = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder], {
      encoding: "utf8",
    });
    assert.equal(tsc.status, 0, tsc.stdout);
    const inside = readdirSync(join(root, "examples", example), { recursive: true }).map(String);
    for (const path of inside) assert.ok(existsSync(join(folder, path)), path);
  });
}

test("what is installed already is not asked for", async (t) => {
  const { folder, said } = scratch(t);
  installed(folder);
  await init(join(folder, "new"), { from: "collage" });
  assert.match(said(), /next: cd \S+ && alamode run\n$/);
});

test("called by npx, it says npx", async (t) => {
  const { folder, said } = scratch(t);
  const before = process.env["npm_command"];
  process.env["npm_command"] = "exec";
  t.after(() => {
    if (before === undefined) delete process.env["npm_command"];
    else process.env["npm_command"] = before;
  });
  await init(folder);
  assert.match(said(), /&& npx alamode run\n$/);
});

test("nothing that is there is written over", async (t) => {
  const { folder } = scratch(t);
  writeFileSync(join(folder, "pipeline.ts"), "mine");
  await assert.rejects(init(folder, { from: "weather" }), {
    code: "exists",
    message: /^pipeline\.ts is there already/,
    hint: /alamode init --from weather weather$/,
  });
  assert.deepEqual(readdirSync(folder), ["pipeline.ts"]);
  assert.equal(await init(folder), 0);
  assert.equal(readFileSync(join(folder, "pipeline.ts"), "utf8"), "mine");
  assert.deepEqual(readdirSync(folder), ["alamode.config.ts", "pipeline.ts"]);
  await assert.rejects(init(folder), { code: "exists" });
});

test("settings for an editor are written only where there are none above, in the project", async (t) => {
  const { folder } = scratch(t);
  writeFileSync(join(folder, "package.json"), "{}");
  writeFileSync(join(folder, "tsconfig.json"), "{}");
  await init(join(folder, "deep/new"));
  assert.equal(existsSync(join(folder, "deep/new/tsconfig.json")), false);
  rmSync(join(folder, "tsconfig.json"));
  await init(join(folder, "deep/newer"));
  assert.equal(existsSync(join(folder, "deep/newer/tsconfig.json")), true);
});

test("an example that there is not is told with those near it", async (t) => {
  const { folder } = scratch(t);
  await assert.rejects(init(folder, { from: "wether" }), {
    code: "unknown-example",
    hint: /^Near: weather\. There is: .*collage/,
  });
  assert.deepEqual(readdirSync(dirname(join(folder, "x"))), []);
});

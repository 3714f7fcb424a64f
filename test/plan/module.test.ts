import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { module, moduleCode } from "../../src/plan/module.ts";
import { moduleChanges } from "../../src/plan/module-changes.ts";
import { setSourceBase } from "../../src/plan/sources.ts";
import type { TaskCall } from "../../src/plan/task-function.ts";
import { GOLDEN, identityOf, type ModuleProject, moduleProject } from "./module-project.ts";

const fit = () => module("steps/fit.ts", { export: "fit" }).module;

/** The module's digest before and after these files were written. */
function around(project: ModuleProject, files: Readonly<Record<string, string>>): [string, string] {
  const before = fit();
  project.write(files);
  return [before, fit()];
}

function assertChanged([before, after]: readonly [string, string]): void {
  assert.notEqual(after, before);
}

function assertSame([before, after]: readonly [string, string]): void {
  assert.equal(after, before);
}

/** `module-broken at steps/fit.ts:2`, for what `look` throws. */
function refused(look: () => unknown, code: string, message: RegExp): void {
  assert.throws(look, (error: { code?: string; message: string }) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

test("the identity of a project never changes by itself, whoever bundles it", (t) => {
  moduleProject(t);
  const found = module("./steps/fit.ts", { export: "fit", args: { lr: 0.05, steps: [1, 1e21], on: true } });
  assert.deepEqual(found, {
    module: "607bece27f494f18e45f9630383f45cc80ac2b3b33a4b206b55b9a76c67c5970",
    export: "fit",
    args: '{"lr":0.05,"on":true,"steps":[1,1e+21]}',
  });
  const dag = new Dag();
  dag.task("fit", { ...found, env: { THREADS: "2" } });
  assert.equal(
    dag.encode().tasks["fit"]!.output,
    "c46c3eacbc8c81bd10a95bf014724fc0b9885ad5e12d544aa4222851c284d305",
  );
});

test("the identity names what the module can reach, and nothing else", (t) => {
  moduleProject(t);
  const { entry, sources, imports, esm, packages, tsconfig } = identityOf(fit());
  assert.equal(entry, "steps/fit.ts");
  assert.deepEqual(Object.keys(sources), [
    "lib/deep/factor.ts",
    "lib/deep/size.json",
    "lib/scale.ts",
    "steps/fit.ts",
    "steps/model.ts",
  ]);
  assert.deepEqual({ ...imports["steps/model.ts"] }, { "@lib/scale.ts": "lib/scale.ts" });
  assert.deepEqual({ ...imports["steps/fit.ts"] }, { tiny: "tiny@1.2.3" });
  assert.deepEqual(esm, [""]);
  assert.deepEqual(
    Object.entries(packages).map(([name, { integrity }]) => [name, integrity]),
    [
      ["dep@2.0.1", "sha512-dep"],
      ["tiny@1.2.3", "sha512-tiny"],
    ],
  );
  assert.deepEqual({ ...tsconfig }, {});
});

test("a helper three imports away changes it, and its old text gives the old one", (t) => {
  const project = moduleProject(t);
  const before = fit();
  assertChanged(around(project, { "lib/deep/size.json": '{ "factor": 4 }\n' }));
  project.write({ "lib/deep/size.json": GOLDEN["lib/deep/size.json"]! });
  assert.equal(fit(), before);
  assertChanged(around(project, { "steps/fit.ts": `${GOLDEN["steps/fit.ts"]}// a comment\n` }));
});

test("files it does not reach, times and types do not matter", (t) => {
  const project = moduleProject(t);
  assertSame(around(project, { "lib/unrelated.ts": "export const unrelated = 2;\n" }));
  assertSame(around(project, { "steps/rate.ts": "export type Rate = 1 | 2;\n" }));
  const before = fit();
  utimesSync(join(project.dir, "lib/scale.ts"), 1, 1);
  assert.equal(fit(), before);
});

test("another place is the same module", (t) => {
  const project = moduleProject(t);
  const before = fit();
  const elsewhere = mkdtempSync(join(tmpdir(), "alamode-elsewhere-"));
  t.after(() => rmSync(elsewhere, { recursive: true }));
  cpSync(project.dir, join(elsewhere, "deep/er"), { recursive: true });
  setSourceBase(join(elsewhere, "deep/er"));
  assert.equal(fit(), before);
  setSourceBase(tmpdir());
  assert.equal(module("fit.ts", { export: "fit", from: join(elsewhere, "deep/er/steps") }).module, before);
  assert.ok(!moduleCode(before)!.bundle.includes(project.dir));
});

test("what an import leads to is part of it, though the same files are reached", (t) => {
  const project = moduleProject(t, {
    "package.json": '{ "imports": { "#rate": "./one.ts" } }',
    "tsconfig.json": '{ "compilerOptions": { "paths": { "@a": ["./one.ts"], "@b": ["./two.ts"] } } }',
    "steps/fit.ts":
      'import { x } from "@a";\nimport { x as y } from "@b";\nimport { x as z } from "#rate";\nexport const fit = () => [x, y, z];\n',
    "one.ts": "export const x = 1;\n",
    "two.ts": "export const x = 2;\n",
  });
  assertChanged(
    around(project, {
      "tsconfig.json": '{ "compilerOptions": { "paths": { "@a": ["./two.ts"], "@b": ["./one.ts"] } } }',
    }),
  );
  assertChanged(around(project, { "package.json": '{ "imports": { "#rate": "./two.ts" } }' }));
});

test("of tsconfig only what changes emitted code matters, wherever it is inherited from", (t) => {
  const project = moduleProject(t);
  const config = (options: string) => ({
    "tsconfig.json": `{ "extends": "./base.json", "compilerOptions": ${options} }`,
  });
  project.write({
    "base.json": '{ "compilerOptions": { "paths": { "@lib/*": ["./lib/*"] } } }',
    ...config("{}"),
  });
  assertSame(around(project, config('{ "strict": false, "target": "es2024", "noEmit": true }')));
  assertChanged(around(project, config('{ "target": "es2020" }')));
  assert.deepEqual({ ...identityOf(fit()).tsconfig }, { useDefineForClassFields: 0 });
  assertChanged(around(project, config('{ "experimentalDecorators": true }')));
  const before = fit();
  project.write(config("{}"));
  const [, inherited] = around(project, {
    "base.json":
      '{ "compilerOptions": { "experimentalDecorators": true, "paths": { "@lib/*": ["./lib/*"] } } }',
  });
  assert.equal(inherited, before);
  project.write({ "tsconfig.json": '{ "extends": "./nowhere.json" }' });
  refused(fit, "bad-tsconfig", /extends ".\/nowhere.json", which is not there/);
});

test("TSX is compiled as tsconfig says, and so its runtime is a package like others", (t) => {
  const project = moduleProject(t, {
    "package.json": "{}",
    "tsconfig.json": '{ "compilerOptions": { "jsx": "preserve", "jsxImportSource": "tiny-jsx" } }',
    "node_modules/tiny-jsx/package.json":
      '{ "name": "tiny-jsx", "version": "1.0.0", "exports": { "./jsx-runtime": "./runtime.js" } }',
    "node_modules/tiny-jsx/runtime.js": "exports.jsx = (tag, props) => ({ tag, props });",
    "steps/fit.tsx": "export const fit = () => <p>1</p>;\n",
  });
  const page = () => module("steps/fit.tsx", { export: "fit" }).module;
  const { packages, tsconfig } = identityOf(page());
  assert.deepEqual(Object.keys(packages), ["tiny-jsx@1.0.0"]);
  assert.deepEqual({ ...tsconfig }, { jsx: "react-jsx", jsxImportSource: "tiny-jsx" });
  const before = page();
  project.write({ "tsconfig.json": '{ "compilerOptions": { "jsx": "react", "jsxFactory": "h" } }' });
  assert.notEqual(page(), before);
});

test("imports by a literal are followed, wherever they stand; computed ones are refused with their place", (t) => {
  const project = moduleProject(t);
  const text = (path: string) =>
    `export async function fit() { return (await import(${path})).unrelated; }\n`;
  project.write({ "steps/fit.ts": text('"../lib/unrelated.ts"') });
  assertChanged(around(project, { "lib/unrelated.ts": "export const unrelated = 2;\n" }));
  project.write({ "steps/fit.ts": `\n${text('process.argv[2] ?? ""')}` });
  refused(fit, "module-computed-import", /steps\/fit\.ts:2: what this imports is known only when it runs/);
  // A pattern below a folder is every file that it could mean.
  project.write({ "steps/fit.ts": text("`../lib/${process.argv[2]}.ts`") });
  assertChanged(around(project, { "lib/unrelated.ts": "export const unrelated = 3;\n" }));
});

test("a package is named by its lock entry, and by its code where that was edited", (t) => {
  const project = moduleProject(t);
  const lock = (change: (packages: Record<string, Record<string, unknown>>) => void) => {
    const parsed = JSON.parse(GOLDEN["package-lock.json"]!);
    change(parsed.packages);
    return { "package-lock.json": JSON.stringify(parsed) };
  };
  assertSame(
    around(
      project,
      lock((packages) => Object.assign(packages["node_modules/other"]!, { version: "10.0.0" })),
    ),
  );
  assertChanged(
    around(
      project,
      lock((packages) => Object.assign(packages["node_modules/dep"]!, { integrity: "sha512-x" })),
    ),
  );
  assertChanged(around(project, { "node_modules/dep/index.js": "module.exports = 41;" }));
  assertSame(around(project, { "node_modules/dep/README.md": "unreached" }));
  project.write(lock((packages) => Object.assign(packages["node_modules/dep"]!, { version: "2.1.0" })));
  refused(fit, "not-as-locked", /package "dep" is installed in another version/);
  project.write({ "package-lock.json": '{ "lockfileVersion": 1, "dependencies": {} }' });
  refused(fit, "old-lock-file", /npm wrote before version 7/);
  rmSync(join(project.dir, "package-lock.json"));
  const unlocked = identityOf(fit()).packages;
  assert.deepEqual(Object.keys(unlocked["tiny@1.2.3"]!), ["code"]);
});

test("packages for other systems count by their lock entries, whichever of them is here", (t) => {
  const project = moduleProject(t, {
    "package.json": "{}",
    "package-lock.json": JSON.stringify({
      lockfileVersion: 3,
      packages: {
        "node_modules/fast": {
          version: "1.0.0",
          integrity: "f",
          optionalDependencies: { "@fast/a": "1", "@fast/b": "1" },
        },
        "node_modules/@fast/a": { version: "1.0.0", integrity: "a", os: ["linux"], optional: true },
        "node_modules/@fast/b": { version: "1.0.0", integrity: "b", os: ["aix"], optional: true },
      },
    }),
    "node_modules/fast/package.json": '{ "name": "fast", "version": "1.0.0" }',
    "node_modules/fast/index.js":
      "try { module.exports = require('@fast/a'); } catch { module.exports = require('@fast/b'); }",
    "node_modules/@fast/a/package.json": '{ "name": "@fast/a", "version": "1.0.0", "os": ["linux"] }',
    "node_modules/@fast/a/index.js": "module.exports = require('./a.node');",
    "node_modules/@fast/a/a.node": "\u0000native",
    "steps/fit.ts": 'import fast from "fast";\nexport const fit = () => fast;\n',
  });
  const before = fit();
  assert.deepEqual(Object.keys(identityOf(before).packages), [
    "@fast/a@1.0.0",
    "@fast/b@1.0.0",
    "fast@1.0.0",
  ]);
  assert.deepEqual(moduleCode(before)!.external, [join(project.dir, "node_modules/@fast/a")]);
  rmSync(join(project.dir, "node_modules/@fast/a"), { recursive: true });
  project.write({
    "node_modules/@fast/b/package.json": '{ "name": "@fast/b", "version": "1.0.0", "os": ["aix"] }',
    "node_modules/@fast/b/index.js": "module.exports = require('./b.node');",
    "node_modules/@fast/b/b.node": "\u0000other",
  });
  assert.equal(fit(), before);
});

test("two versions of a package are both there, and who uses which is told", (t) => {
  moduleProject(t, {
    "package.json": "{}",
    "node_modules/dep/package.json": '{ "name": "dep", "version": "1.0.0" }',
    "node_modules/dep/index.js": "module.exports = 1;",
    "steps/node_modules/dep/package.json": '{ "name": "dep", "version": "2.0.0" }',
    "steps/node_modules/dep/index.js": "module.exports = 2;",
    "lib.ts": 'import dep from "dep";\nexport default dep;\n',
    "steps/fit.ts":
      'import dep from "dep";\nimport lib from "../lib.ts";\nexport const fit = () => dep + lib;\n',
  });
  const { packages, imports } = identityOf(fit());
  assert.deepEqual(Object.keys(packages), ["dep@1.0.0", "dep@2.0.0"]);
  assert.deepEqual([imports["lib.ts"]!["dep"], imports["steps/fit.ts"]!["dep"]], ["dep@1.0.0", "dep@2.0.0"]);
});

test("a workspace package counts by its files, under its name", (t) => {
  const project = moduleProject(t, {
    "package.json": '{ "workspaces": ["packages/*"] }',
    "packages/app/package.json": '{ "name": "app" }',
    "packages/app/fit.ts": 'import { shared } from "@me/shared";\nexport const fit = () => shared;\n',
    "packages/shared/package.json": '{ "name": "@me/shared", "type": "module", "exports": "./src/index.ts" }',
    "packages/shared/src/index.ts": "export const shared = 1;\n",
  });
  project.link("node_modules/@me/shared", "../../packages/shared");
  const app = () => module("packages/app/fit.ts", { export: "fit" }).module;
  const before = app();
  const { entry, sources, imports, esm } = identityOf(before);
  assert.equal(entry, "fit.ts");
  assert.deepEqual(Object.keys(sources), ["@me/shared:src/index.ts", "fit.ts"]);
  assert.equal(imports["fit.ts"]!["@me/shared"], "@me/shared:src/index.ts");
  assert.deepEqual(esm, ["@me/shared"]);
  project.write({ "packages/shared/src/index.ts": "export const shared = 2;\n" });
  assert.notEqual(app(), before);
});

test("this library is no part of it", (t) => {
  const text = 'import { json } from "a-la-mode";\nexport const fit = () => json(1);\n';
  moduleProject(t, { "package.json": "{}", "steps/fit.ts": text });
  const { packages, imports } = identityOf(fit());
  assert.deepEqual([Object.keys(packages), Object.keys(imports)], [[], []]);
});

test("what is wrong is told with its place and a way out", (t) => {
  const project = moduleProject(t);
  refused(() => module("steps/fti.ts"), "no-module", /there is no file .*steps\/fti\.ts/);
  refused(() => module("steps/fit.ts"), "no-such-export", /it has no export "default"/);
  refused(() => module("steps/fit.ts", { export: "fi" }), "no-such-export", /no export "fi"/);
  const wrong = { at: { x: Number.NaN } };
  refused(() => module("steps/fit.ts", { export: "fit", args: wrong }), "not-encodable", /at\.x: NaN/);
  project.write({ "lib/scale.ts": "export const scale = 1;\nexport const = 2;\n" });
  refused(fit, "module-broken", /lib\/scale\.ts:2: Expected identifier/);
  project.write({ "lib/scale.ts": 'import "nowhere";\n' });
  refused(fit, "module-broken", /lib\/scale\.ts:1: Could not resolve "nowhere"/);
});

test("a module that is described a thousand times is read once", (t) => {
  moduleProject(t);
  const first = moduleCode(fit());
  for (let n = 0; n < 1000; n++)
    assert.equal(moduleCode(module("steps/fit.ts", { export: "fit", args: { n } }).module), first);
});

test("what changed between two identities is told by file, package and field", async (t) => {
  const project = moduleProject(t);
  const before = fit();
  const kept = moduleCode(before)!.encoded;
  project.write({
    "lib/scale.ts": "export const scale = (x: number) => x;\n",
    "tsconfig.json": '{ "compilerOptions": { "target": "es2020", "paths": { "@lib/*": ["./lib/*"] } } }',
  });
  const changes = await moduleChanges(before, fit(), async () => kept);
  assert.deepEqual(
    changes?.map(({ path }) => path.join(" ")),
    [
      "sources lib/deep/factor.ts",
      "sources lib/deep/size.json",
      "sources lib/scale.ts",
      "tsconfig useDefineForClassFields",
    ],
  );
  assert.equal(await moduleChanges("0".repeat(64), before, async () => undefined), undefined);
});

test("the args are typed by the function, where it is named", (t) => {
  moduleProject(t);
  const typed = (_: TaskCall<{ width: number }>) => {};
  const spec = module<typeof typed>("steps/fit.ts", { export: "fit", args: { width: 1600 } });
  assert.equal(spec.args, '{"width":1600}');
  // @ts-expect-error width is a number
  module<typeof typed>("steps/fit.ts", { export: "fit", args: { width: "1600" } });
});

test("saving a plan keeps its modules", async (t: TestContext) => {
  const project = moduleProject(t);
  const dag = new Dag();
  dag.task("fit", module("steps/fit.ts", { export: "fit" }));
  mkdirSync(join(project.dir, "plans"));
  await dag.save(join(project.dir, "plans/fit.dag"));
  const digest = fit();
  const kept = (name: string) => readFileSync(join(project.dir, ".alamode/sources", name.slice(0, 2), name));
  assert.ok(kept(digest).equals(moduleCode(digest)!.encoded));
  for (const [path, sha256] of Object.entries(identityOf(digest).sources)) {
    assert.equal(kept(sha256).toString(), GOLDEN[path]);
  }
  assert.match(
    kept(`${digest}.mjs`).toString(),
    /\/\/ alamode \{"external":\[\],"sha256":"[0-9a-f]{64}"\}\n$/,
  );
});

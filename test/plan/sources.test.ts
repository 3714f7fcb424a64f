import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { findProject } from "../../src/plan/project-folder.ts";
import { source } from "../../src/plan/source-task.ts";
import { files, setSourceBase, sourceFile, sourcesOf } from "../../src/plan/sources.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** A project folder with some code in it, in which `files` looks from now on. */
function project(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "alamode-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "lib/deep"), { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}");
  writeFileSync(join(folder, "fit.py"), "fit");
  writeFileSync(join(folder, "lib/a.py"), "a");
  writeFileSync(join(folder, "lib/deep/é.py"), "b");
  setSourceBase(folder);
  return folder;
}

test("files gives each regular file's digest by its path", (t) => {
  const folder = project(t);
  symlinkSync("../fit.py", join(folder, "lib/link.py"));
  const found = files("lib/**", "fit.py", "lib/a.py");
  assert.deepEqual(Object.entries(found), [
    ["fit.py", sha256("fit")],
    ["lib/a.py", sha256("a")],
    ["lib/deep/é.py", sha256("b")],
    ["lib/link.py", sha256("fit")],
  ]);
  assert.equal(sourceFile(sha256("a")), join(folder, "lib/a.py"));
  assert.deepEqual({ ...files("*.py", { from: "lib" }) }, { "a.py": sha256("a"), "link.py": sha256("fit") });
  assert.deepEqual({ ...files("a.py", { from: join(folder, "lib") }) }, { "a.py": sha256("a") });
});

test("a changed byte changes the ID; another time or place does not", (t) => {
  const folder = project(t);
  const output = () => {
    const dag = new Dag();
    dag.task("fit", { command: "python3 fit.py", files: files("fit.py", "lib/**") });
    return dag.encode().tasks["fit"]!.output;
  };
  const before = output();
  utimesSync(join(folder, "fit.py"), 1, 1);
  assert.equal(output(), before);
  const copy = mkdtempSync(join(tmpdir(), "alamode-"));
  t.after(() => rmSync(copy, { recursive: true }));
  cpSync(folder, copy, { recursive: true });
  setSourceBase(copy);
  assert.equal(output(), before);
  writeFileSync(join(copy, "lib/a.py"), "A");
  assert.notEqual(output(), before);
});

test("what cannot be meant is refused, with the pattern and where it looked", (t) => {
  const folder = project(t);
  symlinkSync("nowhere", join(folder, "dangling.py"));
  assert.throws(() => files("fit.pyy"), {
    code: "no-source",
    message: `files("fit.pyy"): no file in ${folder} matches.`,
  });
  assert.throws(() => files("lib/*.txt"), { code: "no-source" });
  assert.throws(() => files("lib"), { code: "source-folder", hint: 'Write files("lib/**") for all in it.' });
  assert.throws(() => files("../x.py"), { code: /source-outside|no-source/ });
  assert.throws(() => files("/etc/hostname"), { code: "source-outside" });
  assert.throws(() => files(`${tmpdir()}/*`), { code: "source-outside" });
  assert.throws(() => files("dangling.py"), { code: "no-source", message: /link to nothing/ });
});

test("a name with glob characters is taken literally where such a file exists", (t) => {
  const folder = project(t);
  writeFileSync(join(folder, "a[1].py"), "odd");
  assert.deepEqual({ ...files("a[1].py") }, { "a[1].py": sha256("odd") });
});

test("a pattern enters hidden and linked folders only where it names them, in every Node", (t) => {
  const folder = project(t);
  mkdirSync(join(folder, "lib/.git"));
  writeFileSync(join(folder, "lib/.git/config"), "git");
  symlinkSync("lib", join(folder, "linked"));
  symlinkSync("../deep", join(folder, "lib/deep/again"));
  const all = ["lib/a.py", "lib/deep/é.py"];
  assert.deepEqual(Object.keys(files("lib/**")), all);
  assert.deepEqual(Object.keys(files("lib/**/*")), all);
  assert.deepEqual(Object.keys(files("**/*.py")), ["fit.py", ...all]);
  assert.deepEqual(Object.keys(files("*/*.py")), ["lib/a.py"]);
  assert.deepEqual(Object.keys(files("linked/*.py")), ["linked/a.py"]);
  assert.deepEqual(Object.keys(files("lib/.git/**")), ["lib/.git/config"]);
});

test("saving a plan keeps the contents of its sources", async (t) => {
  const folder = project(t);
  const dag = new Dag();
  dag.task("fit", { command: "python3 fit.py", files: files("fit.py", "lib/a.py") });
  await dag.save(join(folder, "plan.dag"));
  for (const text of ["fit", "a"]) {
    const digest = sha256(text);
    const kept = join(folder, ".alamode/sources", digest.slice(0, 2), digest);
    assert.equal(readFileSync(kept, "utf8"), text);
    assert.equal(statSync(kept).mode & 0o777, 0o444);
  }
  assert.deepEqual(
    sourcesOf(dag.encode()).map(({ file }) => file),
    [join(folder, "fit.py"), join(folder, "lib/a.py")],
  );
});

test("ALAMODE_STORE says where sources are kept", async (t) => {
  const folder = project(t);
  process.env["ALAMODE_STORE"] = join(folder, "elsewhere");
  t.after(() => delete process.env["ALAMODE_STORE"]);
  const dag = new Dag();
  dag.task("fit", { files: files("fit.py") });
  await dag.save(join(folder, "plan.dag"));
  assert.ok(statSync(join(folder, "elsewhere/sources", sha256("fit").slice(0, 2), sha256("fit"))));
});

test("a source that changed since it was described is not kept under the wrong digest", async (t) => {
  const folder = project(t);
  const dag = new Dag();
  dag.task("fit", { files: files("fit.py") });
  writeFileSync(join(folder, "fit.py"), "changed");
  await assert.rejects(dag.save(join(folder, "plan.dag")), { code: "source-changed" });
  assert.throws(() => statSync(join(folder, "plan.dag")), { code: "ENOENT" });
});

test("a project begins at the nearest package.json", (t) => {
  const folder = project(t);
  assert.equal(findProject(join(folder, "lib/deep")), folder);
  assert.equal(findProject("/"), "/");
});

test("a map of files, or nothing at all, is refused instead of being no file", (t) => {
  project(t);
  const given = { "fit.py": "lib/a.py" } as unknown as { from: string };
  assert.throws(() => files(given), {
    code: "bad-option",
    message: /files\(\{ "fit\.py": … \}\)/,
    hint: /files\('fit\.py'/,
  });
  assert.throws(() => source("fit.py", { inplace: true } as object), {
    code: "bad-option",
    message: /"inplace"/,
    hint: /inPlace/,
  });
  assert.throws(() => files(), { code: "no-source", hint: /files\('fit\.py'/ });
});

// What nodeEnv and pythonEnv describe, without installing anything.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { nodeEnv } from "../../src/plan/node-env.ts";
import { pythonEnv } from "../../src/plan/python-env.ts";
import { takeRemarks } from "../../src/plan/remarks.ts";
import { setSourceBase } from "../../src/plan/sources.ts";

/** A project folder with these files, in which paths start from now on. */
function project(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "alamode-")));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  setSourceBase(folder);
  takeRemarks();
  return folder;
}

const LOCK = JSON.stringify({
  lockfileVersion: 3,
  packages: { "": {}, "node_modules/a": { version: "1.0.0" } },
});
const outputOf = (spec: ReturnType<typeof nodeEnv>) => {
  const dag = new Dag();
  dag.task("env", spec);
  return dag.encode().tasks["env"]!.output;
};

test("the ID of a node environment is that of package.json and the lock file, wherever they lie", (t) => {
  const files = { "package.json": "{}", "package-lock.json": LOCK };
  project(t, files);
  const output = outputOf(nodeEnv("package-lock.json"));
  project(t, {
    "app/package.json": "{}",
    "app/package-lock.json": LOCK,
    "app/.npmrc": "registry=http://x\n",
  });
  assert.equal(
    outputOf(nodeEnv("app/package-lock.json")),
    output,
    "neither folder nor registry is part of it",
  );
  assert.notEqual(outputOf(nodeEnv("app/package-lock.json", { omit: ["dev"] })), output);
  assert.notEqual(outputOf(nodeEnv("app/package-lock.json", { platform: "linux-x86_64" })), output);
  project(t, { ...files, "package.json": '{ "a": 1 }' });
  assert.notEqual(outputOf(nodeEnv("package-lock.json")), output);
  project(t, { ...files, ".npmrc": "legacy-peer-deps=true\n" });
  assert.ok(
    nodeEnv("package-lock.json").command.includes("--legacy-peer-deps"),
    "npm would disagree otherwise",
  );
});

test("what cannot be installed from a registry alone is refused with its name", (t) => {
  const lock = (packages: object) => JSON.stringify({ packages });
  const refused = (text: string, what: RegExp) => {
    project(t, { "package.json": "{}", "package-lock.json": text });
    assert.throws(() => nodeEnv("package-lock.json"), what);
  };
  refused(lock({ "node_modules/own": { link: true, resolved: "packages/own" } }), /node_modules\/own/);
  refused(lock({ "node_modules/x": { resolved: "file:../x.tgz" } }), /node_modules\/x/);
  refused("{}", /before version 7/);
  refused("not json", /is not JSON/);
  project(t, { "package-lock.json": LOCK });
  assert.throws(() => nodeEnv("package-lock.json"), /no package\.json beside it/);
  assert.throws(() => nodeEnv("other/package-lock.json"), { code: "no-source" });
  project(t, { "pnpm-lock.yaml": "" });
  assert.throws(() => nodeEnv("pnpm-lock.yaml"), { code: "bad-lock-file" });
});

test("files that a requirements file names come along, and are part of the ID", (t) => {
  project(t, {
    "requirements.txt":
      "-r more/base.txt\n-c limits.txt\n--index-url https://example.org/simple\na==1.0 # why\n",
    "more/base.txt": "b==2.0 \\\n  --hash=sha256:00\n",
    "limits.txt": "c==3.0\n",
  });
  const { files, command } = pythonEnv("requirements.txt");
  assert.deepEqual(Object.keys(files), [
    "install-python.py",
    "limits.txt",
    "more/base.txt",
    "requirements.txt",
  ]);
  assert.deepEqual(command, ["python3", "install-python.py", "python3", "requirements.txt"]);
  assert.deepEqual(takeRemarks(), []);
});

test("requirements that are not pinned are warned of, by name", (t) => {
  project(t, {
    "requirements.txt": [
      "pinned==1.0",
      "exact===1.0 ; python_version > '3'",
      "hashed --hash=sha256:00",
      "extra[more]==2.0",
      "commit @ git+https://example.org/x@0123456789012345678901234567890123456789",
      "loose",
      "atleast>=1",
      "wild==1.*",
      "moving @ git+https://example.org/x@main",
    ].join("\n"),
  });
  pythonEnv("requirements.txt");
  const [said, ...others] = takeRemarks();
  assert.deepEqual(others, []);
  assert.match(
    said!,
    /requirements\.txt"\): loose, atleast>=1, wild==1\.\* and 1 more may mean another version/,
  );
});

test("requirements that are folders here are refused, and so is a file outside", (t) => {
  for (const line of ["-e .", "./lib", "own @ file:///tmp/x", "../up"]) {
    project(t, { "requirements.txt": line });
    assert.throws(() => pythonEnv("requirements.txt"), { code: "bad-requirements" }, line);
  }
  project(t, { "env/requirements.txt": "-r ../base.txt", "base.txt": "" });
  assert.throws(() => pythonEnv("env/requirements.txt"), { code: "bad-requirements" });
  assert.throws(() => pythonEnv("env/missing.txt"), { code: "no-source" });
  assert.throws(() => pythonEnv("base.txt", { platform: "Linux" }), { code: "bad-platform" });
});

test("an environment says what is to be passed; a task's own options are added, and a copied spec has them too", (t) => {
  project(t, { "requirements.txt": "" });
  const dag = new Dag();
  dag.task("plain", pythonEnv("requirements.txt"));
  dag.task("more", { ...pythonEnv("requirements.txt"), kind: "x" }, { retries: 2, pass: "MINE" });
  const options = dag.encode().meta["options"] as Record<string, { pass: string[]; retries?: number }>;
  assert.ok(options["plain"]!.pass.includes("PIP_INDEX_URL"));
  assert.deepEqual({ ...options["more"] }, { retries: 2, pass: [...options["plain"]!.pass, "MINE"] });
});

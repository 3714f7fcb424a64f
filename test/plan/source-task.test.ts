import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { bencodePlan } from "../../src/plan/encode.ts";
import { source } from "../../src/plan/source-task.ts";
import { setSourceBase } from "../../src/plan/sources.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** A project folder whose files hold their own paths, in which `source` looks from now on. */
function project(t: TestContext, ...paths: string[]): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "alamode-")));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), path);
  }
  setSourceBase(folder);
  return folder;
}

const pathsOf = (...given: Parameters<typeof source>) => Object.keys(source(...given).source);

test("paths start in the folder that a pattern names", (t) => {
  const folder = project(t, "data/b.csv", "data/a.csv", "data/deep/c.csv", "data/.hidden", "other/d.txt");
  assert.deepEqual(pathsOf("data/*.csv"), ["a.csv", "b.csv"]);
  assert.deepEqual(pathsOf("data/**/*.csv"), ["a.csv", "b.csv", "deep/c.csv"]);
  assert.deepEqual(pathsOf("data"), [".hidden", "a.csv", "b.csv", "deep/c.csv"]);
  assert.deepEqual(pathsOf("*/*.csv"), ["data/a.csv", "data/b.csv"]);
  assert.deepEqual(pathsOf("data/*.csv", "other"), ["a.csv", "b.csv", "d.txt"]);
  assert.deepEqual(pathsOf("data/a.csv", "other/*"), ["a.csv", "d.txt"]);
  assert.deepEqual(pathsOf("*.csv", { from: "data" }), ["a.csv", "b.csv"]);
  assert.deepEqual(pathsOf(`${folder}/data/*.csv`), ["a.csv", "b.csv"], "data may lie anywhere");
});

test("one plain file is a lone file; a pattern that matches one is a folder", (t) => {
  project(t, "data/a.csv");
  assert.deepEqual({ ...source("data/a.csv").source }, { "": sha256("data/a.csv") });
  assert.deepEqual({ ...source("data/*.csv").source }, { "a.csv": sha256("data/a.csv") });
});

test("what cannot be meant is refused", (t) => {
  const folder = project(t, "a/x.csv", "b/x.csv");
  const refused = (code: string, message: RegExp, ...given: Parameters<typeof source>) =>
    assert.throws(() => source(...given), { code, message });
  refused("source-clash", /both .*a\/x\.csv and .*b\/x\.csv would be "x\.csv"/, "a/*.csv", "b/*.csv");
  assert.deepEqual(pathsOf("{a,b}/*.csv"), ["a/x.csv", "b/x.csv"]);
  refused("no-source", /source\("\*\.txt"\): no file in .* matches/, "*.txt");
  refused("no-source", /names no data/);
  refused("bad-url", /given by name/, "https://example.org/data.csv");
  mkdirSync(join(folder, "empty"));
  refused("no-source", /there is no file in it/, "empty");
  symlinkSync("../b", join(folder, "a/linked"));
  refused("source-link", /a\/linked is a link to a folder/, "a");
  refused("no-source", /one file or folder is needed/, "a", "b", { inPlace: true });
  const url = (given: { url: string; sha256: string }, message: RegExp) =>
    assert.throws(() => source(given), { code: "bad-url", message });
  url({ url: "ftp://example.org/x", sha256: sha256("") }, /http or https/);
  url({ url: "https://me:secret@example.org/x", sha256: sha256("") }, /holds a password/);
  url({ url: "https://example.org/x", sha256: "abc" }, /64 lowercase hex/);
});

test("where data is to be had goes into meta, and into no ID", (t) => {
  const folder = project(t, "data/a.csv");
  const digest = sha256("data/a.csv");
  const dag = new Dag({ name: "mine" });
  dag.task("file", source("data/a.csv"));
  dag.task("url", { ...source({ url: "https://example.org/a.csv", sha256: digest }) });
  dag.task("place", source("data/a.csv", { inPlace: true }));
  const { meta, tasks } = dag.encode();
  assert.deepEqual(JSON.parse(JSON.stringify(meta)), {
    name: "mine",
    places: { place: { path: `${folder}/data/a.csv` }, url: { url: "https://example.org/a.csv" } },
  });
  assert.equal(tasks["url"]!.output, tasks["file"]!.output);
  assert.equal(tasks["place"]!.output, tasks["file"]!.output);
  assert.deepEqual(dag.bencode(), new Uint8Array(bencodePlan(dag.encode())), "the file says the same");
});

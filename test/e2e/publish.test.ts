// Option `publish` and `alamode publish`: results where people look for them, and never over what is theirs.
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventsOf, jsonLines, type Project, pipeline, project } from "./project.ts";

const report = (text: string, publish = '"results/report.md"') =>
  pipeline(`const clean = dag.task("clean", { command: "echo clean > $OUTPUT" });
dag.task("report", { command: "echo ${text} > $OUTPUT", produces: "report.md" }, { publish: ${publish} }).after(clean);`);

const place = (here: Project, path = "results/report.md") => join(here.dir, path);

test("a result is found where the task says, after it ran and after it was reused, as it was last made", async (t) => {
  const here = project(t, { "pipeline.ts": report("one") });
  assert.match(await here.done(["run"]), /\nreport → results\/report\.md\n$/);
  const target = readlinkSync(place(here));
  assert.match(target, /^\.\.\/\.alamode\/outputs\/[0-9a-f]{2}\/[0-9a-f]{64}\/report\.md$/);
  assert.equal(here.read("results/report.md"), "one\n");

  assert.doesNotMatch(await here.done(["run"]), /→/);
  rmSync(place(here));
  assert.match(await here.done(["run"]), /2 tasks: 2 reused.*\nreport → results\/report\.md\n$/);

  here.write("pipeline.ts", report("two"));
  await here.done(["run"]);
  assert.equal(here.read("results/report.md"), "two\n");
  assert.equal(
    readFileSync(join(here.dir, "results", target), "utf8"),
    "one\n",
    "what was there is in the store",
  );
  // Back to what was made before: nothing runs, and the link leads there again.
  here.write("pipeline.ts", report("one"));
  assert.match(await here.done(["run"]), /2 reused/);
  assert.equal(readlinkSync(place(here)), target);
  // A project that was moved takes its links along.
  renameSync(here.dir, `${here.dir}-moved`);
  assert.equal(readFileSync(join(`${here.dir}-moved`, "results/report.md"), "utf8"), "one\n");
  renameSync(`${here.dir}-moved`, here.dir);
  assert.deepEqual(readdirSync(join(here.dir, "results")), ["report.md"]);
});

test("a copy where one is asked for: the user's to read anywhere, and replaced only while it is as it was put there", async (t) => {
  const copy = '{ path: "results/report.md", copy: true }';
  const here = project(t, { "pipeline.ts": report("one", copy) });
  await here.done(["run"]);
  assert.ok(lstatSync(place(here)).isFile());
  const { mtimeMs } = lstatSync(place(here));
  await here.done(["run"]);
  assert.equal(lstatSync(place(here)).mtimeMs, mtimeMs, "not written again");
  here.write("pipeline.ts", report("two", copy));
  await here.done(["run"]);
  assert.equal(here.read("results/report.md"), "two\n");

  writeFileSync(place(here), "edited by hand\n");
  here.write("pipeline.ts", report("three", copy));
  const { code, stdout } = await here.alamode(["run"]);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /✗ report is made, but not published at results\/report\.md: .*changed since it was published/,
  );
  assert.equal(here.read("results/report.md"), "edited by hand\n");
  assert.match(await here.done(["path", "report"]), /report\.md\n$/, "nothing that was made is lost");

  rmSync(place(here));
  assert.equal(await here.done(["publish"]), "report → results/report.md\n");
  assert.equal(here.read("results/report.md"), "three\n");
  // From a copy to a link, and back.
  here.write("pipeline.ts", report("three"));
  await here.done(["run"]);
  assert.ok(lstatSync(place(here)).isSymbolicLink());
  here.write("pipeline.ts", report("three", copy));
  await here.done(["run"]);
  assert.ok(lstatSync(place(here)).isFile());
});

test("what is the user's own is never replaced: a file, a folder, a link elsewhere, or a file in the way", async (t) => {
  const cases: readonly (readonly [what: string, lay: (path: string) => void])[] = [
    ["a file", (path) => writeFileSync(path, "mine")],
    ["a folder", (path) => mkdirSync(path)],
    ["a link", (path) => symlinkSync("/etc", path)],
  ];
  for (const [what, lay] of cases) {
    const here = project(t, { "pipeline.ts": report("one"), "results/other": "" });
    lay(place(here));
    const before = lstatSync(place(here));
    const { code, stdout } = await here.alamode(["run", "--json"]);
    assert.equal(code, 1, what);
    const [event] = eventsOf(stdout, "task.unpublished");
    assert.match(String(event!["message"]), /lies there, and was left as it is/);
    assert.match(String(event!["hint"]), /alamode publish/);
    assert.equal(eventsOf(stdout, "run.finished")[0]!["status"], "done", "no result is lost");
    assert.equal(lstatSync(place(here)).ino, before.ino);
    const again = await here.alamode(["publish", "report"]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /was left as it is/);
  }
  const here = project(t, { "pipeline.ts": report("one"), results: "a file" });
  const { code, stdout } = await here.alamode(["run"]);
  assert.equal(code, 1);
  assert.match(stdout, /a file lies where its folder should be/);
  // Where a folder was published, the next pipeline must not write into what the store keeps.
  rmSync(join(here.dir, "results"));
  here.write(
    "other.ts",
    pipeline(`dag.task("all", { command: "mkdir $OUTPUT; echo > $OUTPUT/x" }, { publish: "results" });`),
  );
  await here.done(["run", "-f", "other.ts"]);
  const within = await here.alamode(["run"]);
  assert.equal(within.code, 1);
  assert.match(within.stdout, /it would lie within another task's output/);
  assert.deepEqual(readdirSync(join(here.dir, "results")), ["x"]);
});

test("whole families are published by pattern, folders too", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`for (const name of ["a", "b"])
  dag.task(\`align/\${name}\`, { command: \`mkdir $OUTPUT; echo \${name} > $OUTPUT/x\` });`),
    "alamode.config.ts": `export default { options: { "align/*": { publish: "results/{name}/all" } } };`,
  });
  await here.done(["run"]);
  assert.equal(here.read("results/a/all/x"), "a\n");
  assert.equal(here.read("results/b/all/x"), "b\n");
  here.write(
    "alamode.config.ts",
    `export default { options: { "align/*": { publish: { path: "copies/{task}", copy: true } } } };`,
  );
  assert.match(await here.done(["run"]), /align\/a → copies\/align\/a\n/);
  assert.ok(lstatSync(join(here.dir, "copies/align/a")).isDirectory());
  assert.equal(here.read("copies/align/b/x"), "b\n");
});

test("paths that clash, or lead where nothing may be published, are refused before anything runs", async (t) => {
  const two = (one: string, other: string) =>
    pipeline(`dag.task("a", { command: "echo a > $OUTPUT" }, { publish: ${JSON.stringify(one)} });
dag.task("b", { command: "echo b > $OUTPUT" }, { publish: ${JSON.stringify(other)} });`);
  const wrong: readonly (readonly [text: string, says: RegExp])[] = [
    [two("out/x", "out/./x/"), /tasks "a" and "b" would both be published at "out\/x"/],
    [two("out/x", "out"), /would both be published at "out\/x", or one within the other/],
    [two("out", "../b"), /"b" cannot be published at "\.\.\/b": that leads out of the project/],
    [two("out", "/tmp/b"), /leads out of the project/],
    [two("out", "."), /is no path of a file or folder/],
    [two("out", ".alamode/x"), /lies in \.alamode, which the store keeps/],
    [two("out", ""), /publish must be a path in the project/],
  ];
  for (const [text, says] of wrong) {
    const here = project(t, { "pipeline.ts": text });
    const { code, stderr } = await here.alamode(["run"]);
    assert.equal(code, 2);
    assert.match(stderr, says);
    assert.ok(!existsSync(join(here.dir, "out")));
  }
});

test("alamode publish runs nothing, and says what is not made and what says nowhere", async (t) => {
  const here = project(t, { "pipeline.ts": report("one") });
  await here.done(["run", "clean"]);
  const notMade = await here.alamode(["publish"]);
  assert.equal(notMade.code, 1);
  assert.match(notMade.stderr, /report is not made yet[\s\S]*alamode run report/);
  const nowhere = await here.alamode(["publish", "clean"]);
  assert.equal(nowhere.code, 2);
  assert.match(nowhere.stderr, /"clean" does not say where to publish it[\s\S]*alamode get clean/);
  await here.done(["run"]);
  const [line] = jsonLines(await here.done(["publish", "--json"]));
  assert.deepEqual([line!["task"], line!["path"], line!["changed"]], ["report", place(here), false]);
});

test("what only failed to be made leaves the earlier publication as it is", async (t) => {
  const here = project(t, { "pipeline.ts": report("one") });
  await here.done(["run"]);
  here.write("pipeline.ts", report("two; exit 3"));
  assert.equal((await here.alamode(["run"])).code, 1);
  assert.equal(here.read("results/report.md"), "one\n");
});

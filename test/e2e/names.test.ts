// Names that break careless programs: of tasks, of dependencies under inputs/, of the files in an output; and modes, links
// and umasks, as they come out of the store again.
import assert from "node:assert/strict";
import { lstatSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contentOf, eventsOf, jsonLines, pipeline, project, ranIn } from "./project.ts";
import { noScript, TERMINAL } from "./screen.ts";

const ODD_TASKS = [
  "plain",
  "with blanks  and more",
  "a/b/c",
  "ends/",
  "/begins",
  "..",
  ".",
  "__proto__",
  "constructor",
  "toString",
  "10",
  "Ärger 日本 🎉",
  "e\u0301 is not \u00e9",
  "line\nbreak",
  "tab\tand\u0001bell",
  "quote ' and \" and `x`",
  "$HOME $(echo no) *",
  "-rf",
  "100%",
  "a\\b",
  "x".repeat(300),
  "é".repeat(120),
];

test("tasks of any name are run, found by name, and feed a dependent that reads them all", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`const odd = ${JSON.stringify(ODD_TASKS)};
      const all = odd.map((name, n) => dag.task(name, { command: \`echo \${n} > $OUTPUT\` }));
      dag.task("sum", { command: "ls -A inputs | wc -l > $OUTPUT; find -L inputs -type f -exec cat {} + | sort -n >> $OUTPUT" }).after(...all);`),
  });
  const first = await here.done(["run", "--json"]);
  assert.deepEqual(ranIn(first), [...ODD_TASKS, "sum"].sort());
  const sum = readFileSync((await here.done(["path", "sum"])).trim(), "utf8");
  assert.equal(sum, `${[ODD_TASKS.length, ...ODD_TASKS.keys()].join("\n")}\n`);

  for (const [n, name] of ODD_TASKS.entries()) {
    const path = (await here.done(["path", "--", name])).trim();
    assert.equal(readFileSync(path, "utf8"), `${n}\n`, name);
  }
  const listed = jsonLines(await here.done(["ls", "--json"])).map(({ task }) => task);
  assert.deepEqual(listed.sort(), [...ODD_TASKS, "sum"].sort());
  assert.equal(jsonLines(await here.done(["run", "--json"])).at(-1)?.["reused"], ODD_TASKS.length + 1);
  // A name must not write over other lines of a terminal, or pass for one.
  const lines = (await here.done(["ls"])).split("\n");
  assert.ok(lines.some((line) => line.startsWith("line\\nbreak ")));
  assert.ok(lines.some((line) => line.startsWith("tab\\tand\\u0001bell ")));
  await here.done(["plan", "-o", "odd.dag"]);
  assert.equal(jsonLines(await here.done(["run", "-f", "odd.dag", "--json"])).at(-1)?.["ran"], 0);
});

test("a copy of an oddly named task is called by the end of its name, or as asked", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(
      `dag.task("align/S 1", { command: "echo x > $OUTPUT" }); dag.task("..", { command: "echo y > $OUTPUT" });`,
    ),
  });
  await here.done(["run"]);
  await here.done(["get", "align/S 1"]);
  assert.equal(here.read("S 1"), "x\n");
  await here.done(["get", "..", "up.txt"]);
  assert.equal(here.read("up.txt"), "y\n");
  const refused = await here.alamode(["get", ".."]);
  assert.equal(refused.code, 2, "a copy must never take the place of the folder above");
  assert.doesNotMatch(refused.stderr, /error of its own/);
});

test("an empty name is shown as one, and a long one breaks no table on a terminal", {
  skip: noScript,
}, async (t) => {
  const long = "x".repeat(300);
  const here = project(t, {
    "pipeline.ts": pipeline(
      `for (const name of ["", "${long}", "short"]) dag.task(name, { command: "echo $N > $OUTPUT", env: { N: "n" + name } });`,
    ),
  });
  assert.match(await here.done(["run"]), /^● "" +[\d.]+ s$/m);
  const toPipe = await here.done(["ls"]);
  assert.match(toPipe, /^"" +[0-9a-f]{8} /m);
  assert.match(toPipe, new RegExp(`^${long}  [0-9a-f]{8} `, "m"));
  const toTerminal = await here.done(["ls"], { under: TERMINAL, env: { TERM: "xterm" } });
  const lines = toTerminal.split(/\r?\n/);
  assert.match(toTerminal, /^x{12,}… {2}[0-9a-f]{8} .* run 1\r?$/m);
  assert.ok(
    lines.every((line) => line.length <= 80),
    toTerminal,
  );
});

/** Makes names that a shell would rather not: one a line in JavaScript, so that none is misread on its way. */
const MAKER = `
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
const top = process.env.OUTPUT;
mkdirSync(top);
for (const name of [" ", "-n", "*", "a b", "quote'\\"", "new\\nline", "Ä 日本 🎉", "e\\u0301", "__proto__", "x".repeat(255), "...", ".hidden"])
  writeFileSync(top + "/" + name, name);
mkdirSync(top + "/empty");
mkdirSync(top + "/deep/er", { recursive: true });
writeFileSync(top + "/deep/er/file", "deep");
writeFileSync(top + "/run.sh", "#!/bin/sh\\necho ran\\n");
chmodSync(top + "/run.sh", 0o750);
writeFileSync(top + "/private", "secret");
chmodSync(top + "/private", 0o600);
symlinkSync("deep/er/file", top + "/link");
symlinkSync("er", top + "/deep/folder-link");
`;

const FOLDER = {
  "maker.mjs": MAKER,
  "pipeline.ts":
    pipeline(`const made = dag.task("made", { command: process.execPath + " maker.mjs", files: files("maker.mjs") });
    dag.task("copied", { command: "cp -R inputs/made/. $OUTPUT/", produces: ["link", "empty", "deep/er/file"] }).after(made);`),
};

test("a folder comes out of store and copy as it went in: odd names, links, executables, empty folders", async (t) => {
  const here = project(t, FOLDER);
  await here.done(["run"]);
  const path = (await here.done(["path", "made"])).trim();
  assert.equal(readlinkSync(join(path, "link")), "deep/er/file");
  assert.equal(readFileSync(join(path, "deep/folder-link/file"), "utf8"), "deep");
  assert.equal(readFileSync(join(path, "new\nline"), "utf8"), "new\nline");
  assert.equal(lstatSync(join(path, "run.sh")).mode & 0o777, 0o555);
  assert.equal(lstatSync(join(path, "private")).mode & 0o777, 0o444);
  assert.equal(
    contentOf(path),
    contentOf((await here.done(["path", "copied"])).trim()),
    "a dependent reads the same",
  );

  await here.done(["get", "made", "mine"]);
  const copy = join(here.dir, "mine");
  assert.equal(contentOf(copy), contentOf(path));
  assert.ok(lstatSync(join(copy, "run.sh")).mode & 0o200, "a copy is the user's to change");
  assert.ok(lstatSync(copy).mode & 0o200);
  writeFileSync(join(copy, "private"), "changed");
  assert.match(await here.done(["ls", "made"]), /deep\/er\/file/);
  assert.doesNotMatch(await here.done(["ls", "made"]), /new\nline/);
});

test("the umask of the caller changes no tree: 022, 002 and 077 give the same digests", async (t) => {
  const digests: unknown[] = [];
  for (const mask of ["022", "002", "077"]) {
    const here = project(t, FOLDER);
    const under = ["/bin/sh", "-c", `umask ${mask}; exec "$@"`, "sh"];
    const out = await here.done(["run", "--json"], { under });
    digests.push(eventsOf(out, "task.ran").map(({ task, output, treeDigest }) => [task, output, treeDigest]));
    await here.done(["get", "made"], { under });
    const mode = lstatSync(join(here.dir, "made/private")).mode & 0o777;
    assert.equal(mode, 0o666 & ~Number.parseInt(mask, 8), "a copy heeds the umask");
  }
  assert.equal((digests[0] as unknown[]).length, 2);
  assert.deepEqual(digests[1], digests[0]);
  assert.deepEqual(digests[2], digests[0]);
});

test("a project in a folder of an odd name works like any other", async (t) => {
  const outer = project(t);
  const odd = 'it\'s a "folder" with $HOME, 日本 and\na line';
  outer.write(
    join(odd, "pipeline.ts"),
    pipeline(`const a = dag.task("a", { command: "cat word.txt > $OUTPUT", files: files("word.txt") });
    dag.task("b", { command: ["/bin/sh", "-c", 'cat "$INPUTS/a" "$INPUTS/a" > "$OUTPUT"'] }).after(a);`),
  );
  outer.write(join(odd, "word.txt"), "word\n");
  outer.write(join(odd, "package.json"), "{}");
  const at = { cwd: join(outer.dir, odd) };
  await outer.done(["run"], at);
  const { path } = JSON.parse(await outer.done(["path", "b", "--json"], at)) as { path: string };
  assert.equal(realpathSync(path), path);
  assert.equal(readFileSync(path, "utf8"), "word\nword\n");
});

// What a newcomer types in the first minutes, in that order, and what it leaves behind.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventsOf, type Json, jsonLines, pipeline, project, ranIn } from "./project.ts";

const REPORT = "# Fruit\napple 3\npear 2\nplum 1\n";

test("init, run, run again, change, look: the first minute", async (t) => {
  const here = project(t);
  assert.equal(
    await here.done(["init"]),
    "wrote pipeline.ts, report.ts, alamode.config.ts, tsconfig.json\nnext: alamode run\n",
  );
  const again = await here.alamode(["init"]);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /there already/);

  const first = await here.alamode(["run"]);
  assert.equal(first.code, 0);
  assert.match(first.stdout, /^● words +\d/m);
  assert.match(first.stdout, /^5 tasks: 5 ran, [\d.]+ s$/m);
  assert.match(first.stdout, /^report → results\/report\.md\n$/m);
  const shown = first.stdout.trim().split(" → ")[1]!;
  assert.equal(here.read(shown), REPORT);

  const second = await here.alamode(["run"]);
  assert.match(second.stdout, /^5 tasks: 5 reused, [\d.]+ s\n$/);
  assert.equal(second.stderr, "");
  assert.match(await here.done(["status"]), /^all 5 tasks are done$/m);

  here.write("pipeline.ts", here.read("pipeline.ts").replace("apple pear apple", "pear pear apple"));
  const due = await here.done(["status"]);
  assert.match(due, /^5 of 5 tasks are due:/);
  assert.match(due, /words +spec changed: command/);
  assert.match(due, /report +inputs count\/apple, count\/pear, count\/plum/);
  const changes = await here.alamode(["diff", "1"]);
  assert.equal(changes.code, 1);
  assert.match(changes.stdout, /^words\n {2}command .*\nand so, by their inputs: count\/apple, count\/pear/);

  assert.equal(eventsOf(await here.done(["run", "--json"]), "task.ran").length, 5);
  assert.equal((await here.done(["diff", "3"])).trim(), "no difference");

  const path = (await here.done(["path", "report"])).trim();
  assert.match(path, /\/report\.md$/, "with `produces` the path is that file's");
  assert.match(readFileSync(path, "utf8"), /^# Fruit\npear 3\napple 2\n/m);
  assert.match(await here.done(["get", "report"]), /^report → report\.md\n$/);
  assert.equal(here.read("report.md"), readFileSync(path, "utf8"));
  writeFileSync(join(here.dir, "report.md"), "mine"); // a copy is the user's own, and may be changed
  const refused = await here.alamode(["get", "report"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /report\.md is there already.*\n.*--force/);
  assert.equal(here.read("report.md"), "mine");
  await here.done(["get", "--force", "report"]);
  assert.match(here.read("report.md"), /# Fruit/);

  const list = (await here.done(["ls"])).split("\n");
  assert.match(list[0]!, /^task +output +made +took +size +by$/);
  assert.match(list[1]!, /^words +[0-9a-f]{8} .* run 3$/);
  assert.match(await here.done(["ls", "report"]), /report\.md/);
  assert.equal(await here.done(["ls", "--tasks"]), "words\ncount/apple\ncount/pear\ncount/plum\nreport\n");

  const runs = (await here.done(["runs"])).trim().split("\n");
  assert.equal(runs.length, 4);
  assert.match(runs[1]!, /^3 .*first +5 +0 +0 +0 .*words: command/);
  assert.match(runs[3]!, /^1 .*first run$/);
  const about = await here.done(["show", "report"]);
  assert.match(about, /^report · output [0-9a-f]{8}…[0-9a-f]{4}\n/);
  assert.match(about, /inputs +count\/apple [0-9a-f]{8}, count\/pear/);
  assert.match(about, /made .* run 3\n/);
  assert.match(await here.done(["show", "1"]), /^run 1 of first · [0-9a-f]{16}\n/);
});

test("what a task printed is shown by log, by its name and by its output's ID", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`dag.task("talk", { command: "echo said; echo more >&2; echo x > $OUTPUT" });
      dag.task("quiet", { command: "echo x > $OUTPUT" });`),
  });
  const none = await here.alamode(["log", "talk"]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /nothing has been run here yet/);
  await here.done(["run"]);
  assert.equal(await here.done(["log", "talk"]), "said\nmore\n");
  const { output } = eventsOf(await here.done(["run", "talk", "--json"]), "task.reused")[0]!;
  assert.equal(await here.done(["log", String(output).slice(0, 12)]), "said\nmore\n");
  const quiet = await here.alamode(["log", "quiet"]);
  assert.equal(quiet.code, 0);
  assert.equal(quiet.stdout, "");
  assert.match(quiet.stderr, /printed nothing/);
});

test("a plan file is run without the pipeline it came from, its code included", async (t) => {
  const here = project(t, {
    "say.sh": "echo said by a file > $OUTPUT\n",
    "pipeline.ts": pipeline(`const say = dag.task("say", { command: "sh say.sh", files: files("say.sh") });
      dag.task("twice", { command: "cat inputs/say inputs/say > $OUTPUT" }).after(say);`),
  });
  const wrote = await here.alamode(["plan", "-o", "x.dag"]);
  assert.match(wrote.stderr, /^wrote x\.dag: 2 tasks\n$/);
  assert.deepEqual(
    Buffer.from(here.read("x.dag")),
    Buffer.from(await here.done(["plan", "-o", "-"])),
    "the plan on stdout is the file",
  );
  rmSync(join(here.dir, "say.sh"));
  rmSync(join(here.dir, "pipeline.ts"));
  assert.deepEqual(ranIn(await here.done(["run", "-f", "x.dag", "--json"])), ["say", "twice"]);
  const path = (await here.done(["path", "-f", "x.dag", "twice"])).trim();
  assert.equal(readFileSync(path, "utf8"), "said by a file\nsaid by a file\n");
});

test("exec in dependency order from a shell loop makes the same as run, and is idempotent", async (t) => {
  const here = project(t);
  await here.done(["init"]);
  await here.done(["plan", "-o", "x.dag"]);
  const early = await here.alamode(["exec", "-f", "x.dag", "report"]);
  assert.equal(early.code, 2);
  assert.match(early.stderr, /needs count\/apple, count\/pear, count\/plum, not made yet\n.*alamode run/);
  const loop = async () => {
    const events: Json[] = [];
    for (const task of (await here.done(["ls", "--tasks", "-f", "x.dag"])).trim().split("\n"))
      events.push(...jsonLines(await here.done(["exec", "-f", "x.dag", task, "--json"])));
    return events.filter(({ event }) => event === "task.ran").map(({ task }) => task);
  };
  assert.deepEqual(await loop(), ["words", "count/apple", "count/pear", "count/plum", "report"]);
  assert.deepEqual(await loop(), []);
  assert.equal(readFileSync((await here.done(["path", "report"])).trim(), "utf8"), REPORT);
  assert.deepEqual(ranIn(await here.done(["run", "--json"])), [], "a run finds all done");
});

test("store and record are where the flag, else the variable, else the settings say", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`dag.task("one", { command: "echo 1 > $OUTPUT" });`),
    "alamode.config.ts": `export default { store: "by-settings/store", record: "by-settings/record.db" };\n`,
  });
  const ran = async (args: readonly string[], env: Record<string, string> = {}) =>
    ranIn(await here.done(["run", "--json", ...args], { env })).length;
  const places = (name: string) => [
    existsSync(join(here.dir, name, "store/outputs")),
    existsSync(join(here.dir, name, "record.db")),
  ];

  assert.equal(await ran([]), 1);
  assert.deepEqual(places("by-settings"), [true, true]);
  const env = { ALAMODE_STORE: "by-env/store", ALAMODE_RECORD: join(here.dir, "by-env/record.db") };
  assert.equal(await ran([], env), 1);
  assert.deepEqual(places("by-env"), [true, true]);
  const flags = ["--store", "by-flag/store", "--record", "by-flag/record.db"];
  assert.equal(await ran(flags, env), 1);
  assert.deepEqual(places("by-flag"), [true, true]);
  for (const [args, variables] of [
    [[], {}],
    [[], env],
    [flags, env],
  ] as const)
    assert.equal(await ran(args, variables), 0);
  assert.equal(existsSync(join(here.dir, ".alamode")), false);
  assert.match(await here.done(["path", "one", ...flags]), /by-flag\/store\/outputs/);
  assert.match(await here.done(["path", "one"], { env }), /by-env\/store\/outputs/);
});

test("settings name the pipeline, the jobs and the PATH, from any folder of the project", async (t) => {
  const here = project(t, {
    "steps/main.ts": pipeline(`dag.task("path", { command: "echo $PATH > $OUTPUT" });`),
    "alamode.config.ts": `export default { pipeline: "steps/main.ts", path: "/bin:/usr/bin:/odd place", jobs: 1 };\n`,
  });
  mkdirSync(join(here.dir, "deep/down"), { recursive: true });
  const below = { cwd: join(here.dir, "deep/down") };
  await here.done(["run"], below);
  const path = (await here.done(["path", "path"], below)).trim();
  assert.equal(readFileSync(path, "utf8"), "/bin:/usr/bin:/odd place\n");
  assert.ok(existsSync(join(here.dir, ".alamode/record.db")), "the store is the project's, not the folder's");
});

test("tasks and patterns choose what is made; what they need comes along", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`const raw = dag.task("raw", { command: "echo raw > $OUTPUT" });
      for (const n of [1, 2, 3]) dag.task("align/" + n, { command: \`echo \${n} > $OUTPUT\` }).after(raw);
      dag.task("other", { command: "echo other > $OUTPUT" });`),
  });
  assert.deepEqual(ranIn(await here.done(["run", "align/2", "--json"])), ["align/2", "raw"]);
  assert.deepEqual(ranIn(await here.done(["run", "align/*", "--json"])), ["align/1", "align/3"]);
  assert.deepEqual(ranIn(await here.done(["run", "--json"])), ["other"]);
});

// clients/python/alamode.py on records that the CLI made. It has to say what the CLI says, and where it cannot, why.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { removeTree } from "../../src/store/remove.ts";
import { cliEnv } from "../cli-runner.ts";
import { isRoot, NOBODY, type Project, pipeline, project } from "./project.ts";

const client = resolve(import.meta.dirname, "../../clients/python");
const skip = spawnSync("python3", ["--version"]).status === 0 ? false : "there is no python3";

interface Asking {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
}

/** What the Python expression comes to, as text; of an error `code: message`. */
function ask(here: Project, expression: string, { cwd = here.dir, env = {}, uid }: Asking = {}): string {
  const program = `import alamode\ntry: print(${expression})\nexcept alamode.AlamodeError as e: print(e.code, e, sep=": ")`;
  const { status, stdout, stderr } = spawnSync("python3", ["-c", program], {
    cwd,
    env: cliEnv({ PYTHONPATH: client, PYTHONDONTWRITEBYTECODE: "1", TZ: "UTC", ...env }),
    encoding: "utf8",
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  assert.equal(status, 0, `${expression}\n${stderr}`);
  return stdout.trimEnd();
}

const fruit = (pears: number) =>
  pipeline(`const raw = dag.task("raw", { command: "echo pears ${pears} > $OUTPUT" });
    dag.task("count/pear", { command: "cat inputs/raw > $OUTPUT", produces: "pear.txt" }).after(raw);`);

test("it needs nothing that Python 3.9 lacks", { skip }, () => {
  const code = readFileSync(join(client, "alamode.py"), "utf8");
  const program = "import ast, sys; ast.parse(sys.stdin.read(), feature_version=(3, 9))";
  const { status, stderr } = spawnSync("python3", ["-c", program], { input: code, encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

test("a task's output is found by pipeline and name, by its name, by its ID, and as any run had it", {
  skip,
}, async (t) => {
  const here = project(t, { "pipeline.ts": fruit(3) });
  await here.done(["run"]);
  const first = (await here.done(["path", "count/pear"])).trim();
  for (const what of ["test/count/pear", "count/pear"])
    assert.equal(ask(here, `alamode.path("${what}")`), first);
  assert.match(first, /\/pear\.txt$/);
  const id = /\/([0-9a-f]{64})\//.exec(first)![1]!;
  assert.equal(ask(here, `alamode.path("${id.slice(0, 10)}")`), first);

  here.write("pipeline.ts", fruit(4));
  await here.done(["run"]);
  const second = (await here.done(["path", "count/pear"])).trim();
  assert.notEqual(second, first);
  mkdirSync(join(here.dir, "notebooks/deep"), { recursive: true });
  const below = { cwd: join(here.dir, "notebooks/deep") };
  assert.equal(ask(here, `alamode.path("test/count/pear")`, below), second);
  assert.equal(ask(here, `alamode.path("test/count/pear", run=1)`, below), first);
  assert.equal(ask(here, `alamode.path("test/count/pear").read_text()`), "pears 4\n".trimEnd());
  assert.match(
    ask(here, `alamode.path("count/pear", run=7)`),
    /^unknown-run: there is no run 7\. The last is 2$/,
  );
});

test("an output is found as the latest run with some parameters has it", { skip }, async (t) => {
  const here = project(t, {
    "pipeline.ts": `import { Dag, day, integer, pipeline } from "a-la-mode";
      export default pipeline({ date: day(), k: integer(1) }, ({ date, k }) => {
        const dag = new Dag({ name: "shop", schedule: "@daily" });
        dag.task("load", { command: \`echo \${date} \${k} > $OUTPUT\` });
        return dag;
      });`,
  });
  await here.done(["run", "--date", "2025-06-01"]);
  await here.done(["run", "--date", "2025-06-02", "-p", "k=2"]);
  await here.done(["run", "--date", "2025-06-02"]);
  assert.equal(ask(here, `alamode.path("shop/load").read_text().strip()`), "2025-06-02 1");
  assert.equal(ask(here, `alamode.path("shop/load", date="2025-06-01").read_text().strip()`), "2025-06-01 1");
  assert.equal(ask(here, `alamode.path("load", k=2).read_text().strip()`), "2025-06-02 2");
  assert.match(
    ask(here, `alamode.path("load", date="2025-06-03")`),
    /^unknown-run: no run with date=2025-06-03 is recorded/,
  );
  assert.equal(ask(here, `alamode.runs()[1].params`), "{'date': '2025-06-02', 'k': '2'}");
});

test("runs and tasks are told as the CLI tells them", { skip }, async (t) => {
  const here = project(t, {
    "pipeline.ts": fruit(3),
    "other.ts": pipeline("").replace(`{ name: "test" }`, ""),
  });
  here.write(
    "other.ts",
    here.read("other.ts").replace("export", `dag.task("raw", { command: "exit 1" });\nexport`),
  );
  await here.done(["run"]);
  await here.alamode(["run", "-f", "other.ts"]);
  const rows = `[(r.number, r.pipeline, r.status, r.ran, r.failed, r.started <= r.started + r.took) for r in alamode.runs()]`;
  assert.equal(ask(here, rows), "[(2, 'other.ts', 'failed', 0, 1, True), (1, 'test', 'done', 2, 0, True)]");
  assert.equal(ask(here, `[r.number for r in alamode.runs("test")], len(alamode.runs(limit=1))`), "[1] 1");
  assert.equal(
    ask(here, `[(m.pipeline, m.task, m.state, m.size, m.path and m.path.name) for m in alamode.ls()]`),
    "[('other.ts', 'raw', 'not made', None, None), ('test', 'count/pear', 'made', 8, 'pear.txt'), " +
      `('test', 'raw', 'made', 8, '${(await here.done(["path", "raw"])).trim().split("/").at(-1)}')]`,
  );
  assert.match(
    ask(here, `alamode.ls("tset")`),
    /^unknown-pipeline: no pipeline 'tset' .* There is: other\.ts, test$/,
  );
  assert.match(ask(here, `alamode.path("raw")`), /^ambiguous: .*: other\.ts\/raw, test\/raw$/);
  assert.match(ask(here, `alamode.path("test/count/paer")`), /^unknown-task: .* Near: test\/count\/pear/);
  assert.match(
    ask(here, `alamode.path("paer")`),
    /^unknown-task: .* Pipelines: other\.ts, test\. All: alamode\.ls\(\)$/,
  );
});

test("what is not made, gone or stale is told as that, with the way out", { skip }, async (t) => {
  const source = (more: string) =>
    pipeline(`const now = dag.task("now", { command: "cat /proc/sys/kernel/random/uuid > $OUTPUT || date +%s%N > $OUTPUT" });
      dag.task("copy", { command: "cat inputs/now > $OUTPUT${more}" }).after(now);`);
  const here = project(t, { "pipeline.ts": source("") });
  await here.done(["run"]);
  const copy = ask(here, `alamode.path("copy")`);

  here.write("pipeline.ts", source("; exit 3"));
  assert.equal((await here.alamode(["run"])).code, 1);
  assert.match(
    ask(here, `alamode.path("copy")`),
    /^not-made: copy is not made as the latest run has it: run 2, failed\. Make it: alamode run copy, or take it as run 1 had it: alamode\.path\('copy', run=1\)$/,
  );
  assert.equal(ask(here, `alamode.path("copy", run=1)`), copy);

  here.write("pipeline.ts", source(""));
  await removeTree(ask(here, `alamode.path("now")`));
  assert.match(
    ask(here, `alamode.path("now")`),
    /^output-missing: now was made, but is not in .*: alamode run now$/,
  );
  assert.match(ask(here, `[m.state for m in alamode.ls() if m.task == "now"]`), /lost/);
  await here.done(["run", "now"]);
  assert.match(ask(here, `alamode.path("copy")`), /^output-stale: .*: alamode\.path\('copy', stale=True\)$/);
  assert.equal(ask(here, `alamode.path("copy", stale=True)`), copy);

  chmodSync(copy, 0o644);
  writeFileSync(copy, "other");
  await here.alamode(["verify", "--stored"]);
  assert.match(ask(here, `alamode.path("copy")`), /^output-damaged: copy was changed in the store/);
});

test("store and record are where the CLI looks; what only Node.js can read is asked for", {
  skip,
}, async (t) => {
  const here = project(t, { "pipeline.ts": fruit(3) });
  assert.match(
    ask(here, `alamode.runs()`),
    /^no-record: nothing has been run here yet: .*record\.db\. Run .*alamode run/,
  );
  here.write("alamode.config.ts", `// store: "no"\nexport default { jobs: 2, path: "/usr/bin:/bin" };\n`);
  await here.done(["run"]);
  assert.equal(ask(here, `len(alamode.runs())`), "1");

  const before = (await here.done(["path", "raw"])).trim();
  here.write("alamode.config.ts", `export default { store: "there" };\n`);
  here.write("pipeline.ts", fruit(4));
  await here.done(["run"]);
  assert.match(
    ask(here, `alamode.path("raw")`),
    /^config-unread: .*alamode\.config\.ts says where the store is, .*: say it too, alamode\.open\(store=\.\.\.\), or as ALAMODE_STORE$/,
  );
  const there = (await here.done(["path", "raw"])).trim();
  assert.match(there, /\/there\/outputs\//);
  assert.equal(ask(here, `alamode.open(store="there").path("raw")`), there);
  assert.equal(ask(here, `alamode.path("raw")`, { env: { ALAMODE_STORE: "there" } }), there);
  assert.equal(
    ask(here, `alamode.open(store="there").path("raw", run=1)`),
    before,
    "made before, in the project's own",
  );
  const elsewhere = { env: { ALAMODE_STORE: "s", ALAMODE_RECORD: "r/x.db" } };
  await here.done(["run"], elsewhere);
  assert.equal(
    ask(here, `alamode.path("raw")`, elsewhere),
    (await here.done(["path", "raw"], elsewhere)).trim(),
  );
  const record = "r/x.db";
  assert.match(
    ask(here, `alamode.open("other", "${record}").path("raw")`),
    /^output-elsewhere: raw is made, but lies in another store than .*\/other\. .*: alamode get raw$/,
  );
  assert.match(
    ask(here, `alamode.path("raw")`, { env: { ALAMODE_STORE: "s3://bucket/x", ALAMODE_RECORD: record } }),
    /^output-elsewhere: /,
  );
  assert.match(
    ask(here, `alamode.open(record="postgres://host/x").runs()`),
    /^(config-unread|record-unreadable): /,
  );
  assert.match(ask(here, `alamode.open("s", "r").runs()`), /^bad-record: .* is a folder/);
  here.write("r/text.db", "no database at all, but long enough for a header of one".repeat(40));
  assert.match(ask(here, `alamode.open("s", "r/text.db").runs()`), /^record-foreign: .* is no record/);
});

test("a run is running while it lives, and killed once it does not", { skip }, async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(
      `dag.task("wait", { command: "echo up; while [ ! -e $GO ]; do sleep 0.05; done; exit 1" }, { pass: ["GO"] });`,
    ),
  });
  const run = here.start(["run", "--logs"], { env: { GO: join(here.dir, "go") } });
  await run.prints("up");
  assert.equal(ask(here, `[(r.status, r.took, r.ran) for r in alamode.runs()]`), "[('running', None, None)]");
  assert.match(
    ask(here, `alamode.path("wait")`),
    /^not-made: .* latest run has it: run 1, running\. Make it/,
  );
  run.child.kill("SIGKILL");
  await run.ended;
  assert.equal(ask(here, `[r.status for r in alamode.runs()]`), "['killed']");
  here.write("go", "");
});

test("it writes nothing, and reads what it may not write", {
  skip: skip || (!isRoot && "only root can become another user"),
}, async (t) => {
  const here = project(t, { "pipeline.ts": fruit(3) });
  await here.done(["run"]);
  const record = join(here.dir, ".alamode/record.db");
  const before = readFileSync(record);
  chmodSync(here.dir, 0o755);
  // As another user finds it who copied the project, or mounted it: nobody has the record open.
  for (const name of ["-wal", "-shm"]) rmSync(`${record}${name}`, { force: true });
  copyFileSync(join(client, "alamode.py"), join(here.dir, "alamode.py"));
  const other = { uid: NOBODY, env: { PYTHONPATH: here.dir } };
  assert.equal(ask(here, `alamode.path("raw").read_text()`, other), "pears 3");
  assert.equal(ask(here, `alamode.path("raw").read_text()`), "pears 3");
  assert.deepEqual(readFileSync(record), before);
});

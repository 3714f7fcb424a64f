// Parameters, dates and programs, as typed: what a pipeline is described with reaches its tasks, its IDs and the record.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { jsonLines, project, ranIn } from "./project.ts";

const PIPELINE = `import { bash, Dag, day, flag, integer, oneOf, pipeline } from "a-la-mode";
export default pipeline(
  { date: day(), k: integer(3), mode: oneOf("fast", "full"), loud: flag() },
  ({ date, k, mode, loud }) => {
    const dag = new Dag({ name: "shop", schedule: "@daily" });
    const base = dag.task("base", bash\`echo base > $OUTPUT\`);
    const load = dag.task("load", bash\`echo \${date} \${k} $(cat \${base}) > $OUTPUT\`);
    dag.task("report", { ...bash\`cat \${load} > $OUTPUT; echo \${mode} \${loud ? ["LOUD", "a b"] : []} >> $OUTPUT\`, produces: "report.txt" });
    return dag;
  },
);
`;

test("parameters are typed, given by -p and --params, and make IDs of their own", async (t) => {
  const here = project(t, { "pipeline.ts": PIPELINE, "params.json": '{ "k": 5, "loud": true }' });
  const report = async (...flags: string[]) => {
    const ran = ranIn(await here.done(["run", "--json", ...flags]));
    await here.done(["get", "report", "out.txt", "--force", ...flags]);
    return [here.read("out.txt"), ...ran];
  };
  const date = ["--date", "2026-11-01"];
  assert.deepEqual(await report(...date), ["2026-11-01 3 base\nfast\n", "base", "load", "report"]);
  assert.deepEqual(await report(...date, "-p", "k=4"), ["2026-11-01 4 base\nfast\n", "load", "report"]);
  assert.deepEqual(await report(...date, "-p", "mode=full"), ["2026-11-01 3 base\nfull\n", "report"]);
  assert.deepEqual(await report(...date, "--params", "params.json"), [
    "2026-11-01 5 base\nfast LOUD a b\n",
    "load",
    "report",
  ]);
  assert.deepEqual(await report(...date, "--params", "params.json", "-p", "k=4", "-p", "loud=false"), [
    "2026-11-01 4 base\nfast\n",
  ]);
  const [last, ...before] = jsonLines(await here.done(["runs", "--json"]));
  assert.deepEqual(last?.["params"], { date: "2026-11-01", k: "4", mode: "fast", loud: "false" });
  assert.equal(last?.["pipeline"], "shop");
  assert.equal(before.length, 4);
  assert.match(await here.done(["runs"]), /^5 .* shop .* k=4 loud=false mode=fast/m);
  assert.match(await here.done(["show", "1"]), /with +date 2026-11-01, k 3, loud false, mode fast/);
});

test("every command that looks at a pipeline takes them", async (t) => {
  const here = project(t, { "pipeline.ts": PIPELINE });
  const flags = ["--date", "2026-11-01", "-p", "k=4"];
  await here.done(["exec", "base", ...flags]);
  await here.done(["exec", "load", ...flags]);
  assert.match(await here.done(["status", ...flags]), /1 of 3 tasks is due/);
  assert.match(await here.done(["status", "--date", "2026-11-01"]), /2 of 3 tasks are due/);
  assert.match(await here.done(["plan", ...flags]), /2026-11-01 4/);
  assert.equal((await here.alamode(["path", "load", ...flags])).code, 0);
  assert.equal((await here.alamode(["path", "load"])).code, 1);
  assert.match(await here.done(["ls", ...flags]), /^load .* run 2$/m);
  assert.match(await here.done(["show", "load", ...flags]), /2026-11-01 4/);
  await here.done(["log", "load", ...flags]);
  await here.done(["verify", "load", ...flags]);
  await here.done(["plan", "-o", "a.dag", "--date", "2026-11-01"]);
  const differs = await here.alamode(["diff", "a.dag", ...flags]);
  assert.equal(differs.code, 1);
  assert.match(differs.stdout, /^load\n.*3 → .* 4$/m);
  const failing = await here.alamode(["path", "report", ...flags]);
  assert.match(
    failing.stderr,
    /alamode run -p k=4 --date 2026-11-01 report/,
    "the command that is shown has them too",
  );
});

test("what cannot be given is told in one error, with what there is", async (t) => {
  const here = project(t, {
    "pipeline.ts": PIPELINE,
    "bad.json": "{",
    "list.json": "[]",
    "plain.ts": 'import { Dag } from "a-la-mode";\nexport default new Dag();\n',
  });
  const refused = async (args: readonly string[], ...said: RegExp[]) => {
    const { code, stderr } = await here.alamode(args);
    assert.equal(code, 2, stderr);
    for (const words of said) assert.match(stderr, words);
  };
  await refused(
    ["run", "-p", "kk=4", "-p", "mode=x"],
    /^pipeline.ts: there is no parameter "kk". Near: k.$/m,
    /mode takes fast or full/,
    /^ +loud +true or false \(false\)$/m,
  );
  await refused(["status", "--date", "2999-01-01"], /not complete before/);
  await refused(["plan", "--date", "2026-11-01..2026-11-03"], /3 slots; this takes one/);
  await refused(["run", "--params", "bad.json"], /--params bad.json/);
  await refused(["run", "--params", "list.json"], /a map is needed/);
  await refused(["run", "--params", "none.json"], /^--params none.json: there is no such file\.$/m);
  await refused(
    ["run", "--date", "2026-11-01", "-p", "date=2026-11-02"],
    /--date sets "date", which is given by name as well/,
  );
  await refused(["schedule", "-p", "date=2026-11-02"], /a schedule sees to its dates itself/);
  await refused(["run", "k=4"], /no task "k=4" .* -p k=4$/m);
  await refused(["run", "--k", "4"], /unknown option '--k'\n.* -p k=…$/m);
  await refused(["run", "-p", "=4"], /no name/);
  await refused(["run", "-f", "plain.ts", "-p", "k=4"], /takes no parameters, and "k" was given/);
  await refused(["run", "-f", "plain.ts", "--date", "2026-11-01"], /takes no date/);
  await here.done(["plan", "-f", "plain.ts", "-o", "plain.dag"]);
  await refused(["run", "-f", "plain.dag", "-p", "k=4"], /is a plan, which takes no parameters/);
});

test("params lists them, with what they are now", async (t) => {
  const here = project(t, {
    "pipeline.ts": PIPELINE,
    "plain.ts": 'import { Dag } from "a-la-mode";\nexport default new Dag();\n',
  });
  const listed = await here.done(["params", "-p", "k=7"]);
  assert.match(listed, /^k +a whole number +3 +7$/m);
  assert.match(listed, /^schedule "@daily", UTC; the next slot is complete at \d{4}-\d\d-\d\dT00:00:00Z$/m);
  const [k] = (
    JSON.parse(await here.done(["params", "--json"])) as { params: { name: string }[] }
  ).params.filter(({ name }) => name === "k");
  assert.deepEqual(k, { name: "k", takes: "a whole number", otherwise: "3", now: "3" });
  assert.match(await here.done(["params", "-f", "plain.ts"]), /takes no parameters/);
});

test("a schedule that changes nothing is warned of", async (t) => {
  const dag = (command: string) =>
    `import { Dag, day, pipeline } from "a-la-mode";\nexport default pipeline({ date: day() }, ({ date }) => {\n  const dag = new Dag({ schedule: "@daily" });\n  dag.task("load", { command: ${command} });\n  return dag;\n});\n`;
  const here = project(t, {
    "none.ts": dag('"echo 1 > $OUTPUT"'),
    "as-it-is.ts": dag("`echo ${date} > $OUTPUT`"),
    "otherwise.ts": dag('`echo ${date.replaceAll("-", "/")} > $OUTPUT`'),
    "plain.ts":
      'import { Dag } from "a-la-mode";\nconst dag = new Dag({ schedule: "@daily" });\ndag.task("a", { command: "echo > $OUTPUT" });\nexport default dag;\n',
  });
  const said = async (file: string) => (await here.alamode(["status", "-f", file])).stderr;
  assert.match(await said("none.ts"), /"@daily" changes nothing: no task holds the date/);
  assert.match(await said("plain.ts"), /"@daily" changes nothing.*pipeline\(\{ date: day\(\) \}/);
  assert.equal(await said("as-it-is.ts"), "");
  const named = await here.alamode(["status", "-f", "as-it-is.ts", "-p", "date=2026-11-01"]);
  assert.equal(named.stderr, "", "a date given by name is no slot, and needs no warning");
  assert.equal(await said("otherwise.ts"), "");
});

test("a pipeline without a name is called by its path in the project", async (t) => {
  const here = project(t, {
    "pipelines/daily.ts":
      'import { Dag } from "a-la-mode";\nconst dag = new Dag();\ndag.task("a", { command: "echo > $OUTPUT" });\nexport default dag;\n',
  });
  await here.done(["run", "-f", "daily.ts"], { cwd: join(here.dir, "pipelines") });
  assert.equal(jsonLines(await here.done(["runs", "--json"]))[0]?.["pipeline"], "pipelines/daily.ts");
});

const python = spawnSync("python3", ["--version"]).status === 0;

test("a program in Python is a pipeline, with parameters of its own", {
  skip: python ? false : "needs python3",
}, async (t) => {
  const here = project(t);
  cpSync(resolve(import.meta.dirname, "../../examples/python"), join(here.dir, "orders"), {
    recursive: true,
  });
  const file = ["-f", "orders/pipeline.py"];
  assert.deepEqual(ranIn(await here.done(["run", ...file, "--json"])), ["orders", "report", "total"]);
  assert.deepEqual(ranIn(await here.done(["run", ...file, "--json", "-p", "country=FR"])), [
    "report",
    "total",
  ]);
  await here.done(["get", ...file, "-p", "country=FR", "report", "out.txt"]);
  assert.equal(here.read("out.txt"), "FR: 30\n");
  const refused = await here.alamode(["run", ...file, "-p", "country=X"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /pipeline.py ended with exit code 1\n.*there are DE, FR and IT/);
});

test("a program may print bencode, and what is none of either is told", async (t) => {
  const dag = new Dag({ name: "ben" });
  dag.task("a", { command: "echo 1 > $OUTPUT" });
  const here = project(t);
  writeFileSync(join(here.dir, "a.dag"), dag.bencode());
  const program = (name: string, text: string, mode = 0o755) => {
    here.write(name, text);
    chmodSync(join(here.dir, name), mode);
  };
  program("good", "#!/bin/sh\necho 'a word' >&2\ncat a.dag\n");
  const { code, stderr } = await here.alamode(["run", "-f", "good"]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /a word/);
  program(
    "args",
    '#!/bin/sh\nprintf \'{"tasks": {"a": {"params": "%s"}}}\' "$(printf %s "$ALAMODE_PARAMS" | sed \'s/"/_/g\')"\n',
  );
  assert.match(
    await here.done(["plan", "-f", "args", "-p", "k=4", "--date", "2026-11-01"]),
    /_k_:_4_,_date_:_2026-11-01_/,
  );
  const refused = async (name: string, words: RegExp) => {
    const result = await here.alamode(["plan", "-f", name]);
    assert.equal(result.code, 2);
    assert.match(result.stderr, words);
  };
  program("plain.py", "print('x')\n", 0o644);
  await refused("plain.py", /may not be executed\n.*chmod \+x plain.py/);
  program("plain.py", "print('x')\n");
  await refused("plain.py", /#!\/usr\/bin\/env python3/);
  program("no-interpreter", "#!/nowhere/at/all\n");
  await refused("no-interpreter", /cannot be started/);
  program("nothing", "#!/bin/sh\n");
  await refused("nothing", /printed nothing/);
  program("neither", "#!/bin/sh\necho hello\n");
  await refused("neither", /neither bencode nor JSON; it begins: hello/);
  program("fails", "#!/bin/sh\necho 'no such table' >&2\nexit 3\n");
  await refused("fails", /fails ended with exit code 3\n +no such table/);
  program("killed", "#!/bin/sh\nkill -9 $$\n");
  await refused("killed", /was ended by SIGKILL/);
  program("wrong", '#!/bin/sh\necho \'{"tasks": {"a": {"lr": 0.5}}}\'\n');
  await refused("wrong", /0.5 is a float/);
});

// What a new user mistypes or miswrites: each is answered by one clear message with the way out, exit code 2, and no
// stack. The texts are asserted on by their words, not letter by letter.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { jsonLines, type Project, pipeline, project } from "./project.ts";

const GOOD = pipeline(`const blur = dag.task("blur", { command: "echo b > $OUTPUT" });
dag.task("collage", { command: "echo c > $OUTPUT" }).after(blur);`);

/** Where nobody can make a folder, and the system says that there is no such place. */
const NO_FOLDERS = process.platform === "linux" ? "/proc" : "/dev/null";

interface Wrong {
  readonly what: string;
  /** pipeline.ts; the good one if not given. */
  readonly text?: string;
  readonly args: readonly string[];
  /** All of these must be in the message. */
  readonly says: readonly RegExp[];
  /** The code in `--json`, where the command has it. */
  readonly code?: string;
}

const TYPED: readonly Wrong[] = [
  {
    what: "a task's name nearly right",
    args: ["run", "blurr"],
    says: [/"blurr"/, /Near: blur\b/, /alamode ls --tasks/],
    code: "unknown-task",
  },
  {
    what: "a pattern that matches nothing",
    args: ["run", "colage/*"],
    says: [/colage\/\*/, /alamode ls --tasks/],
    code: "unknown-task",
  },
  { what: "a command nearly right", args: ["rnu"], says: [/unknown command 'rnu'/, /run/] },
  {
    what: "the pipeline as a task",
    args: ["run", "pipeline.ts"],
    says: [/is a file, not a task/, /alamode run -f pipeline\.ts/],
    code: "file-not-task",
  },
  {
    what: "a pipeline that is not there",
    args: ["run", "-f", "nothing.ts"],
    says: [/no pipeline nothing\.ts/, /-f/],
    code: "no-pipeline",
  },
  {
    what: "a folder as the pipeline",
    args: ["run", "-f", "."],
    says: [/is a folder/, /-f pipeline\.ts/],
    code: "no-pipeline",
  },
  // Node.js looks for ever for what it could make there.
  {
    what: "a store where no folder can be made",
    args: ["run", "--store", join(NO_FOLDERS, "store")],
    says: [/store cannot be a store/, /--store/],
    code: "store-unusable",
  },
  {
    what: "a record where no folder can be made",
    args: ["run", "--record", join(NO_FOLDERS, "below/record.db")],
    says: [/record\.db cannot be/, /--record/],
  },
  { what: "no jobs at all", args: ["run", "--jobs", "0"], says: [/--jobs/, /'0'/, /at least 1/] },
  { what: "jobs in words", args: ["run", "-j", "all"], says: [/--jobs/, /'all'/, /whole number/] },
  {
    what: "an option nearly right",
    args: ["run", "--keepgoing"],
    says: [/--keepgoing/, /Did you mean --keep-going/],
  },
  { what: "an option of another program", args: ["run", "--cores", "4"], says: [/unknown option '--cores'/] },
  { what: "no task where one is needed", args: ["path"], says: [/missing required argument 'task'/] },
  { what: "too many arguments", args: ["get", "a", "b", "c"], says: [/too many arguments/] },
  {
    what: "a run that never was",
    args: ["diff", "7"],
    says: [/no run 7|nothing has been run/, /alamode run/],
  },
  {
    what: "something to show that is nothing",
    args: ["show", "zzz"],
    says: [/"zzz"|nothing has been run/, /alamode (ls --tasks|run)/],
  },
  {
    what: "a step whose inputs are not made",
    args: ["exec", "collage"],
    says: [/"collage" needs blur/, /alamode run blur/],
    code: "input-not-done",
  },
];

const WRITTEN: readonly Wrong[] = [
  {
    what: "a float",
    text: pipeline(`dag.task("fit", { command: "x", args: ["a", "b", 0.05] });`),
    args: ["run"],
    says: [/pipeline\.ts/, /task "fit", spec\.args\[2\]: 0\.05 is a float/, /'0\.05'|json\(/],
  },
  {
    what: "undefined and a date",
    text: pipeline(`dag.task("a", { command: "x", until: undefined });`),
    args: ["run"],
    says: [/task "a", spec\.until: undefined/],
  },
  {
    what: "a reserved key",
    text: pipeline(`dag.task("fit", { command: "x", inputs: { a: "b" } });`),
    args: ["run"],
    says: [/pipeline\.ts:3/, /spec\.inputs/, /reserved/, /after\(/],
  },
  {
    what: "a cycle",
    text: pipeline(
      `const a = dag.task("a", { command: "x" }), b = dag.task("b", { command: "x" }).after(a); a.after(b);`,
    ),
    args: ["run"],
    says: [/cycle: (a → b → a|b → a → b)/],
    code: "cycle",
  },
  {
    what: "two tasks of one name",
    text: pipeline(`dag.task("a", { command: "x" });\ndag.task("a", { command: "y" });`),
    args: ["run"],
    says: [/pipeline\.ts:4/, /already has a task "a"/],
  },
  {
    what: "a task that is not there",
    text: pipeline(`dag.task("blur", { command: "x" }).after(dag.tasks.blurry);`),
    args: ["run"],
    says: [/pipeline\.ts:3/, /no task "blurry"/, /blur/],
  },
  {
    what: "an option nearly right",
    text: pipeline(`dag.task("a", { command: "x" }, { retrys: 2 });`),
    args: ["run"],
    says: [/options of task "a": "retrys"/, /"retries"/],
    code: "bad-options",
  },
  {
    what: "a timeout in half English",
    text: pipeline(`dag.task("a", { command: "x" }, { timeout: "10 minuts" });`),
    args: ["run"],
    says: [/task "a": timeout must be a duration/, /'10m'/],
    code: "bad-options",
  },
  {
    what: "less than no retries",
    text: pipeline(`dag.task("a", { command: "x" }, { retries: -1 });`),
    args: ["run"],
    says: [/task "a": retries must be a whole number/],
    code: "bad-options",
  },
  {
    what: "a misspelt command",
    text: pipeline(`dag.task("a", { comand: "x" });`),
    args: ["run"],
    says: [/"comand"/, /"command" meant/, /task "a" cannot be run: it has no "command"/],
    code: "bad-task",
  },
  {
    what: "no command",
    text: pipeline(`dag.task("a", { sha: "1f3" });`),
    args: ["run"],
    says: [/task "a" cannot be run: it has no "command"/],
    code: "bad-task",
  },
  {
    what: "a result outside of the output",
    text: pipeline(`dag.task("a", { command: "x", produces: "../x" });`),
    args: ["run"],
    says: [/task "a"/, /produces/, /inside the output folder/],
    code: "bad-task",
  },
  {
    what: "files that are not there",
    text: pipeline(`dag.task("a", { command: "x", files: files("lib/*.py") });`),
    args: ["run"],
    says: [/pipeline\.ts:3/, /files\("lib\/\*\.py"\): no file in .* matches/, /pattern/],
  },
  {
    what: "a folder among the files",
    text: pipeline(`dag.task("a", { command: "x", files: files("node_modules/../.") });`),
    args: ["run"],
    says: [/files\(/],
  },
  {
    what: "a syntax error",
    text: `import { Dag } from "a-la-mode";\nconst dag = new Dag(;\nexport default dag;\n`,
    args: ["run"],
    says: [/pipeline\.ts:2/, /Unexpected|expected/i, /new Dag\(;/],
  },
  {
    what: "no default export",
    text: `import { Dag } from "a-la-mode";\nexport const mine = new Dag();\n`,
    args: ["run"],
    says: [/pipeline\.ts has no default export/, /export default mine/],
  },
  {
    what: "a default export that is no dag",
    text: `export default { tasks: {} };\n`,
    args: ["run"],
    says: [/default export is an object, not a Dag/, /new Dag\(\)/],
  },
  {
    what: "a function that forgets to return",
    text: `import { Dag } from "a-la-mode";\nexport default () => { new Dag(); };\n`,
    args: ["run"],
    says: [/function .* gave nothing, not a Dag/],
  },
  {
    what: "an import that is not there",
    text: `import { steps } from "./stepps.ts";\nexport default steps;\n`,
    args: ["run"],
    says: [/pipeline\.ts:1/, /\.\/stepps\.ts/],
  },
  {
    what: "an error of the pipeline's own",
    text: `throw new Error("no token in the environment");\n`,
    args: ["run"],
    says: [/pipeline\.ts:1/, /no token in the environment/],
  },
  {
    what: "a variable that is not defined",
    text: pipeline(`dag.task("a", { command: COMMAND });`),
    args: ["run"],
    says: [/pipeline\.ts:3/, /COMMAND is not defined/],
  },
];

for (const [how, all] of [
  ["typed", TYPED],
  ["written", WRITTEN],
] as const) {
  for (const wrong of all)
    test(`${how}: ${wrong.what}`, async (t) => {
      const here = project(t, { "pipeline.ts": wrong.text ?? GOOD });
      await refused(here, wrong);
    });
}

/** Runs it, and looks at the answer as a person would. */
async function refused(here: Project, { args, says, code }: Omit<Wrong, "what">): Promise<void> {
  const { code: exit, stdout, stderr } = await here.alamode(args);
  assert.equal(exit, 2, stdout + stderr);
  assert.equal(stdout, "", "nothing on stdout: nothing of what was asked for is there");
  for (const word of says) assert.match(stderr, word);
  assert.doesNotMatch(stderr, /^ +at |node:internal|\.js:\d+|error of its own/m, "no stack of ours");
  assert.ok(stderr.split("\n").length <= 8, `one message, not a page:\n${stderr}`);
  if (code === undefined) return;
  const told = jsonLines((await here.alamode([...args, "--json"])).stdout);
  assert.equal(told.at(-1)?.["event"], "error");
  assert.equal(told.at(-1)?.["code"], code);
}

test("in an empty folder, run says how to begin", async (t) => {
  await refused(project(t), {
    args: ["run"],
    says: [/no pipeline\.ts here/, /alamode init/],
    code: "no-pipeline",
  });
});

test("a plan file that was edited, cut short or is something else is refused", async (t) => {
  const here = project(t, { "pipeline.ts": GOOD });
  await here.done(["plan", "-o", "good.dag"]);
  const bytes = here.read("good.dag");
  writeFileSync(join(here.dir, "edited.dag"), bytes.replace("echo b", "echo d"));
  await refused(here, {
    args: ["run", "-f", "edited.dag"],
    says: [
      /edited\.dag: task "blur" says its output is [0-9a-f]{8}, but its spec makes it [0-9a-f]{8}/,
      /edited or damaged/,
    ],
  });
  for (const length of [0, 1, 100, bytes.length - 1]) {
    writeFileSync(join(here.dir, "short.dag"), bytes.slice(0, length));
    await refused(here, { args: ["run", "-f", "short.dag"], says: [/short\.dag/, /again|damaged|Write/] });
  }
  writeFileSync(join(here.dir, "prose.dag"), "download, then blur");
  await refused(here, { args: ["run", "-f", "prose.dag"], says: [/prose\.dag/, /not/] });
});

test("an input that no task of the plan makes and no record holds is named, with who needs it", async (t) => {
  const here = project(t, {
    "upstream.ts": pipeline(`export const orders = dag.task("orders", { command: "echo 1 > $OUTPUT" });`),
    "pipeline.ts": `import { Dag } from "a-la-mode";\nimport { orders } from "./upstream.ts";\nconst dag = new Dag();
      dag.task("join", { command: "cp inputs/orders $OUTPUT" }).after(orders);\nexport default dag;\n`,
  });
  await refused(here, {
    args: ["run"],
    says: [
      /input "orders" of task "join"/,
      /no record holds|not recorded|no task of this plan makes/,
      /Run the pipeline/,
    ],
    code: "external-missing",
  });
  await here.done(["run", "-f", "upstream.ts"]);
  await here.done(["run"]);
});

test("a pipeline without tasks runs, and says that there is nothing in it", async (t) => {
  const here = project(t, { "pipeline.ts": pipeline("") });
  const { code, stdout, stderr } = await here.alamode(["run"]);
  assert.equal(code, 0);
  assert.match(stdout, /^0 tasks/m);
  assert.match(stderr, /pipeline has no tasks/);
});

test("settings that are misspelt are named", async (t) => {
  const here = project(t, { "pipeline.ts": GOOD, "alamode.config.ts": "export default { job: 2 };\n" });
  await refused(here, { args: ["run"], says: [/alamode\.config\.ts/, /no setting "job"/, /Near: jobs/] });
  here.write("alamode.config.ts", `export default { jobs: "two" };\n`);
  await refused(here, { args: ["run"], says: [/alamode\.config\.ts: jobs must be a whole number/, /"two"/] });
});

const LATE = `import { Dag } from "a-la-mode";
const dag = new Dag({ name: "late" });
dag.task("a", { command: "echo 1 > $OUTPUT" });
export default dag;
`;

test("a pipeline that leaves a timer or a connection open does not keep the program", async (t) => {
  const here = project(t, { "pipeline.ts": `${LATE}setInterval(() => {}, 60_000);\n` });
  for (const args of [["run"], ["plan"], ["status"], ["path", "a"]])
    assert.equal((await here.alamode(args, { hangMs: 30_000 })).code, 0, args.join(" "));
});

test("a pipeline that waits for what never comes is told so", async (t) => {
  const here = project(t, { "pipeline.ts": `${LATE}await new Promise(() => {});\n` });
  await refused(here, {
    args: ["run"],
    says: [/pipeline\.ts never finishes loading/, /await/],
    code: "module-failed",
  });
});

test("a promise of the pipeline's that nobody awaits fails with its place, and nothing is lost", async (t) => {
  const here = project(t, { "pipeline.ts": `${LATE}Promise.reject(new Error("no such bucket"));\n` });
  await refused(here, { args: ["run"], says: [/^pipeline\.ts:5: Error: no such bucket$/m] });
  here.write("pipeline.ts", LATE);
  await here.done(["run"]);
});

test("options that mean nothing are told of tasks that are done too", async (t) => {
  const text = (options: string) =>
    pipeline(`const a = dag.task("a", { command: "echo 1 > $OUTPUT" }${options});
dag.task("b", { command: "echo 2 > $OUTPUT" }, { retries: 1 }).after(a);`);
  const here = project(t, { "pipeline.ts": text("") });
  await here.done(["run"]);
  here.write("pipeline.ts", text(", { timout: 3, retries: 1 }"));
  for (const args of [["run"], ["run", "b"], ["status"], ["plan"], ["plan", "-o", "x.dag"]])
    await refused(here, { args, says: [/options of task "a": "timout" is not an option/, /"timeout"/] });
  here.write("pipeline.ts", text(", { timeout: 3, retries: 1 }"));
  assert.match(await here.done(["run", "--json"]), /"reused":2/);
});

test("stdout on a full disk is told as that", {
  skip: existsSync("/dev/full") ? false : "no /dev/full",
}, async (t) => {
  const here = project(t, { "pipeline.ts": LATE });
  const full = { under: ["/bin/sh", "-c", '"$@" > /dev/full', "sh"] };
  for (const command of ["plan", "run"]) {
    const { code, stderr } = await here.alamode([command], full);
    assert.ok(code === 2 || code === 130, `${command}: exit ${code}`);
    assert.match(stderr, /^cannot write to stdout: ENOSPC/);
    assert.doesNotMatch(stderr, /^ +at /m);
  }
  await here.done(["run"]);
});

test("a folder given as the record is told so, with the file that may be meant", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`dag.task("a", { command: "echo 1 > $OUTPUT" });`),
    "rec/x": "",
  });
  for (const command of [["run"], ["status"], ["ls"], ["runs"], ["log", "a"]]) {
    const { code, stderr } = await here.alamode([...command, "--record", "rec"]);
    assert.deepEqual(
      [code, stderr],
      [2, "rec is a folder: a record is one file\n  Name the file, as in  rec/record.db\n"],
    );
  }
});

test("what is not made yet is exit 1, with the command that makes it", async (t) => {
  const here = project(t, { "pipeline.ts": GOOD });
  for (const command of ["path", "get"]) {
    const { code, stdout, stderr } = await here.alamode([command, "blur"]);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /blur is not made yet\n {2}Make it with {2}alamode run blur\n/);
  }
});

test("every command has help with an example", async (t) => {
  const here = project(t);
  const all = [...(await here.done(["--help"])).matchAll(/^ {2}([a-z]+) .*$/gm)].map(([, name]) => name!);
  assert.ok(all.length >= 13, all.join(" "));
  for (const name of all)
    assert.match(await here.done([name, "--help"]), /Examples?:\n {2}\$ .*\balamode /, name);
});

const old = spawnSync("node", ["--version"], { encoding: "utf8" }).stdout ?? "";
test("an old Node.js is told so", {
  skip: /^v(1\d|2[0-3])\./.test(old) ? false : "no old node in PATH",
}, async (t) => {
  const { code, stderr } = await project(t).alamode(["run"], { node: "node" });
  assert.equal(code, 2);
  assert.match(stderr, /^alamode needs Node\.js 24 or newer; this is \d+\.[\d.]+\.\n$/);
});

// What a command finds when it starts: environment, working directory, inputs, $OUTPUT.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { files } from "../../src/plan/sources.ts";
import { openRig, outputOf, planOf } from "./rig.ts";

/** Variables that shells set by themselves. */
const SHELL_OWN = ["PWD", "OLDPWD", "SHLVL", "_"];

/** The environment as `env -0` printed it, without what shells add. */
function environment(printed: string): Record<string, string> {
  const pairs = printed.split("\0").filter(Boolean);
  const all = pairs.map(
    (pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)] as const,
  );
  return Object.fromEntries(all.filter(([name]) => !SHELL_OWN.includes(name)));
}

test("the environment is clean: exactly what the design names, whatever the caller's is", async (t) => {
  const rig = await openRig(t);
  process.env["ALAMODE_TEST_LEAK"] = "1";
  t.after(() => delete process.env["ALAMODE_TEST_LEAK"]);
  for (const command of ['env -0 > "$OUTPUT"', ["/bin/sh", "-c", 'exec env -0 > "$OUTPUT"']]) {
    const plan = planOf({ show: [{ command, env: { MY: "own", N: 1 } }] });
    const { run } = await rig.run(plan);
    const slot = join(rig.store.scratchDir, run, "0");
    assert.deepEqual(environment(await rig.text(plan, "show")), {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: join(slot, "home"),
      TMPDIR: join(slot, "tmp"),
      LANG: "C.UTF-8",
      TZ: "UTC",
      MY: "own",
      N: "1",
      INPUTS: join(slot, "work", "inputs"),
      OUTPUT: join(slot, "out", "OUTPUT"),
      ALAMODE_STEP: `${run}/${run}-1`,
    });
  }
});

test("HOME, TMPDIR and the working directory are there, empty and writable", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    show: 'touch "$HOME/a" "$TMPDIR/b" c; (cd "$HOME" && ls -A; cd "$TMPDIR" && ls -A; cd "$INPUTS/.." && ls -A) > "$OUTPUT"',
  });
  await rig.run(plan);
  assert.equal(await rig.text(plan, "show"), "a\nb\nc\ninputs\n");
});

test("the spec's env wins over everything but INPUTS and OUTPUT, which it may not name", async (t) => {
  const rig = await openRig(t);
  const env = { TZ: "Asia/Tokyo", LANG: "C", HOME: "/h", TMPDIR: "/t", PATH: "/usr/bin:/bin", TOKEN: "spec" };
  const plan = planOf({ show: [{ command: 'env -0 > "$OUTPUT"', env }] }, { show: { pass: ["*"] } });
  await rig.run(plan, {
    path: "/elsewhere",
    callerEnv: { TZ: "a", HOME: "b", PATH: "c", TOKEN: "d", OUTPUT: "e" },
  });
  const { INPUTS: _, OUTPUT, ALAMODE_STEP: __, ...rest } = environment(await rig.text(plan, "show"));
  assert.deepEqual(rest, env);
  assert.notEqual(OUTPUT, "e");
});

test("PATH is the spec's, else the one passed, else the run's, and is recorded", async (t) => {
  const rig = await openRig(t);
  const plan = planOf(
    {
      own: [{ command: 'echo "$PATH" > "$OUTPUT"', env: { PATH: "/bin:/own" } }],
      passed: 'echo "$PATH" > $OUTPUT',
      usual: 'echo "$PATH" >$OUTPUT',
    },
    { passed: { pass: ["PATH"] } },
  );
  await rig.run(plan, { path: "/bin:/run", callerEnv: { PATH: "/bin:/caller" } });
  for (const [task, path] of [
    ["own", "/bin:/own"],
    ["passed", "/bin:/caller"],
    ["usual", "/bin:/run"],
  ] as const) {
    assert.equal(await rig.text(plan, task), `${path}\n`);
    const [execution] = await rig.record.executions(outputOf(plan, task));
    assert.equal(execution!.path, path);
  }
});

test("what pass names is handed over, and changes no ID", async (t) => {
  const rig = await openRig(t);
  const command = '(echo "$TOKEN $AWS_KEY"; env | grep -c OTHER || true) > "$OUTPUT"';
  const plan = planOf({ use: command }, { use: { pass: ["TOKEN", "AWS_*"] } });
  assert.equal(outputOf(plan, "use"), outputOf(planOf({ use: command }), "use"));
  await rig.run(plan, { callerEnv: { TOKEN: "t", AWS_KEY: "k", OTHER: "o" } });
  assert.equal(await rig.text(plan, "use"), "t k\n0\n");
  assert.equal((await rig.run(plan, { callerEnv: { TOKEN: "other" } })).counts.ran, 0);
});

test("inputs are links by dependency name, to a file or a folder as its task made it", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    lone: 'echo lone > "$OUTPUT"',
    "dir/with slash": 'mkdir "$OUTPUT"; echo in > "$OUTPUT/a.txt"',
    use: [
      'for f in inputs/*; do [ -L "$f" ]; readlink -f "$f"; done > "$OUTPUT"; cat inputs/lone "$INPUTS/dir%2Fwith slash/a.txt" >> "$OUTPUT"',
      "lone",
      "dir/with slash",
    ],
  });
  await rig.run(plan);
  const places = [await rig.place(plan, "dir/with slash"), await rig.place(plan, "lone")];
  assert.equal(await rig.text(plan, "use"), `${places.join("\n")}\nlone\nin\n`);
  assert.ok(places.every((place) => place.startsWith("/")));
});

test("one output under two dependency names is there under both", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    one: "echo same > $OUTPUT",
    two: "echo same > $OUTPUT",
    use: ["cat inputs/one inputs/two > $OUTPUT", "one", "two"],
  });
  assert.deepEqual((await rig.run(plan)).ranTasks, ["one", "use"]);
  assert.equal(await rig.text(plan, "use"), "same\nsame\n");
});

test("files are copied in under their paths, may be called by name, and are those that were planned", async (t) => {
  const rig = await openRig(t);
  writeFileSync(join(rig.dir, "hello.sh"), '#!/bin/sh\necho "hello $1"\n', { mode: 0o644 });
  const spec = { command: './hello.sh you > "$OUTPUT"', files: files("hello.sh", { from: rig.dir }) };
  const plan = planOf({ greet: [spec] });
  assert.equal((await rig.run(plan)).status, "done");
  assert.equal(await rig.text(plan, "greet"), "hello you\n");

  // The kept copy is what runs, also when the file has been edited since.
  const again = planOf({ again: [{ ...spec, command: './hello.sh all > "$OUTPUT"' }] });
  writeFileSync(join(rig.dir, "hello.sh"), "#!/bin/sh\necho edited\n");
  assert.equal((await rig.run(again)).status, "done");
  assert.equal(await rig.text(again, "again"), "hello all\n");
});

test("files in folders, and one that the task changes, stay as they are for the next task", async (t) => {
  const rig = await openRig(t);
  writeFileSync(join(rig.dir, "data.txt"), "data\n");
  const { "data.txt": digest } = files("data.txt", { from: rig.dir }) as { "data.txt": string };
  const spec = (command: string) => ({ command, files: { "lib/deep/data.txt": digest } });
  const plan = planOf({
    a: [spec("echo more >> lib/deep/data.txt; cp lib/deep/data.txt $OUTPUT")],
    b: [spec("cp lib/deep/data.txt $OUTPUT"), "a"],
  });
  await rig.run(plan, { jobs: 1 });
  assert.equal(await rig.text(plan, "a"), "data\nmore\n");
  assert.equal(await rig.text(plan, "b"), "data\n");
});

test("a file that the store does not have fails its task, saying where to get it", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: [{ command: "true", files: { "run.py": "ab".repeat(32) } }] });
  const { failures, status } = await rig.run(plan);
  assert.equal(status, "failed");
  assert.equal(
    failures[0]!.failure.message,
    'file "run.py" (sha256 abababab) is not among the store\'s sources',
  );
  assert.match(failures[0]!.failure.hint!, /alamode plan/);
});

test("produces as text: $OUTPUT is that file in the output folder, and dependents find it there", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    plot: [{ command: 'basename "$OUTPUT" > "$OUTPUT"', produces: "deep/plot.png" }],
    use: ['cat inputs/plot/deep/plot.png > "$OUTPUT"', "plot"],
  });
  await rig.run(plan);
  assert.equal(await rig.text(plan, "use"), "plot.png\n");
  assert.deepEqual(readdirSync(await rig.place(plan, "plot")), ["deep"]);
});

test("produces as a list: $OUTPUT is a folder that is there, and more than what is named may be made", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    split: [
      { command: 'cd "$OUTPUT"; mkdir d; echo 1 > a; echo 2 > d/b; echo 3 > more', produces: ["a", "d/b"] },
    ],
  });
  assert.equal((await rig.run(plan)).status, "done");
  assert.deepEqual(readdirSync(await rig.place(plan, "split"), { recursive: true }).sort(), [
    "a",
    "d",
    "d/b",
    "more",
  ]);
});

test("what is made is the task's whatever the umask of the caller", async (t) => {
  const rig = await openRig(t);
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  const plan = planOf({ make: "umask > $OUTPUT" });
  await rig.run(plan);
  assert.equal(await rig.text(plan, "make"), "0022\n");
  assert.equal(statSync(await rig.place(plan, "make")).mode & 0o777, 0o444);
});

test("after a run nothing lies in the scratch area but what failed steps left", async (t) => {
  const rig = await openRig(t);
  await rig.run(
    planOf({ good: "echo x > junk; cp junk $OUTPUT", bad: "echo half > $OUTPUT; echo y > left; exit 3" }),
    {
      keepGoing: true,
    },
  );
  assert.deepEqual(readdirSync(rig.store.scratchDir), ["failed"]);
  const [kept, ...more] = readdirSync(join(rig.store.scratchDir, "failed"));
  assert.deepEqual(more, []);
  const folder = join(rig.store.scratchDir, "failed", kept!);
  assert.equal(readFileSync(join(folder, "work/left"), "utf8"), "y\n");
  assert.equal(readFileSync(join(folder, "out/OUTPUT"), "utf8"), "half\n");
});

test("the last three scratch folders of a task that fails are kept", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ bad: "exit 3", other: "exit 4" }, { bad: { retries: 4, backoff: "1ms" } });
  const { of } = await rig.run(plan, { keepGoing: true, jobs: 1 });
  const scratches = of("task.failed")
    .filter(({ task }) => task === "bad")
    .map(({ failure }) => failure.scratch!.split("/").at(-1)!);
  const [other] = of("task.failed").filter(({ task }) => task === "other");
  assert.equal(scratches.length, 5);
  const kept = [...scratches.slice(-3), other!.failure.scratch!.split("/").at(-1)!].sort();
  assert.deepEqual(readdirSync(join(rig.store.scratchDir, "failed")).sort(), kept);
});

test("the scratch folder's random name in an output is warned of, in text, in a file name and in a link", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    text: 'echo "made in $PWD" > "$OUTPUT"',
    name: 'mkdir "$OUTPUT"; touch "$OUTPUT/$(echo "$ALAMODE_STEP" | cut -d/ -f1).txt"',
    link: 'mkdir "$OUTPUT"; ln -s "$(dirname "$ALAMODE_STEP")" "$OUTPUT/broken"',
    clean: 'mkdir "$OUTPUT"; echo relative > "$OUTPUT/a"; ln -s a "$OUTPUT/b"',
  });
  const { of } = await rig.run(plan, { keepGoing: true });
  const warnings = of("warning").filter(({ code }) => code === "scratch-path");
  assert.deepEqual(warnings.map(({ task }) => task).sort(), ["link", "name", "text"]);
  assert.match(
    warnings.find(({ task }) => task === "text")!.message,
    /^its output holds the random name of the scratch/,
  );
});

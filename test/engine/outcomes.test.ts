// How a step that did not succeed is told: as what it is, with the way out.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import type { Bmap } from "../../src/bencode/types.ts";
import type { TaskFailure } from "../../src/engine/events.ts";
import { files } from "../../src/plan/sources.ts";
import { alive, openRig, outputOf, planOf, type Rig, scratch } from "./rig.ts";

/** Runs one task that must fail, and returns how it was told. The record must say the same, and hold no success. */
async function failureOf(rig: Rig, spec: string | Bmap, options: Bmap = {}): Promise<TaskFailure> {
  const plan = planOf({ it: [spec] }, { it: options });
  const { failures, status, of, counts } = await rig.run(plan);
  assert.equal(status, "failed");
  assert.deepEqual([counts.failed, counts.ran, failures.length], [1, 0, 1]);
  const { failure } = failures[0]!;
  assert.deepEqual(of("task.failed").at(-1)!.failure, failure);
  const output = outputOf(plan, "it");
  assert.equal((await rig.record.successes([output])).size, 0);
  const [execution] = await rig.record.executions(output);
  assert.equal(execution!.outcome, "failure");
  assert.deepEqual(
    [execution!.failure!.kind, execution!.failure!.message, execution!.failure!.hint],
    [failure.kind, failure.message, failure.hint],
  );
  return failure;
}

test("an exit code other than 0 is told with the end of what was printed and where the rest is", async (t) => {
  const rig = await openRig(t);
  const failure = await failureOf(rig, "for i in $(seq 30); do echo line $i; done; echo oops >&2; exit 3");
  assert.deepEqual([failure.kind, failure.message, failure.exitCode], ["exit", "exit 3", 3]);
  assert.equal(failure.logTail.length, 20);
  assert.deepEqual(failure.logTail.slice(-2), ["line 30", "oops"]);
  assert.match(readFileSync(failure.log!, "utf8"), /^line 1\nline 2\n/);
  assert.ok(existsSync(join(failure.scratch!, "work")));
  assert.deepEqual([failure.attempt, failure.attempts], [1, 1]);
});

test("a command that fails in the middle of a shell text ends it: -e is on", async (t) => {
  const rig = await openRig(t);
  assert.equal((await failureOf(rig, "false; echo never > $OUTPUT")).message, "exit 1");
});

test("an exit 0 with half an output written before a failure is never taken: only exit 0 counts", async (t) => {
  const rig = await openRig(t);
  assert.equal((await failureOf(rig, "echo half > $OUTPUT; exit 1")).kind, "exit");
});

test("a signal is told by its name", async (t) => {
  const rig = await openRig(t);
  const segv = await failureOf(rig, "kill -SEGV $$");
  assert.deepEqual([segv.kind, segv.message, segv.signal], ["signal", "was killed by SIGSEGV", "SIGSEGV"]);
  const kill = await failureOf(rig, "kill -KILL $$");
  assert.match(kill.hint!, /out of memory/);
  const inner = await failureOf(rig, "sh -c 'kill -ABRT $$'; exit $?");
  assert.match(inner.message, /^exit 134 \(a program in it was ended by signal 6\)$/);
});

test("a timeout ends the whole group: gently first, then for good", async (t) => {
  const rig = await openRig(t);
  const pids = join(rig.dir, "pids");
  const command = `trap '' TERM; sleep 1000 & echo $$ $! > '${pids}'; while :; do wait; done`;
  const failure = await failureOf(rig, command, { timeout: "50ms" });
  assert.deepEqual(
    [failure.kind, failure.message],
    ["timeout", "ran longer than its timeout of 0.05 s and was ended"],
  );
  for (const pid of readFileSync(pids, "utf8").trim().split(" ")) assert.ok(!alive(Number(pid)));
});

test("one that ends by itself when it is told to has still run out of time", async (t) => {
  const rig = await openRig(t);
  const failure = await failureOf(
    rig,
    "trap 'echo done > $OUTPUT; exit 0' TERM; while :; do sleep 0.01; done",
    { timeout: "50ms" },
  );
  assert.equal(failure.kind, "timeout");
});

test("nothing at $OUTPUT is told with what lies where it may have been meant to", async (t) => {
  const rig = await openRig(t);
  const nothing = await failureOf(rig, "true");
  assert.deepEqual([nothing.kind, nothing.message], ["no-output", "made nothing at $OUTPUT (exit 0)"]);
  assert.equal(nothing.hint, "The command must write a file or a folder to the path in $OUTPUT.");

  const beside = await failureOf(rig, 'echo x > "$OUTPUT.png"');
  assert.equal(beside.message, "made nothing at $OUTPUT (exit 0). Beside it lies OUTPUT.png");
  assert.equal(
    beside.hint,
    "The program adds an extension. Say  produces: 'result.png'  and write to $OUTPUT.",
  );

  const other = await failureOf(rig, 'echo x > "$(dirname "$OUTPUT")/result"');
  assert.equal(other.message, "made nothing at $OUTPUT (exit 0). Beside it lies result");

  const strewn = await failureOf(rig, "echo x > model.bin; mkdir plots");
  assert.equal(
    strewn.message,
    "made nothing at $OUTPUT (exit 0). In its working directory lies model.bin, plots",
  );
  assert.match(strewn.hint!, /mv model\.bin "\$OUTPUT"/);
});

test("the code itself is not taken for a strewn result", async (t) => {
  const rig = await openRig(t);
  writeFileSync(join(rig.dir, "run.sh"), "true\n");
  const failure = await failureOf(rig, { command: "sh run.sh", files: files("run.sh", { from: rig.dir }) });
  assert.equal(failure.message, "made nothing at $OUTPUT (exit 0)");
});

test("what produces names must be there, and what is missing is named", async (t) => {
  const rig = await openRig(t);
  const list = await failureOf(rig, { command: "touch $OUTPUT/a $OUTPUT/z", produces: ["a", "b", "c"] });
  assert.deepEqual([list.message, list.hint], ["did not produce b, c (exit 0)", "In $OUTPUT lies a, z."]);
  const empty = await failureOf(rig, { command: "true", produces: ["a"] });
  assert.equal(empty.hint, "$OUTPUT, which is a folder here, is empty.");
  const named = await failureOf(rig, { command: 'touch "$OUTPUT.png"', produces: "plot" });
  assert.equal(named.message, "made nothing at $OUTPUT (exit 0). Beside it lies plot.png");
});

test("a program that is not there is told with the PATH that was searched", async (t) => {
  const rig = await openRig(t);
  for (const command of [
    "no-such-program --x > $OUTPUT",
    ["no-such-program", "--x"],
    "exec no-such-program",
  ]) {
    const failure = await failureOf(rig, { command });
    assert.deepEqual(
      [failure.kind, failure.message],
      ["not-found", "command not found: no-such-program (exit 127)"],
    );
    assert.match(failure.hint!, /^Steps search PATH=\/usr\/local\/bin:\/usr\/bin:\/bin\. /);
  }
  const inEnv = await failureOf(rig, "env no-such-program");
  assert.equal(inEnv.message, "command not found: no-such-program (exit 127)");
});

test("a script that is not in the working directory, or whose interpreter is not here, is told so", async (t) => {
  const rig = await openRig(t);
  const missing = await failureOf(rig, "./run.py > $OUTPUT");
  assert.equal(missing.message, "no such file: ./run.py (exit 127)");
  assert.match(missing.hint!, /under {2}files:/);
  writeFileSync(join(rig.dir, "run.py"), "#!/no/such/python3\nprint(1)\n");
  const spec = { command: "./run.py > $OUTPUT", files: files("run.py", { from: rig.dir }) };
  for (const command of [spec.command, ["./run.py"]]) {
    const interpreter = await failureOf(rig, { ...spec, command });
    assert.match(
      interpreter.message,
      /^\.\/run\.py names an interpreter that is not here: \/no\/such\/python3 \(exit 12[67]\)$/,
    );
    assert.match(interpreter.hint!, /sh \.\/run\.py/);
  }
});

test("a file or a package that was not declared is told with how to declare it", async (t) => {
  const rig = await openRig(t);
  const hint = async (spec: string | Bmap) => (await failureOf(rig, spec)).hint ?? "";
  assert.match(
    await hint("cat tabel.csv"),
    /^tabel\.csv is not in the working directory.*files\('tabel\.csv'\)\.$/,
  );
  assert.match(await hint({ command: ["cat", "lib/x.txt"] }), /files\('lib\/x\.txt'\)/);
  assert.equal(await hint("echo a.txt; exit 1"), "", "named, but not missed");
  assert.equal(await hint("touch a.txt; echo a.txt: no such file; exit 1"), "", "it is there");
  const fails = (text: string) => hint(`cat >&2 <<'END'\n${text}\nEND\nexit 1`);
  assert.match(
    await fails("ModuleNotFoundError: No module named 'numpy.linalg'"),
    /pythonEnv\(.*if numpy is your own/,
  );
  assert.match(
    await fails("Error [ERR_MODULE_NOT_FOUND]: Cannot find package '@a/b' imported from x"),
    /nodeEnv\(.* @a\/b is one/,
  );
});

test("what may not be executed is told so", async (t) => {
  const rig = await openRig(t);
  const failure = await failureOf(rig, "echo 'echo 1' > tool; chmod 644 tool; ./tool > $OUTPUT");
  assert.deepEqual([failure.kind, failure.message], ["not-found", "cannot execute ./tool (exit 126)"]);
  assert.equal((await failureOf(rig, "mkdir d; ./d")).message, "cannot execute ./d (exit 126)");
});

test("a command too long for the system is told so", async (t) => {
  const rig = await openRig(t);
  const failure = await failureOf(rig, { command: ["/bin/echo", "x".repeat(4 * 2 ** 20)] });
  assert.deepEqual(
    [failure.kind, failure.message],
    ["engine", "its command and environment are longer than the system allows"],
  );
});

test("too few descriptors are told as that", async (t) => {
  const rig = await openRig(t);
  const failure = await failureOf(rig, "echo 'fit: cannot open a.csv: Too many open files' >&2; exit 2");
  assert.equal(failure.message, "had too many open files (exit 2)");
  assert.match(failure.hint!, /ulimit -n/);
});

test("an output that cannot be kept fails its task with what and where", async (t) => {
  const rig = await openRig(t);
  const fifo = await failureOf(rig, 'mkdir "$OUTPUT"; mkfifo "$OUTPUT/pipe"');
  assert.equal(fifo.kind, "bad-output");
  assert.match(fifo.message, /pipe/);
  const leaves = await failureOf(rig, 'mkdir "$OUTPUT"; ln -s /etc/passwd "$OUTPUT/users"');
  assert.equal(leaves.kind, "bad-output");
  assert.match(leaves.message, /users/);
});

test("a disk that is full while a task writes is told as that, and the next run goes on", async (t) => {
  const full = tmpfs(t, "2m");
  if (full === undefined) return;
  const rig = await openRig(t, scratch(t), full);
  const failure = await failureOf(rig, 'head -c 8000000 /dev/zero > "$OUTPUT"');
  assert.equal(failure.kind, "no-space");
  assert.match(failure.message, /^ran out of disk space \(exit 1; \d+ MiB are free where it worked\)$/);
  assert.match(failure.hint!, /--store/);
  assert.equal(failure.scratch, undefined);
  assert.equal((await rig.run(planOf({ it: "echo small > $OUTPUT" }))).status, "done");
});

/** A file system of its own, so small that it can be filled. Skips the test where none can be had. */
function tmpfs(t: TestContext, size: string): string | undefined {
  if (process.getuid?.() !== 0) return t.skip("only root may mount a small file system") as undefined;
  const dir = join("/tmp", `alamode-full-${process.pid}`);
  mkdirSync(dir);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", dir], {
    encoding: "utf8",
  });
  t.after(() => {
    spawnSync("umount", ["-l", dir]);
    spawnSync("rmdir", [dir]);
  });
  if (mounted.status !== 0) return t.skip(`no small file system: ${mounted.stderr}`) as undefined;
  return dir;
}

test("retries: a success at the third attempt is a success like any other on the next run", async (t) => {
  const rig = await openRig(t);
  const count = join(rig.dir, "count");
  const command = `echo x >> '${count}'; test $(wc -l < '${count}') = 3; echo made > $OUTPUT`;
  const plan = planOf(
    { flaky: command, next: ["cat inputs/flaky > $OUTPUT", "flaky"] },
    { flaky: { retries: 5, backoff: "1ms" } },
  );
  const first = await rig.run(plan);
  assert.deepEqual([first.status, first.counts.ran, first.counts.failed], ["done", 2, 0]);
  const failed = first.of("task.failed");
  assert.deepEqual(
    failed.map(({ failure, retryInMs }) => [failure.attempt, failure.attempts, retryInMs]),
    [
      [1, 6, 1],
      [2, 6, 2],
    ],
  );
  assert.equal(first.of("task.ran")[0]!.attempt, 3);
  const again = await rig.run(plan);
  assert.deepEqual(again.counts, { ran: 0, same: 0, reused: 2, failed: 0, notStarted: 0 });
  // Another number of retries is the same task.
  assert.equal((await rig.run(planOf({ flaky: command }))).counts.ran, 0);
});

test("the last failure of several attempts is the task's", async (t) => {
  const rig = await openRig(t);
  const failure = await failureOf(rig, `echo x >> '${rig.dir}/n'; exit $(wc -l < '${rig.dir}/n')`, {
    retries: 2,
    backoff: "1ms",
  });
  assert.deepEqual([failure.message, failure.attempt, failure.attempts], ["exit 3", 3, 3]);
});

test("a failure is never reused: the next run tries again", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ it: `test -e '${rig.dir}/fixed'; echo ok > $OUTPUT` });
  assert.equal((await rig.run(plan)).status, "failed");
  writeFileSync(join(rig.dir, "fixed"), "");
  assert.equal((await rig.run(plan)).status, "done");
});

test("a task that prints nothing leaves no log; one that prints has its log named in the record", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ quiet: "echo x > $OUTPUT", loud: "echo hello; echo x > $OUTPUT" });
  await rig.run(plan);
  const [quiet] = await rig.record.executions(outputOf(plan, "quiet"));
  const [loud] = await rig.record.executions(outputOf(plan, "loud"));
  assert.equal(quiet!.log, undefined);
  assert.deepEqual(readdirSync(rig.store.logDir), [loud!.log]);
  assert.equal(readFileSync(join(rig.store.logDir, loud!.log!), "utf8"), "hello\n");
});

test("a failure's last lines cannot drive the reader's terminal", async (t) => {
  const rig = await openRig(t);
  const { logTail } = await failureOf(
    rig,
    String.raw`printf '\033[31mred\033[0m\n50%%\r100%%\nwindows\r\n\033]0;title\007tab\there\n\302\233red\n'; exit 1`,
  );
  assert.deepEqual(logTail.slice(0, 3), ["red", "100%", "windows"]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.doesNotMatch(logTail.join(""), /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/);
});

test("bad tasks are told all together before anything runs", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ ok: "echo > $OUTPUT", bad: [{ env: { A: "1" } }], worse: [{ command: [] }] });
  await assert.rejects(rig.run(plan), {
    code: "bad-task",
    message: /^task "bad" cannot.*\ntask "worse" cannot/,
  });
  assert.deepEqual(await rig.record.runs(10), []);
  assert.equal((await rig.run(plan, { goals: ["ok"] })).status, "done");
});

test("what a shell called may clean up after TERM, though the shell itself is gone at once", async (t) => {
  const rig = await openRig(t);
  const told = join(rig.dir, "told");
  const inner = `trap 'echo cleaned > ${told}; exit 0' TERM; while :; do sleep 0.01; done`;
  const failure = await failureOf(rig, `/bin/sh -c "${inner}"; echo > $OUTPUT`, { timeout: "100ms" });
  assert.equal(failure.kind, "timeout");
  assert.equal(readFileSync(told, "utf8"), "cleaned\n");
});

test("a task that removes what lies around its folders harms no other", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "rm -rf ../alive ../home; echo a > $OUTPUT", b: ["echo b > $OUTPUT", "a"] });
  assert.equal((await rig.run(plan, { jobs: 1 })).status, "done");
});

// Promise 9: nothing outlives its step, however it was started.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { alive, openRig, outputOf, planOf, type Rig } from "./rig.ts";

const python = ["/usr/local/bin/python3", "/usr/bin/python3"].find((path) => existsSync(path));
const noPython = python === undefined ? "there is no python3 on the PATH of steps" : false;
const noProc = process.platform === "linux" ? false : "only Linux shows the environment of other processes";

/** What a process that outlives its step does: tells its pid and that it is there, and stays. */
const stay = (rig: Rig) => `echo $$ > '${rig.dir}/pid'; echo x > started; exec sleep 1000`;
const pidOf = (rig: Rig) => Number(readFileSync(join(rig.dir, "pid"), "utf8"));

/** A command that starts something in the background by `start`, waits until it is there, and makes its output. */
const leaving = (start: string) => `mkfifo started; ${start}; read x < started; echo made > "$OUTPUT"`;

/** Python that starts `sh -c $1` with the words given to Popen. */
const popen = (words: string, command: string) =>
  `${python} -c 'import subprocess, sys; subprocess.Popen(["sh", "-c", sys.argv[1]]${words})' "${command.replaceAll("$", "\\$")}"`;

/** A daemon by the book: two forks, a session of its own, all descriptors closed. */
const daemon = (command: string) =>
  `${python} -c '
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.closerange(0, 256)
os.open("/dev/null", os.O_RDWR); os.dup(0); os.dup(0)
os.execv("/bin/sh", ["sh", "-c", sys.argv[1]])' "${command.replaceAll("$", "\\$")}"`;

const caught: [string, (rig: Rig) => string, string | false][] = [
  ["&", (rig) => `sh -c "${stay(rig).replace("$$", "\\$\\$")}" &`, false],
  ["& without any output", (rig) => `sh -c "${stay(rig).replace("$$", "\\$\\$")}" > /dev/null 2>&1 &`, false],
  ["nohup", (rig) => `nohup sh -c "${stay(rig).replace("$$", "\\$\\$")}" > /dev/null 2>&1 &`, false],
  ["setsid", (rig) => `setsid sh -c "${stay(rig).replace("$$", "\\$\\$")}" > /dev/null 2>&1 &`, false],
  ["Python's Popen", (rig) => popen("", stay(rig)), noPython],
  [
    "Python's Popen, in a session of its own, descriptors kept",
    (rig) => popen(", start_new_session=True, close_fds=False", stay(rig)),
    noPython,
  ],
];

for (const [how, start, skip] of caught) {
  test(`a process left behind by ${how} fails its step, and is ended`, { skip }, async (t) => {
    const rig = await openRig(t);
    const plan = planOf({ serve: leaving(start(rig).replace(/ &$/, " & true")) });
    const { status, failures } = await rig.run(plan);
    assert.equal(status, "failed");
    const { failure } = failures[0]!;
    assert.equal(failure.kind, "left-process");
    assert.match(
      failure.message,
      // A process seen in the middle of becoming `sleep 1000` has no arguments yet: then its name is told.
      /^left a process running \(.*sleep( 1000)?.*, \d+\)\. It was ended, and nothing was recorded$/,
    );
    assert.ok(!alive(pidOf(rig)));
    assert.equal((await rig.record.history(outputOf(plan, "serve"))).length, 0);
  });
}

test("several are told together, and an exit code of its own comes first", async (t) => {
  const rig = await openRig(t);
  const two = await rig.run(planOf({ it: "sleep 1000 & sleep 1001 & echo x > $OUTPUT" }));
  assert.match(
    two.failures[0]!.failure.message,
    // Either may be seen before it has become `sleep`, and then is called what its shell was.
    /^left 2 processes running \([^;]+, \d+; [^;]+, \d+\)/,
  );
  const exits = await rig.run(planOf({ it: "sleep 1000 & exit 3" }));
  assert.equal(exits.failures[0]!.failure.message, "exit 3");
});

test("what ends by itself in a moment is fine", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ it: 'sleep 0.02 & seq 100000 | head -1 > "$OUTPUT"' });
  assert.equal((await rig.run(plan)).status, "done");
});

for (const [how, start] of [
  [
    "Python's Popen in a session of its own",
    (rig: Rig) => popen(", start_new_session=True, stdout=-3, stderr=-3", stay(rig)),
  ],
  ["a daemon that closed every descriptor", (rig: Rig) => daemon(stay(rig))],
] as const) {
  test(`${how} is found before the run ends, told and ended`, { skip: noPython || noProc }, async (t) => {
    const rig = await openRig(t);
    const plan = planOf({ serve: leaving(start(rig)) });
    const { of, status, warned } = await rig.run(plan);
    assert.ok(!alive(pidOf(rig)));
    assert.deepEqual(warned, ["stray-process"]);
    const [warning] = of("warning");
    assert.equal(warning!.task, "serve");
    assert.match(warning!.message, /^left a process running .*\(sleep( 1000)?, \d+\)\. It was ended/);
    // Its output has the bytes that were recorded, so it stands.
    assert.equal(status, "done");
    assert.equal((await rig.run(plan)).counts.reused, 1);
  });
}

for (const exit of ["", "; exit 3"]) {
  const whose = exit === "" ? "done" : "failed";
  test(`a stray of a ${whose} step that changes what was made since: that is damaged, failed, and made again`, {
    skip: noPython || noProc,
  }, async (t) => {
    const rig = await openRig(t);
    const hold = rig.gate("hold");
    const stray = rig.gate("stray");
    const victim = "echo good > $OUTPUT";
    const place = join(
      rig.storeDir,
      "outputs",
      ((id) => `${id.slice(0, 2)}/${id}`)(outputOf(planOf({ v: victim }), "v")),
    );
    writeFileSync(
      join(rig.dir, "spoil.sh"),
      `echo x > started; ${stray.command()}; chmod u+w '${place}'; echo bad > '${place}'; ${stray.command()}; exec sleep 1000`,
    );
    const plan = planOf({
      a_stray: `mkfifo started; ${daemon(`exec sh '${rig.dir}/spoil.sh'`)}; read x < started; echo made > $OUTPUT${exit}`,
      b_victim: victim,
      c_hold: `${hold.command()}; echo held > $OUTPUT`,
    });
    const running = rig.run(plan, { jobs: 1, keepGoing: true });
    await hold.reached();
    await stray.reached();
    await stray.open();
    await stray.reached();
    await stray.open();
    await hold.open();
    const { of, failures, counts, warned } = await running;
    assert.deepEqual(warned, ["stray-process"]);
    assert.ok(failures.some(({ task, failure }) => task === "b_victim" && failure.kind === "left-process"));
    assert.ok(of("task.failed").some(({ task }) => task === "b_victim"));
    assert.equal(counts.ran, exit === "" ? 2 : 1);
    const again = await rig.run(plan, { goals: ["b_victim"] });
    assert.deepEqual(again.ranTasks, ["b_victim"]);
    assert.equal(await rig.text(plan, "b_victim"), "good\n");
  });
}

test("what a step left is gone before the next step of the same slot begins", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    a: `sleep 1000 & echo $! > '${rig.dir}/pid'; echo x > $OUTPUT`,
    b: `kill -0 $(cat '${rig.dir}/pid') 2>/dev/null && exit 9; echo fine > $OUTPUT`,
  });
  const { ranTasks } = await rig.run(plan, { jobs: 1, keepGoing: true });
  // A zombie still answers kill -0 where process 1 reaps nobody, so what counts is whether it runs.
  assert.ok(!alive(pidOf(rig)));
  if (spawnSync("kill", ["-0", String(pidOf(rig))]).status !== 0) assert.deepEqual(ranTasks, ["b"]);
});

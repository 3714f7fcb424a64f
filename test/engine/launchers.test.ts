// A command cannot tell whether a launcher started it: the same table of commands is performed with launchers and without, and
// everything that can be seen of them is compared.
import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { Answers } from "../../src/engine/executors/answers.ts";
import { usesBuiltinsOnly } from "../../src/engine/executors/builtins-only.ts";
import { makeFifos, openPipe, type Pipe } from "../../src/engine/executors/fifos.ts";
import { Launcher } from "../../src/engine/executors/launcher.ts";
import { Launchers } from "../../src/engine/executors/launchers.ts";
import { fifoHeld, openLocalExecutor } from "../../src/engine/executors/local.ts";
import { slotProcesses } from "../../src/engine/executors/processes.ts";
import { hasShellLauncher } from "../../src/engine/executors/shell-launcher.ts";
import type { Ended, Executor } from "../../src/engine/executors/types.ts";
import { errnoOf } from "../../src/errors.ts";
import { scratch } from "./rig.ts";

const skip = !existsSync("/usr/bin/perl") && "there is no Perl";

/** Of no other process that runs these tests: by it survivors are found. */
const STEP = `run-${process.pid}/step`;

const sh = (text: string) => ["/bin/sh", "-ec", text];

/** What is printed must be the same from one process to the next: no pids, and of the environment no more than is given. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  "exit 0": sh("true"),
  "exit 3": sh("exit 3"),
  "exit 255": sh("exit 255"),
  "a command that fails ends it": sh("false; echo not reached"),
  "an exit code as of a signal": sh("exit 143"),
  "killed by itself": sh("kill -TERM $$"),
  "killed by KILL": sh("kill -KILL $$"),
  "killed by a signal without a handler": sh("kill -USR1 $$"),
  "a child is killed": sh("sh -c 'kill -9 $$'; echo not reached"),
  "$0, $- and arguments": sh('echo "$0|$-|$#|$*"'),
  "$$ is the shell's own": sh("[ $$ = \"$(sh -c 'echo $PPID')\" ] && echo own"),
  "it leads its group and session": sh(
    "read -r pid comm state ppid group session rest </proc/self/stat; [ $$ = $group ] && [ $$ = $session ] && echo leads",
  ),
  "traps and ignored signals": sh("trap; trap 'echo bye' EXIT; kill -INT $$ & wait; echo on"),
  "signals are neither ignored nor blocked": sh("grep -E '^Sig(Ign|Blk)' /proc/self/status"),
  "the environment": sh("env | sort"),
  "variables of the shell": sh('set | grep -v -E "^(PPID|OPTIND|_)=" | sort'),
  echo: sh('echo "a\\nb" \'c\\td\'; printf "%s" "$LONG" | wc -c'),
  "an error in the syntax": sh("if; then"),
  "a program that is not there": sh("no-such-program"),
  "umask, limits and folder": sh("umask; ulimit -n; ulimit -c; pwd; ls -A"),
  "what is open": sh("ls /proc/self/fd | tr '\\n' ' '; readlink /proc/$$/fd/0"),
  "stdin is empty": sh("cat; echo $?"),
  "output in order": sh("echo one; echo two >&2; echo three"),
  "no terminal": sh("exec 2>&1; (: </dev/tty) || echo none"),
  "a word of many bytes": sh(`printf %s ${"x".repeat(130_000)} | wc -c`),
  "text with everything in it": sh("printf '%s' 'é\t\"\\$\u{1F600}\n\n' | od -c"),
  words: ["printf", "%s|", "a b", "", "$HOME", "\n"],
  "words that are not there": ["no-such-program", "x"],
  "an absolute path that is not there": ["/no/such", "x"],
  // From here on nothing but a shell is needed.
  "a builtin that fails ends it": sh("[ a = b ]; echo not reached"),
  "and not on the left of ||": sh("[ a = b ] || echo on"),
  "a code of its own": sh("echo before; exit 7"),
  "a loop over what is read": sh(
    "printf '%s\\n' a 'b c' >list; while IFS= read -r line; do echo \"<$line>\"; done <list",
  ),
  "variables it was given, and others": sh('echo "$A|$EMPTY|$PATH|$HOME|$f|$_f|$n|$line|$s"'),
  "a variable that is not there": sh("set -eu; echo $nothing; echo not reached"),
  "a file that is not there": sh("echo one\nread -r x <nothing\necho not reached"),
  "a folder that is not there": sh("echo one\n\ncd nothing"),
  "the folder before, where there was none": sh("cd -; echo x >here"),
  "a NUL, which no program can be given": sh("echo 'a\0b'"),
  "wrong arithmetic": sh("echo $((1/0)); echo not reached"),
  "a wrong number": sh("[ a -eq 1 ]"),
  "both outputs": sh("echo one; echo two >&2; echo three 2>&1"),
  "stdin has an end": sh("read -r x || echo none"),
  "the log by name": sh("echo one >/dev/stdout; echo two >/dev/stderr"),
  "a descriptor that is not open": sh("echo x >&2; [ -t 0 ] || [ -t 1 ] || echo no terminal"),
  "files with a mask": sh("echo x >made; [ -x made ] || echo not executable"),
  "no programs by accident": sh("echo test; true; : ; false || printf '%d\n' 0x1f"),
};

/** Mostly one of the first, parted by two blanks, and now and then one of the others, which make it no text for a shell's copy. */
const either = (usual: string, other: string) =>
  fc.oneof(
    { weight: 30, arbitrary: fc.constantFrom(...usual.split("  ")) },
    { weight: 1, arbitrary: fc.constantFrom(...other.split("  ")) },
  );
const word = either(
  `a  b.c  'it is'  "$a $A"  $b  \${a}  $((1+2))  $((b*(2-1)))  *  -n  =  1  $x`,
  `"  '  \`  $$  $(a)  $((1)+(2))  #  a&  (`,
);
const command = either(
  "echo  echo  printf  printf %s\\n  test  read  read -r  true  false  :  cd  set -e  set -u  exit 3  a=1  b=$a  IFS=  break",
  "cat  set  exit  if  done  x",
);
const simple = fc
  .tuple(
    command,
    fc.array(word, { maxLength: 3 }),
    either("  > b.c  >>a  <a  2>&1  >&2  2>b  >$x", "3>b  <  >|a  12>a"),
  )
  .map(([name, words, redirection]) => [name, ...words, redirection].join(" "));
const separator = either(";  \n  &&  ||  ;\n\n", "&  |  ;;");
/** Texts, many of which are what a shell does by itself, and some no text for a shell at all. */
const { list: scripts } = fc.letrec<{ list: string; command: string }>((tie) => ({
  list: fc
    .tuple(
      tie("command"),
      fc.array(
        fc.tuple(separator, tie("command")).map((all) => all.join(" ")),
        { maxLength: 3 },
      ),
    )
    .map(([first, more]) => [first, ...more].join(" ")),
  command: fc.oneof(
    { depthSize: "small" },
    { weight: 5, arbitrary: simple },
    fc
      .tuple(word, tie("list"), separator)
      .map(([word, list, end]) => `for a in ${word} x; do ${list} ${end} done`),
    fc.tuple(tie("list"), tie("list")).map(([one, two]) => `if ${one}; then ${two}\nelse ${two}; fi >>c`),
    fc
      .tuple(tie("list"), either("done", "fi"))
      .map(([list, end]) => `while read -r x; do ${list}; ${end} <in`),
  ),
}));

interface Seen extends Pick<Ended, "exitCode" | "signal" | "survivors"> {
  readonly log: string;
  readonly error: string;
}

async function seen(executor: Executor, slot: string, argv: readonly string[]): Promise<Seen> {
  const cwd = join(slot, "work");
  const log = join(slot, "log");
  mkdirSync(cwd, { recursive: true });
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: "/",
    A: "x=y\nz",
    EMPTY: "",
    LONG: "é".repeat(20_000),
  };
  const never = new AbortController().signal;
  const ended = await executor.execute({ step: STEP, argv, cwd, env, log, slot }, never, never);
  const { exitCode, signal, survivors, spawnError } = ended;
  const text = existsSync(log) ? readFileSync(log, "utf8").replaceAll(slot, "SLOT") : "";
  const error = (spawnError as NodeJS.ErrnoException | undefined)?.code ?? "";
  return {
    log: text,
    error,
    survivors,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(signal ? { signal } : {}),
  };
}

test("a command cannot tell that a launcher started it", { skip }, async (t) => {
  const dir = scratch(t);
  const executors = {
    with: openLocalExecutor("run"),
    "with Perl": openLocalExecutor("run", new Launchers({ shell: false })),
    without: openLocalExecutor("run", new Launchers({ perl: "/no/perl", shell: false })),
  };
  const slots: Record<string, string[]> = {};
  for (const [name, executor] of Object.entries(executors))
    slots[name] = await executor.openSlots(join(dir, name), Object.keys(COMMANDS).length);
  try {
    for (const [at, [what, argv]] of Object.entries(COMMANDS).entries()) {
      const expected = await seen(executors.without, slots["without"]![at]!, argv);
      for (const how of ["with", "with Perl"] as const)
        assert.deepEqual(await seen(executors[how], slots[how]![at]!, argv), expected, `${what}, ${how}`);
    }
  } finally {
    for (const executor of Object.values(executors)) await executor.close();
  }
});

// All in one slot, where a copy of a shell could see what its elders have seen.
test("what nothing but a shell is needed for cannot tell a copy of a shell from a fresh one", async (t) => {
  const dir = scratch(t);
  const copies = openLocalExecutor("run");
  const fresh = openLocalExecutor("run", new Launchers({ shell: false }));
  const [ofCopies] = await copies.openSlots(join(dir, "copies"), 1);
  const [ofFresh] = await fresh.openSlots(join(dir, "fresh"), 1);
  let taken = 0;
  try {
    const one = async (text: string) => {
      if (!usesBuiltinsOnly(text)) return;
      taken++;
      const both = [];
      for (const [executor, slot] of [
        [copies, ofCopies!],
        [fresh, ofFresh!],
      ] as const) {
        const work = join(slot, "work");
        mkdirSync(work, { recursive: true });
        writeFileSync(join(work, "in"), "a\nb c\n");
        const result = await seen(executor, slot, sh(text));
        const files = readdirSync(work).map((name) => [name, readFileSync(join(work, name), "latin1")]);
        both.push({ ...result, files });
        rmSync(work, { recursive: true });
        rmSync(join(slot, "log"), { force: true });
      }
      assert.deepEqual(both[0], both[1], text);
    };
    await fc.assert(fc.asyncProperty(scripts, one), { numRuns: 1_500 });
  } finally {
    await copies.close();
    await fresh.close();
  }
  assert.ok(taken > 150, `only ${taken} texts were taken`);
});

test("a loop that has no end is ended with its group, and the slot goes on", async (t) => {
  const executor = openLocalExecutor("run");
  const [slot] = await executor.openSlots(join(scratch(t), "slots"), 1);
  const never = new AbortController().signal;
  const job = (text: string, more = {}) => {
    const cwd = join(slot!, "work");
    mkdirSync(cwd, { recursive: true });
    return { step: "run/step", argv: sh(text), cwd, env: {}, log: join(slot!, "log"), slot: slot!, ...more };
  };
  const endless = "echo begun; while true; do :; done";
  try {
    const late = await executor.execute(job(endless, { timeoutMs: 100 }), never, never);
    assert.equal(late.stoppedFor, "timeout");
    const kill = new AbortController();
    const killed = executor.execute(job(`echo x >here; ${endless}`), never, kill.signal);
    while (!existsSync(join(slot!, "work/here"))) await nextTurn();
    kill.abort();
    assert.equal((await killed).stoppedFor, "interrupted");
    assert.equal((await executor.execute(job("exit 3"), never, never)).exitCode, 3);
  } finally {
    await executor.close();
  }
});

test("text that is none for a shell, or for more than its builtins, is not for a copy", () => {
  const refused = [
    "echo > 2>&1 a",
    "2>&1 while false; do :; done",
    "for a 2>&1 in b; do :; done",
    "while 2>&1 true do :; done",
    "PATH=/bin:%builtin; test",
    'read -r PA"TH" <in; test',
    "if ".repeat(5_000),
  ];
  assert.deepEqual(refused.filter(usesBuiltinsOnly), []);
  const taken = ["2>&1 echo a >b", "echo a >&2 >b 2>&1", "if 2>&1 true; then :; fi 2>&1", ">a"];
  assert.deepEqual(taken.filter(usesBuiltinsOnly), taken);
});

test("a program that PATH puts before a builtin is seen to end", async (t) => {
  const dir = scratch(t);
  const executor = openLocalExecutor("run");
  const [slot] = await executor.openSlots(join(dir, "slots"), 1);
  // Dash has `%builtin` in PATH stand for its own. This one leaves something running.
  writeFileSync(join(dir, "test"), "#!/bin/sh\n/bin/sleep 60 &\n", { mode: 0o755 });
  const job = { step: STEP, argv: sh("test"), env: { PATH: `${dir}:%builtin` } };
  const never = new AbortController().signal;
  try {
    const all = { ...job, cwd: slot!, log: join(slot!, "log"), slot: slot! };
    const { exitCode, survivors } = await executor.execute(all, never, never);
    if (hasShellLauncher()) assert.deepEqual([exitCode, survivors.length], [0, 1]);
  } finally {
    await executor.close();
  }
});

test("a timeout that comes as its command ends does not end the slot's next one", async (t) => {
  const executor = openLocalExecutor("run");
  const [slot] = await executor.openSlots(join(scratch(t), "slots"), 1);
  const cwd = join(slot!, "work");
  mkdirSync(cwd);
  const job = (text: string, more = {}) => {
    const command = { step: "run/step", argv: sh(text), cwd, env: {}, log: join(slot!, "log"), slot: slot! };
    return executor.execute({ ...command, ...more }, never, never);
  };
  const never = new AbortController().signal;
  try {
    assert.equal((await job("exit 2")).exitCode, 2); // so that its shell is there
    const ending = job("echo x >here; while [ ! -e go ]; do :; done", { timeoutMs: 300 });
    let over = false; // on a machine so busy that the timeout comes first
    void ending.then(() => {
      over = true;
    });
    while (!over && !existsSync(join(cwd, "here"))) await nextTurn();
    const begunMs = performance.now(); // its clock was set before
    // An engine that is busy until both have happened: of the timeout it hears first.
    writeFileSync(join(cwd, "go"), "");
    while (slotProcesses(slot!).length > 1 || performance.now() < begunMs + 310);
    const { stoppedFor, exitCode } = await ending;
    if (stoppedFor !== "timeout") assert.equal(exitCode, 0); // it heard of the end first, as it may on a busy machine
    assert.equal((await job("exit 3")).exitCode, 3);
  } finally {
    await executor.close();
  }
});

test("a shell that was killed is told by its signal, and nobody writes of it to the log", {
  skip: (!hasShellLauncher() || process.platform !== "linux") && "no such launcher",
}, async (t) => {
  const executor = openLocalExecutor("run");
  const [slot] = await executor.openSlots(join(scratch(t), "slots"), 1);
  const here = join(slot!, "work/here");
  const endless = sh("echo x >here; while true; do :; done");
  try {
    for (const [whom, signal] of [
      ["copy", "SIGKILL"],
      ["group", "SIGTERM"],
    ] as const) {
      const killed = seen(executor, slot!, endless);
      while (!existsSync(here)) await nextTurn();
      const pids = slotProcesses(slot!).map(({ pid }) => pid);
      const parent = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, "latin1").split(" ")[3]);
      const copy = pids.find((pid) => pids.includes(parent(pid)))!;
      process.kill(whom === "copy" ? copy : -parent(copy), signal);
      assert.deepEqual(await killed, { log: "", error: "", survivors: [], signal }, whom);
      rmSync(here);
    }
  } finally {
    await executor.close();
  }
});

test("where a task removed the slot's FIFO, no file takes its place", async (t) => {
  const executor = openLocalExecutor("run");
  const [slot] = await executor.openSlots(join(scratch(t), "slots"), 1);
  const alive = join(slot!, "alive");
  try {
    rmSync(alive);
    assert.equal((await seen(executor, slot!, sh("exit 3"))).exitCode, 3);
    assert.ok(lstatSync(alive).isFIFO());
  } finally {
    await executor.close();
  }
});

test("of a dead engine whose supervisor died too, a shell's copy is found by its slot", {
  skip: (!hasShellLauncher() || process.platform !== "linux") && "no such launcher",
}, async (t) => {
  const executor = openLocalExecutor("run");
  const [slot] = await executor.openSlots(join(scratch(t), "slots"), 1);
  const never = new AbortController().signal;
  try {
    const left = seen(executor, slot!, sh("echo x >here; while true; do :; done"));
    while (!existsSync(join(slot!, "work/here"))) await nextTurn();
    await executor.endLeftovers(slot!, STEP, () => assert.fail("waits"), never);
    assert.equal(fifoHeld(slot!), false);
    assert.equal((await left).signal, "SIGKILL");
  } finally {
    await executor.close();
  }
});

for (const [when, told, broken] of [
  ["with its first job", ["exit 2\n"], 1],
  ["later", ['echo "1 exited 3"\n', "exit 2\n"], 0],
] as const) {
  test(`a shell that ends by itself, as where there may be no more processes, has not begun its job: ${when}`, async (t) => {
    const dir = scratch(t);
    const fifos = ["jobs", "answers"].map((name) => join(dir, name));
    makeFifos(fifos);
    const [jobs, all] = fifos.map((fifo) => openPipe(fifo)) as [Pipe, Pipe];
    const texts = [...told];
    let times = 0;
    const kind = { program: ["/bin/sh"], env: {}, isGroupOfJobs: true, told: () => texts.shift()! };
    const on = { broken: () => times++, gone: () => {} };
    const launcher = new Launcher(kind, jobs, all.writer, on);
    const answers = new Answers(all, (line) => launcher.answered(line.split(" ").slice(1)));
    try {
      const job = { step: "run/step", argv: sh("true"), cwd: "/", env: {}, log: "/dev/null", slot: "/" };
      for (const text of told) {
        answers.awaited(1);
        const { ended } = await launcher.start(job, () => answers.awaited(-1));
        const expected = text.startsWith("exit") ? undefined : { code: 3, signal: null, left: false };
        assert.deepEqual(await ended, expected);
      }
      assert.deepEqual([launcher.gone, times], [true, broken]);
    } finally {
      await launcher.close();
      answers.close();
    }
  });
}

test("where Perl is there and does not work, commands are started without", async (t) => {
  const dir = scratch(t);
  const broken = { fails: "#!/bin/sh\nexit 2\n", "lacks its interpreter": "#!/no/interpreter\n" };
  for (const [n, [how, text]] of Object.entries(broken).entries()) {
    const perl = join(dir, `perl-${n}`);
    writeFileSync(perl, text, { mode: 0o755 });
    const executor = openLocalExecutor("run", new Launchers({ perl, shell: false }));
    const slots = await executor.openSlots(join(dir, `slots-${n}`), 2);
    try {
      const both = slots.map((slot) => seen(executor, slot, sh("exit 3")));
      for (const { exitCode, error } of [
        ...(await Promise.all(both)),
        await seen(executor, slots[0]!, sh("exit 3")),
      ])
        assert.deepEqual([exitCode, error], [3, ""], how);
    } finally {
      await executor.close();
    }
  }
});

test("what one command of a slot was told, the next is not", { skip }, async (t) => {
  const executor = openLocalExecutor("run");
  const [slot] = await executor.openSlots(join(scratch(t), "slots"), 1);
  const never = new AbortController().signal;
  const told = async (env: Readonly<Record<string, string>>, folder: string, step = "run/step") => {
    const cwd = join(slot!, folder);
    const log = join(slot!, `log-${folder}`);
    mkdirSync(cwd, { recursive: true });
    const argv = sh('env | grep -v -E "^(PWD|_|SHLVL)=" | sort; pwd');
    const { exitCode } = await executor.execute({ step, argv, cwd, env, log, slot: slot! }, never, never);
    assert.equal(exitCode, 0);
    const text = readFileSync(log, "utf8").replaceAll(slot!, "SLOT");
    rmSync(log); // as a log that gets its name
    return text.trim().split("\n");
  };
  const PATH = "/usr/bin:/bin";
  try {
    const first = ["A=1", "ALAMODE_STEP=run/step", `PATH=${PATH}`, "SLOT/one"];
    assert.deepEqual(await told({ PATH, A: "1" }, "one"), first);
    assert.deepEqual(await told({ PATH, A: "1" }, "one"), first);
    assert.deepEqual(await told({ PATH, B: "a\\b=c" }, "one", "run/other"), [
      "ALAMODE_STEP=run/other",
      "B=a\\b=c",
      `PATH=${PATH}`,
      "SLOT/one",
    ]);
    assert.deepEqual(await told({ PATH, A: "1" }, "two"), [...first.slice(0, 3), "SLOT/two"]);
    // Of a command that could not be started nothing stays either.
    const gone = join(slot!, "gone");
    const job = {
      step: "run/x",
      argv: sh("true"),
      cwd: gone,
      env: { C: "1" },
      log: join(slot!, "log"),
      slot: slot!,
    };
    assert.equal(errnoOf((await executor.execute(job, never, never)).spawnError), "ENOENT");
    assert.deepEqual(await told({ PATH, A: "1" }, "two"), [...first.slice(0, 3), "SLOT/two"]);
  } finally {
    await executor.close();
  }
});

test("many slots have launchers of their own, made as they are needed", { skip }, async (t) => {
  const executor = openLocalExecutor("run");
  const slots = await executor.openSlots(join(scratch(t), "slots"), 40);
  try {
    const all = await Promise.all(slots.map((slot) => seen(executor, slot, sh("echo $PPID"))));
    assert.equal(new Set(all.map(({ log }) => log)).size, 40);
  } finally {
    await executor.close();
  }
});

test("a launcher that is killed is told as that, and another takes its place", { skip }, async (t) => {
  const executor = openLocalExecutor("run");
  const [slot] = await executor.openSlots(join(scratch(t), "slots"), 1);
  try {
    const killed = await seen(executor, slot!, sh("kill -KILL $PPID; exec sleep 1000"));
    assert.equal(killed.signal, "SIGKILL");
    assert.deepEqual((await seen(executor, slot!, sh("echo again"))).exitCode, 0);
  } finally {
    await executor.close();
  }
});

for (const how of ["with", "without"]) {
  const unable = (how === "with" && skip) || (process.platform !== "linux" && "needs /proc");
  test(`a supervisor that was killed a moment ago is replaced, ${how} launchers`, {
    skip: unable,
  }, async (t) => {
    const run = `killed-${process.pid}-${how}`;
    const executor = openLocalExecutor(
      run,
      new Launchers(how === "with" ? { shell: false } : { perl: "/no/perl", shell: false }),
    );
    const [slot] = await executor.openSlots(join(scratch(t), "slots"), 1);
    try {
      assert.equal((await seen(executor, slot!, sh("true"))).exitCode, 0);
      const stat = (pid: string) => readFileSync(`/proc/${pid}/stat`, "utf8");
      const supervisor = readdirSync("/proc").find(
        (pid) => /^\d+$/.test(pid) && commandLine(pid).includes(`alamode-supervisor\0${run}\0`),
      );
      process.kill(Number(supervisor), "SIGKILL");
      while (!/^\d+ \(.*\) Z/s.test(stat(supervisor!))); // without a turn in which Node.js could hear of it
      assert.equal((await seen(executor, slot!, sh("true"))).exitCode, 0);
    } finally {
      await executor.close();
    }
  });
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // it has gone
  }
}

// A command cannot tell whether a launcher started it: the same table of commands is performed with launchers and without, and
// everything that can be seen of them is compared.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Launchers } from "../../src/engine/executors/launchers.ts";
import { openLocalExecutor } from "../../src/engine/executors/local.ts";
import type { Ended, Executor } from "../../src/engine/executors/types.ts";
import { errnoOf } from "../../src/errors.ts";
import { scratch } from "./rig.ts";

const skip = !existsSync("/usr/bin/perl") && "there is no Perl";

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
};

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
  const ended = await executor.execute({ step: "run/step", argv, cwd, env, log, slot }, never, never);
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
    without: openLocalExecutor("run", new Launchers("/no/perl")),
  };
  const slots: Record<string, string[]> = {};
  for (const [name, executor] of Object.entries(executors))
    slots[name] = await executor.openSlots(join(dir, name), Object.keys(COMMANDS).length);
  try {
    for (const [at, [what, argv]] of Object.entries(COMMANDS).entries()) {
      const expected = await seen(executors.without, slots["without"]![at]!, argv);
      assert.deepEqual(await seen(executors.with, slots["with"]![at]!, argv), expected, what);
    }
  } finally {
    for (const executor of Object.values(executors)) await executor.close();
  }
});

test("where Perl is there and does not work, commands are started without", async (t) => {
  const dir = scratch(t);
  const broken = { fails: "#!/bin/sh\nexit 2\n", "lacks its interpreter": "#!/no/interpreter\n" };
  for (const [n, [how, text]] of Object.entries(broken).entries()) {
    const perl = join(dir, `perl-${n}`);
    writeFileSync(perl, text, { mode: 0o755 });
    const executor = openLocalExecutor("run", new Launchers(perl));
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
    const executor = openLocalExecutor(run, new Launchers(how === "with" ? undefined : "/no/perl"));
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

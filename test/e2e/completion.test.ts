// Completion as the shells show it: each is started on a terminal, given the script, and a Tab is pressed.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { cliEnv, cliMain, cliNode } from "../cli-runner.ts";
import { type Project, pipeline, project } from "./project.ts";
import { noScript } from "./screen.ts";

const PIPELINE = pipeline(`for (const name of ["align/S01", "align/S02", "report", "re port", "a:b"])
    dag.task(name, { command: "echo " + JSON.stringify(name) + " > $OUTPUT" });`);

/** A project whose `bin` holds `alamode`, with one run done. */
async function ran(t: TestContext): Promise<Project> {
  const here = project(t, { "pipeline.ts": PIPELINE });
  mkdirSync(join(here.dir, "bin"));
  here.write("bin/alamode", `#!/bin/sh\nexec '${cliNode}' '${cliMain}' "$@"\n`);
  chmodSync(join(here.dir, "bin/alamode"), 0o755);
  await here.done(["run"]);
  return here;
}

function env(here: Project): NodeJS.ProcessEnv {
  return cliEnv({
    PATH: `${join(here.dir, "bin")}:${dirname(cliNode)}:${process.env["PATH"]}`,
    HOME: here.dir,
    ZDOTDIR: here.dir,
    XDG_CONFIG_HOME: join(here.dir, "config"),
    XDG_DATA_HOME: join(here.dir, "data"),
    TERM: "dumb",
  });
}

async function values(here: Project, ...words: string[]): Promise<string[]> {
  const printed = await here.done(["complete", "--", ...words]);
  return printed.split("\n").flatMap((line) => line.split("\t")[0] || []);
}

test("what can follow: commands, options, tasks, patterns, runs, files", async (t) => {
  const here = await ran(t);
  assert.deepEqual(await values(here, "ru"), ["run", "runs"]);
  assert.ok((await values(here, "")).includes("status"));
  assert.ok(!(await values(here, "")).includes("complete"));
  assert.deepEqual(await values(here, "--v"), ["--version"]);
  assert.deepEqual((await values(here, "run", "")).sort(), [
    "a:b",
    "align/*",
    "align/S01",
    "align/S02",
    "re port",
    "report",
  ]);
  assert.deepEqual(await values(here, "run", "report", "al"), ["align/*", "align/S01", "align/S02"]);
  assert.deepEqual(await values(here, "path", "al"), ["align/S01", "align/S02"], "path takes no patterns");
  assert.deepEqual(await values(here, "path", "report", ""), [], "and one task");
  assert.deepEqual(await values(here, "run", "--jo"), ["--jobs"]);
  assert.deepEqual(await values(here, "run", "--json", "--js"), [], "an option is not offered twice");
  assert.deepEqual(await values(here, "run", "-j", ""), [], "a number comes, and nothing knows which");
  assert.deepEqual(await values(here, "run", "--sandbox", "b"), ["bubblewrap"]);
  assert.deepEqual(await values(here, "run", "--sandbox=b"), ["--sandbox=bubblewrap"]);
  assert.deepEqual(await values(here, "show", "1"), ["1"]);
  assert.deepEqual(await values(here, "diff", ""), ["1"]);
  assert.deepEqual(await values(here, "diff", "pipe"), [":files"]);
  assert.deepEqual(await values(here, "run", "-f", ""), [":files"]);
  assert.deepEqual(await values(here, "run", "--", "-"), []);
  assert.deepEqual(await values(here, "init", "--from", "w"), ["weather"]);
  assert.deepEqual(await values(here, "nonsense", ""), []);
  assert.deepEqual(await values(here, "run", "-f", "other.ts", ""), [], "there is none");
  assert.match(await here.done(["complete", "--", "show", "1"]), /^1\t.* test {2}first run$/m);
});

test("parameters are offered by name, and those given choose the tasks", async (t) => {
  const here = project(t, {
    "pipeline.ts": `import { Dag, integer, pipeline, text } from "a-la-mode";
      export default pipeline({ k: integer(1), kind: text("a") }, ({ k, kind }) => {
        const dag = new Dag();
        for (let n = 0; n < k; n++) dag.task(kind + n, { command: "true" });
        return dag;
      });`,
  });
  assert.deepEqual(await values(here, "run", "-p", "k"), ["k=", "kind="]);
  assert.match(await here.done(["complete", "--", "run", "-p", "k"]), /^k=\ta whole number$/m);
  assert.deepEqual(await values(here, "run", "-p", "k=2", "--param=kind=b", "b"), ["b0", "b1"]);
});

test("the line of a shell is split as the shell would", async (t) => {
  const here = await ran(t);
  const at = async (line: string) => (await here.done(["complete", "--line", line])).trim();
  assert.equal(await at("alamode path re\\ p"), "re port");
  assert.equal(await at("alamode path 're p"), "re port");
  assert.equal(await at("alamode  path   rep"), "report");
  assert.match(await at("alamode ru"), /^run\t.*\nruns\t/);
});

test("another shell than there is, is told", async (t) => {
  const { code, stderr } = await project(t).alamode(["completion", "tcsh"]);
  assert.equal(code, 2);
  assert.match(stderr, /no completion for "tcsh"\n {2}There is: bash, zsh, fish\./);
});

interface Keys {
  readonly shell: string;
  /** Starts it without the user's own settings, and with ours. */
  readonly start: (here: Project) => readonly string[];
}

const shells: readonly Keys[] = [
  {
    shell: "bash",
    start(here) {
      here.write("rc", `source <(alamode completion bash)\nPS1='ready> '\nbind 'set bell-style none'\n`);
      return ["bash", "--noprofile", "--rcfile", join(here.dir, "rc"), "-i"];
    },
  },
  {
    shell: "zsh",
    start(here) {
      here.write(
        ".zshrc",
        `autoload -Uz compinit; compinit -u -D\nsource <(alamode completion zsh)\nPS1='ready> '\nunsetopt zle_bracketed_paste\n`,
      );
      return ["zsh", "-i"];
    },
  },
];

for (const { shell, start } of shells) {
  const missing = spawnSync(shell, ["--version"]).status === 0 ? false : `there is no ${shell}`;
  test(`${shell} completes commands and tasks at a Tab`, { skip: noScript || missing }, async (t) => {
    const here = await ran(t);
    const command = start(here)
      .map((word) => `'${word}'`)
      .join(" ");
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      cwd: here.dir,
      env: env(here),
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    try {
      await prints(child, /ready/);
      // What a Tab made of the line is seen by running it: nothing else could have made that file.
      const typed = async (keys: string, file: string) => {
        const seen = prints(child, /then[\s\S]*ready/);
        child.stdin!.write(`${keys} > ${file}; echo th''en\r`);
        await seen;
        return readFileSync(join(here.dir, file), "utf8");
      };
      assert.match(await typed("alamode stat\t", "status"), /^all 5 tasks are done/);
      const path = async (task: string) => await here.done(["path", task]);
      assert.equal(await typed("alamode pat\talign/S02\t", "one"), await path("align/S02"));
      assert.equal(await typed("alamode path repo\t", "two"), await path("report"));
      assert.equal(await typed("alamode path re\\ p\t", "three"), await path("re port"));
      assert.equal(await typed("alamode path a:\t", "four"), await path("a:b"));
      assert.equal(await typed("alamode path -f pipel\t report", "five"), await path("report"));
      child.stdin!.write("exit\r");
      await ended;
    } finally {
      child.kill("SIGKILL");
    }
  });
}

test("fish completes commands, tasks, options and files", {
  skip: spawnSync("fish", ["--version"]).status === 0 ? false : "there is no fish",
}, async (t) => {
  const here = await ran(t);
  here.write("config/fish/completions/alamode.fish", await here.done(["completion", "fish"]));
  const at = (line: string) => {
    const { status, stdout, stderr } = spawnSync("fish", ["-c", `complete -C ${JSON.stringify(line)}`], {
      cwd: here.dir,
      env: env(here),
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    return stdout.trim().split("\n").sort();
  };
  assert.deepEqual(at("alamode stat"), ["status\twhat would run now, and why"]);
  assert.deepEqual(at("alamode run al"), ["align/*\t2 tasks", "align/S01", "align/S02"]);
  assert.deepEqual(at("alamode path re"), ["re port", "report"]);
  assert.deepEqual(at("alamode run --sandbox=b"), ["--sandbox=bubblewrap"]);
  assert.deepEqual(at("alamode run -f pipel"), ["pipeline.ts"]);
});

/** Resolves as soon as what the process prints from now on matches; rejects with all of it if it ends before. */
function prints(child: ChildProcess, what: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = "";
    const look = (chunk: Buffer) => {
      seen += chunk;
      if (!what.test(seen)) return;
      child.stdout!.off("data", look);
      resolve();
    };
    child.stdout!.on("data", look);
    child.once("close", () => reject(new Error(`ended without printing ${what}:\n${seen}`)));
  });
}

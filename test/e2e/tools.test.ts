// Programs of the machine: where they are looked for, and that their versions are what the pipeline was described with.
import assert from "node:assert/strict";
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSandbox } from "../../src/engine/sandbox/open.ts";
import { eventsOf, type Project, pipeline as plain, project } from "./project.ts";

const pipeline = (body: string) => plain(body).replace("import { Dag,", "import { Dag, tool,");

/** A program that says this. */
function program(here: Project, path: string, says: string, exit = 0): void {
  here.write(path, `#!/bin/sh\nprintf '%b' '${says}'\nexit ${exit}\n`);
  chmodSync(join(here.dir, path), 0o755);
}

const CONFIG = `export default { path: ["opt/bin", "/usr/bin", "/bin"] };`;

test("a program's version is in the ID, and another one where the step runs fails it before it starts", async (t) => {
  const here = project(t, {
    "alamode.config.ts": CONFIG,
    "pipeline.ts": pipeline(
      `dag.task("a", { command: "calc > $OUTPUT; echo ran", tools: [tool("sh", "-c", "echo 'x y' \\"$0\\"", "it's"), tool("calc", "--version")] });`,
    ),
  });
  program(here, "opt/bin/calc", "calc 1.0\\nbuilt today\\n\\n");
  await here.done(["run"]);
  await here.done(["plan", "-o", "one.dag"]);
  assert.match(await here.done(["run"]), /1 task: 1 reused/);
  program(here, "opt/bin/calc", "calc 2.0\\nbuilt today\\n\\n");
  assert.match(
    (await here.alamode(["status"])).stdout,
    /1 of 1 tasks? is due[\s\S]*calc 1\.0[\s\S]*calc 2\.0/,
  );
  // A plan that was made where the other version was.
  const { code, stdout } = await here.alamode(["run", "-f", "one.dag", "--force", "a", "--json"]);
  assert.equal(code, 1);
  const [failure] = eventsOf(stdout, "task.failed").map(
    ({ failure }) => failure as { message: string; kind: string },
  );
  assert.equal(failure!.kind, "tool-changed");
  assert.equal(
    failure!.message,
    'calc --version says "calc 2.0" where this step runs, and said "calc 1.0" where the pipeline was described',
  );
  assert.doesNotMatch(
    await here.done(["log", "-f", "one.dag", "a"]),
    /^ran$/m,
    "the command was not started",
  );
  rmSync(join(here.dir, "opt/bin/calc"));
  const gone = await here.alamode(["run", "-f", "one.dag", "--force", "a"]);
  assert.match(
    gone.stdout,
    /there is no calc where this step runs, and said "calc 1\.0"|there is no calc where this step runs/,
  );
  program(here, "opt/bin/calc", "calc 1.0\\nbuilt today", 3);
  const fails = await here.alamode(["run", "-f", "one.dag", "--force", "a"]);
  assert.match(fails.stdout, /calc --version ended with exit code 3 where this step runs/);
  program(here, "opt/bin/calc", "calc 1.0\\nbuilt today\\n");
  await here.done(["run", "-f", "one.dag", "--force", "a"]);
});

test("a command's own exit code 97 is its own, and its words are passed as they are", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`const tools = [tool("uname")];
      dag.task("own", { command: "exit 97", tools });
      dag.task("words", { command: ["/bin/sh", "-c", 'printf "<%s>" "$@" > "$OUTPUT"', "sh", "a b", "", "$HOME", "'\\"", "*"], tools });`),
  });
  const { stdout } = await here.alamode(["run", "--keep-going"]);
  assert.match(stdout, /own failed: exit 97/);
  assert.equal(await here.done(["get", "words", "w"]).then(() => here.read("w")), "<a b><><$HOME><'\"><*>");
});

test("what cannot say its version is refused where it is described, with the line", async (t) => {
  const here = project(t, { "alamode.config.ts": CONFIG });
  program(here, "opt/bin/silent", "");
  program(here, "opt/bin/angry", "usage: angry FILE\\n", 1);
  for (const [called, what] of [
    [`tool("samtools --version")`, /Write its arguments one by one: {2}tool\("samtools", "--version"\)/],
    [`tool("no-such-program")`, /no such program on PATH=\/.*opt\/bin:\/usr\/bin:\/bin/],
    [`tool("silent")`, /it says nothing/],
    [`tool("angry")`, /exit code 1: usage: angry FILE/],
  ] as const) {
    here.write("pipeline.ts", pipeline(`dag.task("a", { command: "true", tools: ${called} });`));
    const { code, stderr } = await here.alamode(["run"]);
    assert.equal(code, 2);
    assert.match(stderr, what);
    assert.match(stderr, /pipeline\.ts/);
  }
  here.write("pipeline.ts", pipeline(`dag.task("a", { command: "true", tools: ["python3"] });`));
  assert.match((await here.alamode(["run"])).stderr, /spec\.tools: must be a list of programs/);
});

test("the path of the configuration is a list or text, from home, project or root, and what is missing is told", async (t) => {
  const here = project(t);
  const echoes = (n: number) =>
    here.write(
      "pipeline.ts",
      pipeline(`dag.task("a", { command: "hello > $OUTPUT; echo $PATH >> $OUTPUT", n: ${n} });`),
    );
  program(here, "env/bin/hello", "hi\\n");
  const env = { HOME: here.dir };
  const settings = [
    [`["env/bin", "/usr/bin", "/bin"]`, `${here.dir}/env/bin:/usr/bin:/bin`],
    [`["~/env/bin", "/bin"]`, `${here.dir}/env/bin:/bin`],
    [`"~/env/bin:/usr/bin::/bin"`, `${here.dir}/env/bin:/usr/bin:/bin`],
    ["`${import.meta.dirname}/env/bin:${process.env.PATH}`", undefined],
  ] as const;
  for (const [n, [path, resolved]] of settings.entries()) {
    echoes(n);
    here.write("alamode.config.ts", `export default { path: ${path} };`);
    const { code, stdout, stderr } = await here.alamode(["run"], { env });
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stderr, /is not there/);
    const [, told] = (
      await here.done(["get", "a", "--force", "out"], { env }).then(() => here.read("out"))
    ).split("\n");
    if (resolved !== undefined) assert.equal(told, resolved);
  }
  here.write(
    "alamode.config.ts",
    `export default { path: ["env/bin", "no/such/folder", "/usr/bin", "/bin"] };`,
  );
  const { code, stderr } = await here.alamode(["run"], { env });
  assert.equal(code, 0);
  assert.match(stderr, /path in alamode\.config\.ts names what is not there: .*no\/such\/folder/);
  here.write("alamode.config.ts", "export default { path: [1] };");
  assert.match((await here.alamode(["run"])).stderr, /path must be text, or a list of folders/);
});

const noSandbox = await openSandbox("bubblewrap").then(
  () => false as const,
  (error: Error) => error.message,
);

test("in a sandbox the versions there are what counts", { skip: noSandbox }, async (t) => {
  const here = project(t, {
    "alamode.config.ts": CONFIG,
    "pipeline.ts": pipeline(
      `dag.task("a", { command: "calc > $OUTPUT", tools: [tool("calc"), tool(import.meta.dirname + "/apart/other")] });`,
    ),
  });
  program(here, "opt/bin/calc", "calc 1.0\\n");
  program(here, "apart/other", "other 1.0\\n");
  await here.done(["run", "--sandbox", "bubblewrap"]);
  assert.match(await here.done(["run", "--sandbox", "bubblewrap"]), /1 reused/);
});

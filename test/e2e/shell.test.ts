// alamode shell, given a script as a program would give one.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pipeline, project } from "./project.ts";

const env = { SHELL: "/bin/sh" };

test("a shell is where its task runs, with its umask, its variables and its inputs", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`const a = dag.task("a", { command: "echo 1 > $OUTPUT" });
      dag.task("b", { command: "cp inputs/a $OUTPUT", env: { COLOUR: "blue" } }).after(a);`),
  });
  await here.done(["run", "a"]);
  const input =
    'umask; echo "$COLOUR $ALAMODE_STEP"; cat inputs/a; cp inputs/a "$OUTPUT" && ls -l "$OUTPUT" | cut -c1-10\n';
  const { code, stdout, stderr } = await here.alamode(["shell", "b"], {
    env,
    input,
    under: ["sh", "-c", 'umask 077; exec "$@"', "sh"],
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^0022\nblue shell\/[0-9a-f]{12}\n1\n-r[w-]-r--r--\n$/);
  assert.match(stderr, /^b runs:\n\n {4}cp inputs\/a \$OUTPUT\n/);
  assert.doesNotMatch(stderr, /job control|terminal/);
  const scratch = readdirSync(join(here.dir, ".alamode/tmp")).filter((name) => name.startsWith("shell-"));
  assert.deepEqual(scratch, [], "nothing of it is left");
});

test("a shell's exit code is the command's, and a signal is told as shells tell it", async (t) => {
  const here = project(t, { "pipeline.ts": pipeline(`dag.task("a", { command: "echo 1 > $OUTPUT" });`) });
  assert.equal((await here.alamode(["shell", "a"], { env, input: "exit 7\n" })).code, 7);
  assert.equal((await here.alamode(["shell", "a"], { env, input: "kill -TERM $$\n" })).code, 143);
});

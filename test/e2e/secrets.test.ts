// Secrets through the command line: they reach the step, and are nowhere else afterwards.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventsOf, pipeline, project } from "./project.ts";

const VALUE = "s3cr3t/tok+en=with odd & parts";
const FORMS = [
  VALUE,
  ...[0, 1, 2].map((n) =>
    Buffer.from("x".repeat(n) + VALUE)
      .toString("base64")
      .slice(4, 30),
  ),
  encodeURIComponent(VALUE),
];

/** Every file below a folder whose bytes, or name, hold a form of the value. */
function filesWith(folder: string, forms: readonly string[] = FORMS): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => {
    if (forms.some((form) => path.includes(form))) return true;
    const place = join(folder, path);
    if (!statSync(place, { throwIfNoEntry: false })?.isFile()) return false;
    const bytes = readFileSync(place);
    return forms.some((form) => bytes.includes(form));
  });
}

const SAYS = `printf '%s\\n' "$KEY"; printf 'x%s' "$KEY" | base64 -w0; echo; printf '%s' "$KEY" >&2; printf %s "$KEY" | wc -c > $OUTPUT`;

test("a secret reaches the step by variable, file or command, and is in no log, event, record, receipt or plan", async (t) => {
  const outside = project(t, { "token.txt": `${VALUE}\n` });
  const here = project(t, {
    "pipeline.ts": pipeline(`const KEY = { command: ${JSON.stringify(SAYS)} };
      dag.task("env", { ...KEY, n: 1 }, { secrets: { KEY: { env: "MY_KEY" } } });
      dag.task("file", { ...KEY, n: 2 }, { secrets: { KEY: { file: ${JSON.stringify(join(outside.dir, "token.txt"))} } } });
      dag.task("command", { ...KEY, n: 3 }, { secrets: { KEY: { command: "cat $TOKEN_FILE" } } });
      dag.task("argv", { ...KEY, n: 4 }, { secrets: { KEY: { command: ["/bin/cat", ${JSON.stringify(join(outside.dir, "token.txt"))}] } } });`),
  });
  const env = { MY_KEY: VALUE, TOKEN_FILE: join(outside.dir, "token.txt") };
  const told = await here.alamode(["run", "--json"], { env });
  assert.equal(told.code, 0, told.stdout + told.stderr);
  for (const task of ["env", "file", "command", "argv"]) {
    assert.equal(readFileSync((await here.done(["path", task])).trim(), "utf8").trim(), String(VALUE.length));
    assert.match(await here.done(["log", task]), /^\*\*\*\n[^ ]*\*\*\*[^ ]*\n\*\*\*$/);
  }
  await here.done(["plan", "-o", "all.dag"], { env });
  for (const form of FORMS) assert.ok(!(told.stdout + told.stderr).includes(form), form);
  assert.deepEqual(filesWith(here.dir), []);
  // The ID does not know of it: another value, or none at all, is the same pipeline.
  assert.match(await here.done(["run"], { env: { MY_KEY: "another one" } }), /4 tasks: 4 reused/);
  assert.match(await here.done(["run"]), /4 tasks: 4 reused/);
  assert.match(await here.done(["verify", "file"], { env }), /file +same/);
  const shell = await here.alamode(["shell", "file"], {
    env: { ...env, SHELL: "/bin/sh" },
    input: 'echo "$KEY"\n',
  });
  assert.equal(shell.stdout, `${VALUE}\n`, "a shell is the user's own");
});

test("the configuration says secrets by pattern; they add up with the task's, and exec has them", async (t) => {
  const here = project(t, {
    "alamode.config.ts": `export default { options: { "fetch/*": { secrets: { TOKEN: { env: "TOKEN_1" } }, pass: ["REGION"] } } };`,
    "pipeline.ts": pipeline(
      `dag.task("fetch/a", { command: 'echo "$TOKEN" "$OTHER" $REGION $ZONE; echo done > $OUTPUT' }, { secrets: { OTHER: { env: "OTHER_1" } }, pass: "ZONE" });`,
    ),
  });
  const env = { TOKEN_1: "token-number-one", OTHER_1: "other-number-one", REGION: "eu", ZONE: "north" };
  await here.done(["exec", "fetch/a"], { env });
  assert.equal(await here.done(["log", "fetch/a"]), "*** *** eu north\n");
});

test("a failure tells nothing: not its log's end, its message, what lies beside the output, or what is left running", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`const secrets = { KEY: { env: "KEY" } };
      dag.task("exit", { command: 'echo "key is $KEY" >&2; exit 3' }, { secrets });
      dag.task("beside", { command: 'touch "out-$KEY"' }, { secrets });
      dag.task("missing", { command: 'exec "./$KEY"' }, { secrets });
      dag.task("left", { command: ["/bin/sh", "-c", 'sh -c "sleep 600; : $KEY" & echo x > $OUTPUT'] }, { secrets });
      dag.task("link", { command: 'ln -s "/nowhere/$KEY" $OUTPUT' }, { secrets });`),
  });
  const value = "plain-secret-0123456789";
  const { code, stdout, stderr } = await here.alamode(["run", "--keep-going", "--json"], {
    env: { KEY: value },
  });
  assert.equal(code, 1);
  const failures = new Map(
    eventsOf(stdout, "task.failed").map(({ task, failure }) => [
      task,
      failure as { message: string; logTail: string[] },
    ]),
  );
  assert.deepEqual(failures.get("exit")!.logTail, ["key is ***"]);
  assert.match(failures.get("beside")!.message, /lies out-\*\*\*/);
  assert.match(failures.get("missing")!.message, /\*\*\*/);
  assert.match(failures.get("left")!.message, /left .* running .*\*\*\*/);
  assert.match(failures.get("link")!.message, /\*\*\*/);
  assert.ok(!(stdout + stderr).includes(value));
  // What a task itself left in its folder is its own doing, and stays to be looked at; all else is clean.
  const kept = filesWith(here.dir, [value]).filter((path) => !path.startsWith(".alamode/tmp/failed/"));
  assert.deepEqual(kept, []);
});

test("a secret in the output fails the step, in every form and place, and nothing of it is kept", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`const secrets = { KEY: { env: "KEY" } };
      const task = (name, command) => dag.task(name, { command }, { secrets });
      task("content", 'mkdir $OUTPUT; echo fine > $OUTPUT/a; printf "a long head %s" "$KEY" > $OUTPUT/b');
      task("large", 'head -c 1048570 /dev/zero > $OUTPUT; printf %s "$KEY" >> $OUTPUT; head -c 2000000 /dev/zero >> $OUTPUT');
      task("base64", 'printf "user:%s" "$KEY" | base64 > $OUTPUT');
      task("name", 'mkdir $OUTPUT; echo x > "$OUTPUT/file-$KEY"');
      task("target", 'mkdir $OUTPUT; ln -s "$KEY" $OUTPUT/link');
      task("lone", 'printf %s "$KEY" > $OUTPUT');
      task("clean", 'printf %s "$KEY" | sha256sum > $OUTPUT');`),
  });
  const value = "plain-secret-0123456789";
  const { code, stdout } = await here.alamode(["run", "--keep-going", "--json"], { env: { KEY: value } });
  assert.equal(code, 1);
  const failures = eventsOf(stdout, "task.failed").map(({ task, failure }) => [
    task,
    (failure as { message: string }).message,
    (failure as { kind: string }).kind,
  ]);
  const holds = "holds the secret KEY, so it is not kept";
  assert.deepEqual(failures.sort(), [
    ["base64", `its output ${holds}`, "bad-output"],
    ["content", `"b" of its output ${holds}`, "bad-output"],
    ["large", `its output ${holds}`, "bad-output"],
    ["lone", `its output ${holds}`, "bad-output"],
    ["name", `"file-***" of its output ${holds}`, "bad-output"],
    ["target", `"link" of its output ${holds}`, "bad-output"],
  ]);
  assert.deepEqual(
    eventsOf(stdout, "task.ran").map(({ task }) => task),
    ["clean"],
  );
  const base64 = Buffer.from(`user:${value}`).toString("base64").slice(8, 28);
  assert.deepEqual(filesWith(here.dir, [value, base64]), [], "neither in the store nor in kept folders");
});

test("secrets that cannot be had are told at once, all in one error, before anything runs", async (t) => {
  const here = project(t, {
    "empty.txt": "",
    "pipeline.ts": pipeline(`const first = dag.task("first", { command: "echo 1 > $OUTPUT" });
      dag.task("unset", { command: "true", n: 1 }, { secrets: { A: { env: "NO_SUCH_VARIABLE" } } }).after(first);
      dag.task("gone", { command: "true", n: 2 }, { secrets: { B: { file: "~/no/such/file" } } }).after(first);`),
  });
  const { code, stdout, stderr } = await here.alamode(["run"]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /A of task "unset": the variable NO_SUCH_VARIABLE is not set/);
  assert.match(stderr, /B of task "gone": the file ~\/no\/such\/file cannot be read \(ENOENT\)/);
  assert.equal((await here.alamode(["status"])).code, 0, "looking needs none");

  here.write(
    "pipeline.ts",
    pipeline(`dag.task("empty", { command: "true", n: 1 }, { secrets: { A: { file: "empty.txt" } } });
      dag.task("fails", { command: "true", n: 2 }, { secrets: { A: { command: "echo half-of-it; echo no entry >&2; exit 4" } } });
      dag.task("tells", { command: "true", n: 4 }, { secrets: { A: { command: "echo half-of-it; echo bad key: half-of-it >&2; exit 5" } } });
      dag.task("silent", { command: "true", n: 3 }, { secrets: { A: { command: "true" } } });`),
  );
  const later = await here.alamode(["run", "--keep-going", "--json"]);
  assert.equal(later.code, 1);
  const messages = eventsOf(later.stdout, "task.failed").map(
    ({ failure }) => (failure as { message: string }).message,
  );
  assert.deepEqual(messages.sort(), [
    "a secret cannot be had: A: its command ended with exit code 4: no entry",
    "a secret cannot be had: A: its command ended with exit code 5",
    "a secret cannot be had: A: its command prints nothing",
    "a secret cannot be had: A: the file empty.txt is empty",
  ]);
  assert.ok(!later.stdout.includes("half-of-it"));
  assert.equal((await here.alamode(["shell", "fails"], { env: { SHELL: "/bin/sh" } })).code, 2);
});

test("what is no secret's description is refused, and so is a variable that the spec has too", async (t) => {
  for (const [secrets, spec] of [
    ["{ KEY: 'value' }"],
    ["{ KEY: {} }"],
    ["{ KEY: { env: 'A', file: 'b' } }"],
    ["{ KEY: { value: 'x' } }"],
    ["{ PATH: { env: 'A' } }"],
    ["{ 'A B': { env: 'A' } }"],
    ["{ KEY: { env: 'HOME' } }", ", env: { KEY: 'x' }"],
  ] as const) {
    const here = project(t, {
      "pipeline.ts": pipeline(`dag.task("a", { command: "true"${spec ?? ""} }, { secrets: ${secrets} });`),
    });
    const { code, stderr } = await here.alamode(["run"]);
    assert.equal(code, 2, secrets);
    assert.match(stderr, /options of task "a": (secrets must be a map|KEY is a secret)/);
  }
});

test("a short secret is handed over, and it is told that it cannot be masked", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(
      `dag.task("a", { command: "echo pin $PIN; echo x > $OUTPUT" }, { secrets: { PIN: { env: "PIN" } } });`,
    ),
  });
  const { code, stdout, stderr } = await here.alamode(["run"], { env: { PIN: "1234" } });
  assert.equal(code, 0, stderr);
  assert.match(stdout + stderr, /a: the secret PIN has fewer than 8 bytes: it is masked nowhere/);
});

test("much output of many processes comes through whole, in order, and /dev/stdout can be opened", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(
      `dag.task("a", { command: 'seq 1 200000; echo "$KEY" > /dev/stdout; sh -c "echo err >&2"; echo end; echo x > $OUTPUT' }, { secrets: { KEY: { env: "KEY" } } });`,
    ),
  });
  await here.done(["run"], { env: { KEY: "a secret of some length" } });
  const log = await here.done(["log", "a"]);
  const numbers = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join("");
  assert.ok(log === `${numbers}***\nerr\nend\n`, log.slice(-200));
});

test("what holds on to the log is ended with its step, and tells nothing", async (t) => {
  const here = project(t, {
    "pipeline.ts":
      pipeline(`dag.task("a", { command: '(trap "" TERM; while :; do echo "$KEY"; sleep 0.01; done) & echo x > $OUTPUT' }, { secrets: { KEY: { env: "KEY" } }, });
      dag.task("b", { command: 'setsid sh -c "while :; do echo $KEY; sleep 0.01; done" & echo y > $OUTPUT' }, { secrets: { KEY: { env: "KEY" } } });`),
  });
  const value = "a-secret-of-some-length";
  const { code, stdout } = await here.alamode(["run", "--keep-going", "--json"], { env: { KEY: value } });
  assert.equal(code, 1);
  const kinds = eventsOf(stdout, "task.failed").map(({ failure }) => (failure as { kind: string }).kind);
  assert.deepEqual(kinds, ["left-process", "left-process"]);
  assert.deepEqual(filesWith(here.dir, [value]), []);
});

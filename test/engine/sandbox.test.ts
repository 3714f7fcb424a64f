// The sandbox bubblewrap, for real. Skipped, with the reason, where it is not installed or the system forbids it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import test, { type TestContext } from "node:test";
import { openSandbox } from "../../src/engine/sandbox/open.ts";
import { AlamodeError } from "../../src/errors.ts";
import { Dag } from "../../src/plan/dag.ts";
import { module } from "../../src/plan/module.ts";
import { openRig, outputOf, planOf, type Rig } from "./rig.ts";

const why = await openSandbox("bubblewrap").then(
  () => undefined,
  (error: unknown) => (error instanceof AlamodeError ? error.message : String(error)),
);
const sandboxed = (name: string, body: (rig: Rig, t: TestContext) => Promise<void>) =>
  test(name, { skip: why ?? false }, async (t) => body(await openRig(t), t));

const sandbox = "bubblewrap";

sandboxed(
  "a command finds its inputs, its files and the system's programs, at the same paths everywhere",
  async (rig) => {
    const plan = planOf({
      a: "echo one > $OUTPUT",
      b: [
        "echo $PWD $HOME $TMPDIR $INPUTS $OUTPUT > $OUTPUT; cat inputs/a >> $OUTPUT; awk 'BEGIN { print 1 + 1 }' >> $OUTPUT",
        "a",
      ],
    });
    const told = await rig.run(plan, { sandbox });
    assert.deepEqual(told.ranTasks, ["a", "b"]);
    assert.equal(await rig.text(plan, "b"), "/task /home /tmp /task/inputs /out/OUTPUT\none\n2\n");
    const success = (await rig.record.successes([outputOf(plan, "b")])).get(outputOf(plan, "b"));
    assert.equal(success?.isolation, "bubblewrap");
  },
);

sandboxed("what is not declared is not there, and the failure says that it ran in a sandbox", async (rig) => {
  writeFileSync(join(rig.dir, "secret"), "x");
  const told = await rig.run(planOf({ a: `cat '${join(rig.dir, "secret")}' > $OUTPUT` }), { sandbox });
  const [failed] = told.failures;
  assert.equal(failed?.failure.kind, "exit");
  assert.match(failed?.failure.logTail.join("\n") ?? "", /No such file/);
  assert.match(failed?.failure.hint ?? "", /sandbox bubblewrap/);
});

sandboxed(
  "inputs and the system are read-only, and what is written elsewhere fails instead of vanishing",
  async (rig) => {
    const plan = planOf({
      a: "echo one > $OUTPUT",
      input: ["echo x > inputs/a; echo > $OUTPUT", "a"],
      usr: "touch /usr/x; echo > $OUTPUT",
      root: "touch /x; echo > $OUTPUT",
    });
    const told = await rig.run(plan, { sandbox, keepGoing: true });
    assert.deepEqual(told.failures.map(({ task }) => task).sort(), ["input", "root", "usr"]);
    assert.equal(await rig.text(plan, "a"), "one\n");
  },
);

sandboxed("more inputs than a sandbox takes paths can all be read, data in place among them", async (rig) => {
  const [outputs, elsewhere] = [join(rig.dir, "outputs"), join(rig.dir, "elsewhere")];
  const inputs = Array.from({ length: 3_000 }, (_, n) =>
    join(outputs, (n % 256).toString(16).padStart(2, "0"), String(n)),
  );
  for (const input of inputs.slice(1)) {
    mkdirSync(dirname(input), { recursive: true });
    writeFileSync(input, "x");
  }
  mkdirSync(dirname(inputs[0]!), { recursive: true });
  writeFileSync(elsewhere, "x");
  symlinkSync(elsewhere, inputs[0]!);
  for (const part of ["work", "home", "tmp", "out"]) mkdirSync(join(rig.dir, part));
  writeFileSync(join(rig.dir, "work", "list"), inputs.join("\n"));
  const bubblewrap = await openSandbox(sandbox);
  const { argv, env } = bubblewrap.wrap({
    argv: ["/bin/sh", "-c", "xargs cat < list | wc -c"],
    env: {},
    isolation: sandbox,
    image: undefined,
    slot: rig.dir,
    inputs,
    path: "/usr/bin:/bin",
    network: false,
  });
  const [program, ...args] = argv;
  const cwd = join(rig.dir, "work");
  const { stdout, stderr } = spawnSync(program!, args, { encoding: "utf8", cwd, env });
  assert.deepEqual([stdout.trim(), stderr], ["3000", ""]);
});

sandboxed("the network is cut off unless the spec asks for it", async (rig, t) => {
  const server = createServer((socket) => socket.end("hello\n")).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const command = ["/bin/bash", "-c", `set -e; read x < /dev/tcp/127.0.0.1/${port}; echo $x > $OUTPUT`];
  const plan = planOf({ off: [{ command }], on: [{ command, network: 1 }] });
  const told = await rig.run(plan, { sandbox, keepGoing: true, jobs: 1 });
  assert.deepEqual(told.ranTasks, ["on"]);
  assert.equal(await rig.text(plan, "on"), "hello\n");
});

sandboxed(
  "results made without a sandbox do not count where one is demanded; the other way round they do",
  async (rig) => {
    const plan = planOf({ a: "echo one > $OUTPUT", b: ["cat inputs/a > $OUTPUT", "a"] });
    await rig.run(plan);
    const { due } = await rig.status(plan, { sandbox });
    assert.deepEqual(
      due.map(({ reasons }) => reasons.at(-1)?.kind),
      ["isolation", "isolation"],
    );
    assert.equal((await rig.run(plan, { sandbox })).counts.ran, 2);
    assert.equal((await rig.run(plan)).counts.ran, 0);
    assert.equal((await rig.run(plan, { sandbox })).counts.ran, 0);
  },
);

sandboxed("what a command leaves running ends with its sandbox", async (rig) => {
  const plan = planOf({ a: "(trap '' HUP; exec sleep 3600) & echo $! > $OUTPUT" });
  const told = await rig.run(plan, { sandbox });
  assert.equal(told.status, "done");
  assert.deepEqual(told.warned, []);
});

sandboxed("a timeout ends what runs inside", async (rig) => {
  const plan = planOf({ a: "sleep 3600" }, { a: { timeout: "300ms" } });
  const told = await rig.run(plan, { sandbox });
  assert.equal(told.failures[0]?.failure.kind, "timeout");
});

test("a sandbox that does not exist is told with those that do", async (t) => {
  const rig = await openRig(t);
  await assert.rejects(rig.run(planOf({ a: "echo" }), { sandbox: "bublewrap" }), (error: AlamodeError) => {
    assert.equal(error.code, "unknown-sandbox");
    assert.match(error.hint ?? "", /bubblewrap/);
    return true;
  });
});

sandboxed("a function as a task runs in it too, with the Node.js that runs the engine", async (rig) => {
  writeFileSync(
    join(rig.dir, "count.ts"),
    'import { writeFileSync } from "node:fs";\nexport default ({ output }: { output: string }) => writeFileSync(output, "made\\n");\n',
  );
  const dag = new Dag();
  dag.task("count", module("./count.ts", { from: rig.dir }));
  const plan = dag.encode();
  const told = await rig.run(plan, { sandbox });
  assert.deepEqual(
    told.failures.map(({ failure }) => failure.logTail),
    [],
  );
  assert.equal(await rig.text(plan, "count"), "made\n");
});

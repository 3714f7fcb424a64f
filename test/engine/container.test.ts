// The sandbox of containers, with a real podman. Skipped, with the reason, where there is none that works.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test, { after, type TestContext } from "node:test";
import type { AlamodeError } from "../../src/errors.ts";
import { Dag } from "../../src/plan/dag.ts";
import { bencodePlan } from "../../src/plan/encode.ts";
import type { Plan } from "../../src/plan/types.ts";
import { noPodman, openImages } from "../container-images.ts";
import { openRig, outputOf, planOf, type Rig, until } from "./rig.ts";

const why = noPodman();
const images = why === undefined ? openImages() : undefined;
Object.assign(process.env, images?.env);
after(() => images?.remove());
const contained = (name: string, body: (rig: Rig, t: TestContext) => Promise<void>) =>
  test(name, { skip: why ?? false }, async (t) => body(await openRig(t), t));

const sandbox = "container";
const image = "localhost/one:1";
const other = "localhost/two:1";
const digest = images?.make(image, "one\n") ?? "";
const otherDigest = images?.make(other, "two\n") ?? "";

async function isolation(rig: Rig, plan: Plan, task: string): Promise<string | undefined> {
  const output = outputOf(plan, task);
  return (await rig.record.successes([output])).get(output)?.isolation;
}

contained(
  "a command finds its image, its inputs and its files, at the same paths everywhere",
  async (rig) => {
    const plan = planOf({
      a: [{ image, command: "cat /marker > $OUTPUT" }],
      b: [
        {
          image,
          command: ["sh", "-c", "echo $PWD $HOME $TMPDIR $INPUTS $OUTPUT > $OUTPUT; cat inputs/a >> $OUTPUT"],
        },
        "a",
      ],
      c: [{ image, command: "cat inputs/b > $OUTPUT", produces: "c.txt" }, "b"],
    });
    const told = await rig.run(plan, { sandbox });
    assert.deepEqual([told.failures, told.warned], [[], []]);
    assert.equal(await rig.text(plan, "b"), "/task /home/task /tmp /task/inputs /out/OUTPUT\none\n");
    assert.equal(await isolation(rig, plan, "c"), `container:${digest}`);
    assert.equal(readFileSync(join(await rig.place(plan, "c"), "c.txt"), "utf8").length > 0, true);
    assert.deepEqual((await rig.run(plan, { sandbox })).counts.ran, 0);
    assert.deepEqual(
      (await rig.run(plan, { sandbox: "bubblewrap" }).catch(() => undefined))?.counts.ran ?? 0,
      0,
    );
    assert.deepEqual((await rig.run(plan)).counts.ran, 0);
    assert.deepEqual(images!.containers(), []);
  },
);

contained(
  "all but the folders of the step is read-only, and what is not declared is not there",
  async (rig) => {
    writeFileSync(join(rig.dir, "secret"), "x");
    const tasks = {
      a: [{ image, command: "echo one > $OUTPUT" }],
      input: [{ image, command: "echo x > inputs/a; echo > $OUTPUT" }, "a"],
      bin: [{ image, command: "touch /bin/x; echo > $OUTPUT" }],
      root: [{ image, command: "touch /x; echo > $OUTPUT" }],
      run: [{ image, command: "touch /run/x; echo > $OUTPUT" }],
      secret: [{ image, command: `cat '${join(rig.dir, "secret")}' > $OUTPUT` }],
    } as const;
    const told = await rig.run(planOf(tasks), { sandbox, keepGoing: true });
    assert.deepEqual(told.failures.map(({ task }) => task).sort(), ["bin", "input", "root", "run", "secret"]);
    assert.match(told.failures[0]!.failure.hint ?? "", /ran in a container/);
  },
);

contained("the network is cut off unless the spec asks for it", async (rig, t) => {
  const server = createServer((socket) => socket.end("hello\n")).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const command = `nc 127.0.0.1 ${port} < /dev/null > $OUTPUT; test -s $OUTPUT`;
  const plan = planOf({ off: [{ image, command }], on: [{ image, command, network: 1 }] });
  const told = await rig.run(plan, { sandbox, keepGoing: true });
  assert.deepEqual(told.ranTasks, ["on"]);
  assert.equal(await rig.text(plan, "on"), "hello\n");
});

contained("exit codes and signals come back, and variables arrive as they are", async (rig) => {
  const odd = "a b\n\"c\" 'd' $e \\ é";
  const plan = planOf(
    {
      exit: [{ image, command: "exit 5" }],
      signal: [{ image, command: "kill -9 $$" }],
      env: [
        {
          image,
          command:
            'printf %s "$ODD$SECRET$DOCKER_HOST$PATH" > $OUTPUT; printf "[%s]" "$CONTAINERS_CONF" >> $OUTPUT',
          env: { ODD: odd, DOCKER_HOST: "x", PATH: "/bin" },
        },
      ],
    },
    { env: { pass: "SECRET" } },
  );
  const told = await rig.run(plan, { sandbox, keepGoing: true, callerEnv: { SECRET: "s3cret" } });
  assert.deepEqual(told.failures.map(({ task, failure }) => [task, failure.exitCode]).sort(), [
    ["exit", 5],
    ["signal", 137],
  ]);
  assert.equal(await rig.text(plan, "env"), `${odd}s3cretx/bin[]`);
});

contained("no variable's value is among the arguments of any process", async (rig, t) => {
  const usual = process.env["ALL_PROXY"];
  process.env["ALL_PROXY"] = "http://me:callers-word@proxy";
  t.after(() => {
    if (usual === undefined) delete process.env["ALL_PROXY"];
    else process.env["ALL_PROXY"] = usual;
  });
  let clients = 0;
  const telling: string[] = [];
  const server = createServer((socket) => {
    for (const process of readdirSync("/proc")) {
      if (!/^\d+$/.test(process)) continue;
      let words = "";
      try {
        words = readFileSync(`/proc/${process}/cmdline`, "utf8");
      } catch {} // it has ended
      if (words.includes("\0run\0--name\0alamode-")) clients++;
      if (/hush|of-the-spec|callers-word/.test(words)) telling.push(words.split("\0")[0]!);
    }
    socket.end("looked\n");
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const command = `nc 127.0.0.1 ${port} < /dev/null; printf %s "$OTHER" | wc -c > $OUTPUT; printf "[%s]" "$ALL_PROXY" >> $OUTPUT; printf %s "$HTTPS_PROXY" | wc -c >> $OUTPUT`;
  const secret = "http://me:\"hush $x\\n #1'@proxy ";
  const plan = planOf(
    { a: [{ image, command, network: 1, env: { ALL_PROXY: "of-the-spec" } }] },
    { a: { secrets: { HTTPS_PROXY: { env: "TO_PROXY" }, OTHER: { env: "TO_PROXY" } } } },
  );
  const told = await rig.run(plan, { sandbox, callerEnv: { TO_PROXY: secret } });
  assert.deepEqual(told.failures, []);
  const { length } = secret;
  assert.equal(await rig.text(plan, "a"), `${length}\n[of-the-spec]${length}\n`);
  assert.ok(clients > 0, "nobody was looked at while it ran");
  assert.deepEqual(telling, []);
});

contained("a variable that would be the runtime's own cannot hold lines", async (rig) => {
  const plan = planOf({ a: [{ image, command: "echo > $OUTPUT", env: { NO_PROXY: "a\nB=b" } }] });
  const told = await rig.run(plan, { sandbox }).catch((error: AlamodeError) => error.message);
  assert.match(JSON.stringify(told), /NO_PROXY holds a line break/);
});

contained("paths may hold what means something to the runtime's options", async (_, t) => {
  const rig = await openRig(t, undefined, join((await openRig(t)).dir, 'a,b:c "d" =e'));
  const dag = new Dag();
  const a = dag.task("a", { image, command: "echo one > $OUTPUT" });
  dag.task("b", { image, command: "cat inputs/x%2Fy > $OUTPUT" }).after({ "x/y": a });
  const told = await rig.run(dag.encode(), { sandbox });
  assert.deepEqual(told.failures, []);
  assert.equal(await rig.text(dag.encode(), "b"), "one\n");
});

contained(
  "a success counts only under the image that is demanded, and so does what was made from it",
  async (rig) => {
    const tag = "localhost/moving:1";
    const first = images!.make(tag, "1\n");
    const plan = planOf({
      a: [{ image: tag, command: "cat /marker > $OUTPUT" }],
      b: [{ image, command: "cat /marker inputs/a > $OUTPUT" }, "a"],
      c: [{ image: other, command: "cat inputs/b > $OUTPUT" }, "b"],
      same: [{ image: tag, command: "echo same > $OUTPUT" }],
      d: [{ image, command: "cat inputs/same > $OUTPUT" }, "same"],
    });
    const goals = ["c", "d"];
    assert.deepEqual(
      (await rig.run(plan)).counts.failed,
      1,
      "nothing of an image is there without a container",
    );
    assert.equal((await rig.run(plan, { sandbox, goals })).counts.ran, 5);
    assert.equal((await rig.run(plan, { sandbox, goals })).counts.ran, 0);
    assert.equal(await rig.text(plan, "c"), "one\n1\n");

    const second = images!.make(tag, "2\n");
    assert.notEqual(first, second);
    const { due } = await rig.status(plan, { sandbox, goals });
    assert.deepEqual(due.map(({ task }) => task).sort(), ["a", "b", "c", "d", "same"]);
    for (const { reasons } of due) assert.equal(reasons.at(-1)?.kind, "isolation");
    const told = await rig.run(plan, { sandbox, goals });
    assert.deepEqual(
      [...told.ranTasks].sort(),
      ["a", "b", "c", "same"],
      "d would be made from the same bytes",
    );
    assert.equal(told.counts.same, 1);
    assert.equal(await rig.text(plan, "c"), "one\n2\n");
    assert.equal((await rig.run(plan, { sandbox, goals })).counts.ran, 0);
    assert.equal(await isolation(rig, plan, "a"), `container:${second}`);
    // A plan that was made earlier says what its tags meant then, and that image is still here.
    const planned = { ...plan, meta: { images: { [tag]: first, [image]: digest, [other]: otherDigest } } };
    const before = await rig.run(planned, { sandbox, goals });
    assert.deepEqual([before.status, before.warned.includes("image-moved")], ["done", true]);
    assert.equal(await rig.text(plan, "c"), "one\n1\n");
  },
);

contained(
  "a task without an image, and an image that is not here, are refused before anything runs",
  async (rig) => {
    const plan = planOf({
      a: [{ image, command: "echo > $OUTPUT" }],
      none: ["echo > $OUTPUT", "a"],
      absent: [{ image: "localhost/absent:1", command: "echo > $OUTPUT" }],
    });
    const refused = (goals: string[], code: string, message: RegExp) =>
      assert.rejects(rig.run(plan, { sandbox, goals }), (error: AlamodeError) => {
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      });
    await refused(["none"], "no-image", /task "none".*names no image/);
    await refused(["absent"], "image-missing", /task "absent".*localhost\/absent:1/);
    const planned = { ...plan, meta: { images: { "localhost/absent:1": digest } } };
    assert.equal((await rig.run(planned, { sandbox, goals: ["a"] })).status, "done");
    await assert.rejects(rig.status(plan, { sandbox, goals: ["none"] }), { code: "no-image" });
  },
);

contained(
  "a timeout ends the container, and one that does not listen is ended at once when asked twice",
  async (rig) => {
    const gentle = planOf({ a: [{ image, command: "sleep 3600" }] }, { a: { timeout: "1s" } });
    assert.equal((await rig.run(gentle, { sandbox })).failures[0]?.failure.kind, "timeout");
    assert.deepEqual(images!.containers(), []);

    const deaf = planOf({ a: [{ image, command: "trap '' TERM; echo deaf; while :; do sleep 1; done" }] });
    const kill = new AbortController();
    const told = await rig.run(deaf, {
      sandbox,
      kill: kill.signal,
      onEvent(event) {
        if (event.event !== "task.started") return;
        const isDeaf = () => existsSync(event.log) && readFileSync(event.log, "utf8") === "deaf\n";
        void until(isDeaf).then(() => kill.abort());
      },
    });
    assert.equal(told.failures[0]?.failure.kind, "interrupted");
    assert.deepEqual(images!.containers(), []);
  },
);

contained("what a command leaves running ends with its container", async (rig) => {
  const plan = planOf({ a: [{ image, command: "(trap '' HUP; exec sleep 3600) & echo $! > $OUTPUT" }] });
  const told = await rig.run(plan, { sandbox });
  assert.deepEqual([told.status, told.warned], ["done", []]);
  assert.deepEqual(images!.containers(), []);
});

contained("the plan that a task writes is performed under the images that it names", async (rig) => {
  const inner = planOf({ result: [{ image: other, command: "cat /marker > $OUTPUT" }] });
  writeFileSync(join(rig.dir, "inner.dag"), bencodePlan(inner));
  const dag = new Dag();
  const text = Buffer.from(bencodePlan(inner)).toString("base64");
  const grow = dag.task("grow", { image, command: `echo ${text} | base64 -d > $OUTPUT`, expand: 1 });
  dag.task("after", { image, command: "cat inputs/grow > $OUTPUT" }).after(grow);
  const plan = dag.encode();
  const told = await rig.run(plan, { sandbox });
  assert.deepEqual(told.failures, []);
  assert.equal(await rig.text(plan, "after"), "two\n");
  assert.deepEqual((await rig.run(plan, { sandbox })).counts.ran, 0);
});

contained("data in place is read where it lies", async (rig) => {
  mkdirSync(join(rig.dir, "data"));
  writeFileSync(join(rig.dir, "data", "x"), "lies there\n");
  symlinkSync("data", join(rig.dir, "link"));
  const { source } = await import("../../src/plan/source-task.ts");
  const dag = new Dag();
  const data = dag.task("data", source(join(rig.dir, "link"), { inPlace: true }));
  dag.task("read", { image, command: "cat inputs/data/x > $OUTPUT" }).after(data);
  const plan = dag.encode();
  assert.deepEqual((await rig.run(plan, { sandbox })).failures, []);
  assert.equal(await rig.text(plan, "read"), "lies there\n");
  assert.equal(await isolation(rig, plan, "read"), `container:${digest}`);
});

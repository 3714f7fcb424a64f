// What tasks ask of the machine, and what becomes of those that take more.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import test from "node:test";
import type { Bmap } from "../../src/bencode/types.ts";
import { criticalPaths } from "../../src/engine/critical-path.ts";
import { explain } from "../../src/engine/failure.ts";
import { Machine, type MachineOptions } from "../../src/engine/machine.ts";
import { ConfiguredOptions, type TaskOptions } from "../../src/engine/options.ts";
import { runnableOf } from "../../src/engine/runnable.ts";
import type { Staged } from "../../src/engine/staging.ts";
import { verify } from "../../src/engine/verify.ts";
import type { VerifyEvent } from "../../src/engine/verify-events.ts";
import { graphOf } from "../../src/plan/graph.ts";
import type { OptionsByPattern } from "../../src/plan/types.ts";
import { openRig, outputOf, planOf, runToEnd, scratch } from "./rig.ts";

const GiB = 2 ** 30;
const machine = (options: MachineOptions = {}) =>
  new Machine({
    resources: { cpus: 4, memory: "8GiB", gpus: 2 },
    pools: { database: 2 },
    env: {},
    ...options,
  });
const options = (given: Bmap): TaskOptions =>
  new ConfiguredOptions({ it: given }).of(planOf({ it: "x" }), "it");

test("a task asks for one core, and for what else its options say; memory that grows, for no more than there is", () => {
  const asks = (given: Bmap, attempt = 1) => Object.fromEntries(machine().asks(options(given), attempt));
  assert.deepEqual(asks({}), { cpus: 1 });
  assert.deepEqual(asks({ cpus: 3, memory: "1.5GiB", gpus: 1, pool: "database" }), {
    cpus: 3,
    memory: 1.5 * GiB,
    gpus: 1,
    "pool database": 1,
  });
  const grows = { memory: "3GiB * attempt", pool: { database: 2 } };
  assert.deepEqual(
    [1, 2, 3, 4].map((attempt) => asks(grows, attempt)["memory"]! / GiB),
    [3, 6, 8, 8],
  );
});

test("what is not said of the machine is looked up, and who asks for more jobs than cores gets them", () => {
  const { amounts, gpus } = new Machine({ env: { CUDA_VISIBLE_DEVICES: "2,5" } });
  assert.equal(amounts.get("cpus"), availableParallelism());
  assert.ok(amounts.get("memory")! > 0);
  assert.deepEqual(gpus, ["2", "5"]);
  assert.equal(new Machine({ jobs: 1000 }).amounts.get("cpus"), 1000);
  assert.equal(new Machine({ jobs: 1000, resources: { cpus: 2 } }).amounts.get("cpus"), 2);
  assert.deepEqual(new Machine({ resources: { gpus: 2 }, env: {} }).gpus, ["0", "1"]);
});

test("a task that could never start here is refused before anything runs, with all others that are wrong", async (t) => {
  const cases: [Bmap, string, string][] = [
    [{ cpus: 5 }, "too-large", 'task "it" asks for 5 cpus, and there are 4 here'],
    [{ memory: "9GiB" }, "too-large", 'task "it" asks for 9 GiB memory, and there are 8 GiB here'],
    [{ memory: "9GiB * attempt" }, "too-large", 'task "it" asks for 9 GiB memory, and there are 8 GiB here'],
    [{ gpus: 3 }, "too-large", 'task "it" asks for 3 gpus, and there are 2 here'],
    [{ pool: { database: 3 } }, "too-large", 'task "it" asks for 3 of pool "database", and there are 2 here'],
    [
      { pool: "databse" },
      "unknown-pool",
      'task "it" takes of pool "databse", and nobody says how large that is',
    ],
  ];
  for (const [given, code, message] of cases)
    assert.throws(() => machine().refuseTooLarge("it", options(given)), { code, message });
  assert.throws(() => machine().refuseTooLarge("it", options({ pool: "databse" })), { hint: /"database"/ });
  assert.throws(() => machine({ resources: { memory: "lots" } }), { code: "bad-settings" });

  const rig = await openRig(t);
  const plan = planOf({ a: "echo > $OUTPUT", b: "echo > $OUTPUT; :" }, { b: { cpus: 1000 } });
  await assert.rejects(rig.run(plan, { resources: { cpus: 2 } }), { code: "too-large" });
  assert.deepEqual(await rig.record.runs(10), []);
});

test("the longest way to the end is counted in known durations, and in tasks where there are none", () => {
  const graph = graphOf(planOf({ a: "1", b: ["2", "a"], c: ["3", "a"], d: ["4", "c"] }));
  const [a, b, c, d] = ["a", "b", "c", "d"].map((task) => graph.nodeOf(task)) as [
    number,
    number,
    number,
    number,
  ];
  assert.deepEqual([...criticalPaths(graph, () => undefined)], [3, 1, 2, 1]);
  const durations = new Map([
    [a, 10],
    [b, 90],
    [c, 20],
  ]);
  const paths = criticalPaths(graph, (node) => durations.get(node));
  assert.deepEqual([paths[a], paths[b], paths[c], paths[d]], [100, 90, 60, 40]);
});

test("tasks of a pool run no more at once than it is large, whatever --jobs says", async (t) => {
  const rig = await openRig(t);
  const log = join(rig.dir, "log");
  const load = (n: number) => `echo in >> ${log}; echo ${n} > $OUTPUT; echo out >> ${log}`;
  const plan = planOf({ a: load(1), b: load(2), c: load(3) });
  await rig.run(plan, { jobs: 3, pools: { db: 1 }, options: { "*": { pool: "db" } } });
  assert.equal(readFileSync(log, "utf8"), "in\nout\n".repeat(3));
});

test("what takes longest to the end starts first, as the record knows it, and priority goes before that", async (t) => {
  const rig = await openRig(t);
  const record = {
    ...rig.record,
    durations: async () =>
      new Map([
        ["quick", 10],
        ["slow", 500],
      ]),
  };
  const ran = async (version: number, options: OptionsByPattern = {}) => {
    const plan = planOf({ quick: `echo q${version} > $OUTPUT`, slow: `echo s${version} > $OUTPUT` });
    return (await runToEnd(plan, { record, store: rig.store, jobs: 1, options })).ranTasks;
  };
  assert.deepEqual(await ran(1), ["slow", "quick"]);
  assert.deepEqual(await ran(2, { quick: { priority: 1 } }), ["quick", "slow"]);
});

test("GPUs are told to a task by CUDA_VISIBLE_DEVICES, and change no ID", async (t) => {
  const rig = await openRig(t);
  const show = (n: number) => `echo ${n} \${CUDA_VISIBLE_DEVICES-none} > $OUTPUT`;
  const plan = planOf({ one: show(1), two: show(2), none: show(3) }, { one: { gpus: 1 }, two: { gpus: 2 } });
  assert.equal(outputOf(plan, "one"), outputOf(planOf({ one: show(1) }), "one"));
  const told = await rig.run(plan, { callerEnv: { CUDA_VISIBLE_DEVICES: "4,6" } });
  assert.equal(told.status, "done");
  assert.match(await rig.text(plan, "one"), /^1 [46]$/m);
  assert.match(await rig.text(plan, "two"), /^2 (4,6|6,4)$/m);
  assert.equal(await rig.text(plan, "none"), "3 none\n");
});

test("a verification keeps to the same limits, and tells what would not fit here", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({ a: "echo 1 > $OUTPUT", b: "echo 2 > $OUTPUT", big: "echo 3 > $OUTPUT" });
  await rig.run(plan);
  const events: VerifyEvent[] = [];
  const result = await verify(plan, {
    record: rig.record,
    store: rig.store,
    jobs: 3,
    resources: { cpus: 4 },
    pools: { db: 1 },
    options: { "?": { pool: "db" }, big: { cpus: 5 } },
    onEvent: (event) => events.push(event),
  });
  assert.deepEqual([result.same, result.impossible], [2, 1]);
  const order = events.flatMap((event) =>
    event.event === "verify.running" || event.event === "verify.same" ? [event.event] : [],
  );
  assert.deepEqual(order, ["verify.running", "verify.same", "verify.running", "verify.same"]);
  const [impossible] = events.filter((event) => event.event === "verify.impossible");
  assert.match(impossible!.because, /asks for 5 cpus, and there are 4 here/);
});

const noProc = process.platform === "linux" ? false : "what processes use is known on Linux only";

/** Takes so many MB, then does what follows in a shell as long as it has them. */
const taking = (dir: string, megabytes: number, then: string) => [
  process.execPath,
  "-e",
  `require("node:fs").appendFileSync(${JSON.stringify(join(dir, "attempts"))}, "\\n");
   const kept = [];
   for (let n = 0; n < ${megabytes / 10}; n++) kept.push(Buffer.alloc(1e7, 1));
   require("node:child_process").execFileSync("/bin/sh", ["-ec", ${JSON.stringify(then)}], { cwd: ${JSON.stringify(dir)} });`,
];

test("a task that takes more memory than it may is killed, and told so", { skip: noProc }, async (t) => {
  const rig = await openRig(t);
  const command = taking(rig.dir, 300, "sleep 100");
  const plan = planOf({ hog: [{ command }] }, { hog: { memory: "200MiB", timeout: "60s" } });
  const { failures } = await rig.run(plan, { resources: { memory: "64GiB" } });
  const { failure } = failures[0]!;
  assert.deepEqual([failure.kind, failure.signal], ["memory", "SIGKILL"]);
  assert.match(
    failure.message,
    /^was killed for memory: it used (2\d\d|3\d\d)(\.\d)? MiB, the limit was 200 MiB$/,
  );
  assert.equal(
    failure.hint,
    "Allow more with  memory: '400MiB', or let it grow:  memory: '200MiB * attempt', retries: 2",
  );
  const [execution] = await rig.record.executions(outputOf(plan, "hog"));
  assert.equal(execution!.failure!.kind, "memory");
  assert.ok(execution!.resources.maxRssBytes! > 200 * 2 ** 20);
});

test("memory that grows with the attempt is enough in the end, under the same ID", {
  skip: noProc,
}, async (t) => {
  const rig = await openRig(t);
  // The first attempt holds what it took until it is killed; the second writes.
  const then = 'if [ $(wc -l < attempts) -eq 1 ]; then sleep 100; fi; echo done > "$OUTPUT"';
  const plan = planOf({ hog: [{ command: taking(rig.dir, 300, then) }] });
  const told = await rig.run(plan, {
    resources: { memory: "64GiB" },
    options: { hog: { memory: "200MiB * attempt", retries: 2, backoff: "1ms", timeout: "60s * attempt" } },
  });
  assert.equal(told.status, "done");
  assert.deepEqual(
    told.of("task.failed").map(({ failure }) => [failure.kind, failure.attempt, failure.attempts]),
    [["memory", 1, 3]],
  );
  assert.equal(readFileSync(join(rig.dir, "attempts"), "utf8"), "\n\n");
  assert.equal((await rig.run(plan)).counts.reused, 1);
});

test("a kill by the system that had run out of memory is told as that, also through a shell", (t) => {
  const dir = scratch(t);
  const staged = { cwd: dir, env: {}, top: dir } as unknown as Staged;
  const runnable = runnableOf("it", planOf({ it: "x" }).tasks["it"]!);
  const common = { survivors: [], durationMs: 1, resources: { maxRssBytes: 15.9 * GiB } };
  const of = (ended: { signal?: string; exitCode?: number; systemOutOfMemory?: boolean }) =>
    explain({ ended: { ...common, ...ended }, staged, runnable, limits: {}, tail: [] });
  for (const how of [{ signal: "SIGKILL" }, { exitCode: 137 }]) {
    assert.equal(of(how)?.kind === "memory", false);
    const told = of({ ...how, systemOutOfMemory: true });
    assert.equal(told?.kind, "memory");
    assert.match(told!.message, /^was killed by the system, which had run out of memory: it used 15\.9 GiB/);
  }
  assert.equal(of({ exitCode: 1, systemOutOfMemory: true })?.kind, "exit");
});

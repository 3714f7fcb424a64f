// Steps that claim and stage while the commands before them run: what holds for others holds for them. Whether any goes ahead
// depends on how long commands take here; scheduler.test.ts and start-queue.test.ts leave that to no machine.
import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openRig, planOf } from "./rig.ts";

const SHORT = Array.from({ length: 24 }, (_, n) => `s${String(n).padStart(2, "0")}`);

test("never do more commands run than there are jobs, though the next steps have claimed and staged", async (t) => {
  const rig = await openRig(t);
  const alone = `mkdir '${rig.dir}/runs' && echo $0 > $OUTPUT && rmdir '${rig.dir}/runs'`;
  const tasks = [...SHORT, ...SHORT.map((name) => `t${name}`)];
  const plan = planOf(Object.fromEntries(tasks.map((name) => [name, `: ${name}; ${alone}`])));
  const { status, counts, events } = await rig.run(plan, { jobs: 1 });
  assert.deepEqual([status, counts.ran], ["done", tasks.length]);
  const started = events.flatMap((event) => (event.event === "task.started" ? [event.task] : []));
  assert.deepEqual(started, tasks, "each is told as started once, in order");
});

test("a step that waits for a long command gives its lease back, and is taken when there is room", async (t) => {
  const rig = await openRig(t);
  const gate = rig.gate("gate");
  const plan = planOf({
    ...Object.fromEntries(SHORT.map((name) => [name, `echo ${name} > $OUTPUT`])),
    tlong: `${gate.command()}; echo long > $OUTPUT`,
    u: "echo u > $OUTPUT",
  });
  const running = rig.run(plan, { jobs: 1 });
  await gate.reached();
  const { output } = plan.tasks["u"]!;
  // Where commands take long, nothing has gone ahead, and nothing will be given back.
  for (let looks = 0; looks < 50; looks++) {
    const [execution] = await rig.record.executions(output);
    if (execution?.outcome === "failure" || (execution === undefined && looks > 10)) break;
    await delay(50);
  }
  await gate.open();
  const { status, counts, of } = await running;
  assert.deepEqual([status, counts.ran], ["done", SHORT.length + 2]);
  assert.equal(of("task.started").filter(({ task }) => task === "u").length, 1);
  assert.deepEqual(of("task.failed"), []);
});

test("after a failure what went ahead does not start", async (t) => {
  const rig = await openRig(t);
  const plan = planOf({
    ...Object.fromEntries(SHORT.map((name) => [name, `echo ${name} > $OUTPUT`])),
    tbad: "exit 3",
    u: "echo u > $OUTPUT",
    v: "echo v > $OUTPUT",
  });
  const { status, counts, of } = await rig.run(plan, { jobs: 1 });
  assert.equal(status, "failed");
  assert.deepEqual([counts.ran, counts.failed, counts.notStarted], [SHORT.length, 1, 2]);
  assert.deepEqual(
    of("task.notStarted").map(({ task }) => task),
    ["u", "v"],
  );
  assert.equal((await rig.run(plan, { jobs: 1, keepGoing: true })).counts.ran, 2);
});

test("an input that is damaged while a step waits for its turn is made again for it, and is no fault of its own", async (t) => {
  const rig = await openRig(t);
  const damage = `file=$(readlink -f inputs/raw); chmod u+w "$file"; echo more >> "$file"; echo x > $OUTPUT`;
  const plan = planOf({
    raw: "echo 1 > $OUTPUT",
    ...Object.fromEntries(SHORT.map((name) => [name, `echo ${name} > $OUTPUT`])),
    tdamages: [damage, "raw"],
    u: ["cat inputs/raw > $OUTPUT", "raw"],
  });
  const { counts, failures, warned } = await rig.run(plan, { jobs: 1, keepGoing: true });
  assert.deepEqual(
    failures.map(({ task }) => task),
    ["tdamages"],
  );
  assert.equal(counts.failed, 1);
  assert.ok(warned.every((code) => code === "input-lost"));
  assert.equal(await rig.text(plan, "u"), "1\n");
});

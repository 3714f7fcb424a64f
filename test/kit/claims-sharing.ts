// What has to hold between engines on one store and one record: the one that is tried, its like, and the bundled one.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Dag } from "../../src/plan/dag.ts";
import { chainOf, counts, outputsOf } from "./claims-making.ts";
import { BUNDLED, type World } from "./world.ts";

/** How often an engine is killed. */
const KILLS = process.env["ALAMODE_LONG"] ? 40 : 4;

export async function reuse(world: World): Promise<void> {
  const names = ["a", "b", "c", "d"];
  const dag = chainOf(world, names);
  const plan = world.write("reuse", dag);
  await world.done(plan, "a");
  assert.equal((await world.bundled(plan, "b")).code, 0);
  await world.done(plan, "c");
  assert.equal((await world.bundled(plan, "d")).code, 0);
  await world.done(plan);
  assert.equal((await world.bundled(plan)).code, 0);
  assert.deepEqual(counts(world, ...names), [1, 1, 1, 1]);
  assert.equal(world.contentOf(outputsOf(dag)("d")), "a\nb\nc\nd\n");
  await world.sound();
}

export async function oneMaker(world: World): Promise<void> {
  const dag = layers(world, 4, 5);
  const names = Object.keys(dag.encode().tasks);
  const plan = world.write("layers", dag);
  const [, , { code, printed }] = await Promise.all([
    world.done(plan),
    world.done(plan),
    world.bundled(plan),
  ]);
  assert.equal(code, 0, printed);
  assert.deepEqual(
    counts(world, ...names),
    names.map(() => 1),
  );
  await world.sound();
}

export async function deadMakers(world: World): Promise<void> {
  for (const maker of ["engine", "bundled"] as const) {
    const gate = gateOf(world, maker);
    const dag = new Dag();
    dag.task("slow", { command: world.counted(maker, `${gate.command}; echo ${maker} > $OUTPUT`) });
    const plan = world.write(maker, dag);
    const start = { engine: () => world.startEngine(plan), bundled: () => world.start(BUNDLED, plan) };
    const first = start[maker]();
    await world.until("the step begins", gate.reached, first);
    const second = start[maker === "engine" ? "bundled" : "engine"]();
    await first.kill();
    await world.until("the other begins it", () => gate.reached(2), second);
    gate.open();
    const { code, printed } = await second.ended;
    assert.equal(code, 0, printed);
    assert.equal(world.count(maker), 2);
    assert.equal(world.contentOf(outputsOf(dag)("slow")), `${maker}\n`);
  }
  await world.sound();
}

export async function killed(world: World): Promise<void> {
  for (let n = 0; n < KILLS; n++) {
    // By itself, then beside the bundled engine, which is killed by turns with it.
    const dag = layers(world, 4, 5, `kill-${n}-`);
    const names = Object.keys(dag.encode().tasks);
    const plan = world.write("killed", dag);
    const before = world.executions;
    const enough = 1 + ((n * 7) % (names.length - 4));
    const both = [world.startEngine(plan), ...(n % 2 === 0 ? [] : [world.start(BUNDLED, plan)])];
    const victim = both[n % 4 === 3 ? 1 : 0]!;
    await world.until("some steps", () => world.executions - before >= enough, ...both);
    await victim.kill();
    for (const other of both) {
      if (other === victim) continue;
      const { code, printed } = await other.ended;
      assert.equal(code, 0, printed);
    }
    await world.sound({ killed: true });
    await world.done(plan);
    assert.equal((await world.bundled(plan)).code, 0);
    const { successful } = world.recorded();
    for (const name of names) assert.equal(successful.get(outputsOf(dag)(name)), 1, name);
    // An engine has at most so many commands running, and twice as many outputs that wait to be committed.
    const redone = world.executions - before - names.length;
    assert.ok(redone >= 0 && redone <= 3 * availableParallelism(), `${redone} executions were in vain`);
    await world.sound();
  }
}

export async function nothingLeft(world: World): Promise<void> {
  const leaves = new Dag();
  const left = world.path("left.pid");
  leaves.task("leaves", { command: `sleep 600 > /dev/null 2>&1 & echo $! > '${left}'; touch $OUTPUT` });
  assert.equal((await world.engine(world.write("leaves", leaves))).code, 1);
  await world.until("what was left ends", () => !lives(left));

  const gate = gateOf(world, "gate");
  const dies = new Dag();
  const step = world.path("step.pid");
  dies.task("dies", { command: `echo $$ > '${step}'; ${gate.command}; touch $OUTPUT` });
  const running = world.startEngine(world.write("dies", dies));
  await world.until("the step begins", gate.reached, running);
  running.child.kill("SIGKILL");
  await world.until("the step ends with its engine", () => !lives(step));
  await running.ended;
  await world.sound({ killed: true });
}

/** Whether the process whose id the file holds lives: not one that ended, and that nobody has asked after yet. */
function lives(file: string): boolean {
  const pid = Number(readFileSync(file, "utf8"));
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/\) [ZX] /.test(readFileSync(stat, "utf8"));
}

/** A command that tells that it has begun, and goes on when it is let. */
function gateOf(world: World, name: string) {
  const [begun, open] = [world.path(`${name}.begun`), world.path(`${name}.open`)];
  return {
    command: `echo >> '${begun}'; while [ ! -e '${open}' ]; do sleep 0.02; done`,
    /** Whether so many have begun. */
    reached: (times = 1) => existsSync(begun) && readFileSync(begun).length >= times,
    open: () => writeFileSync(open, ""),
  };
}

/** Layers of tasks, each of which reads all of the layer before, and one at the end. */
function layers(world: World, depth: number, width: number, prefix = ""): Dag {
  const dag = new Dag({ name: "layers" });
  let above: string[] = [];
  for (let layer = 0; layer < depth; layer++) {
    const names = Array.from({ length: width }, (_, i) => `${prefix}${layer}-${i}`);
    for (const name of names) {
      const command = world.counted(
        name,
        `cat inputs/* 2>&- | wc -l > $OUTPUT || true; echo ${name} >> $OUTPUT`,
      );
      const task = dag.task(name, { command });
      for (const input of above) task.after(dag.tasks[input]!);
    }
    above = names;
  }
  return dag;
}

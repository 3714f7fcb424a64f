// What one engine by itself has to hold: how steps are staged and ended, and which are due.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { encode } from "../../src/bencode/encode.ts";
import { Dag } from "../../src/plan/dag.ts";
import { outputOf } from "../../src/plan/encode.ts";
import type { OutputId } from "../../src/plan/types.ts";
import { removeTree } from "../../src/store/remove.ts";
import type { World } from "./world.ts";

export async function ids(world: World): Promise<void> {
  const dag = new Dag();
  dag.task("one", { command: world.counted("one", "echo one > $OUTPUT") });
  const plan = world.write("ids", dag);
  const bytes = readFileSync(plan, "latin1");
  const output = outputsOf(dag)("one");
  writeFileSync(
    plan,
    bytes.replace(output, `${output.slice(0, 63)}${output.endsWith("0") ? "1" : "0"}`),
    "latin1",
  );
  assert.equal((await world.engine(plan)).code, 2);
  writeFileSync(plan, bytes.replace("> $OUTPUT", ">>$OUTPUT"), "latin1");
  assert.equal((await world.engine(plan)).code, 2);
  writeFileSync(plan, bytes.slice(0, -1), "latin1");
  assert.equal((await world.engine(plan)).code, 2);
  assert.equal(world.executions, 0);
}

export async function staging(world: World): Promise<void> {
  const code = "#!/bin/sh\necho from code\n";
  const sha256 = hash("sha256", code);
  const kept = join(world.store, "sources", sha256.slice(0, 2), sha256);
  mkdirSync(dirname(kept), { recursive: true });
  writeFileSync(kept, code);
  const dag = new Dag();
  const it = dag.task("it", { command: "echo it > $OUTPUT" });
  dag
    .task("look", {
      command:
        'mkdir $OUTPUT; env | sort > $OUTPUT/env; find . ! -name . | sort > $OUTPUT/there; cat "$INPUTS/a%2Fb" > $OUTPUT/input; bin/code > $OUTPUT/code; ls -A "$HOME" "$TMPDIR" > $OUTPUT/empty; readlink -f inputs/a%2Fb > $OUTPUT/link',
      env: { GREETING: "hello", NUMBER: 7 },
      files: { "bin/code": sha256 },
    })
    .after({ "a/b": it });
  dag.task("list", { command: ["/bin/sh", "-c", 'echo "$0" > "$OUTPUT"', "a b  c"] });
  dag.task("named", { command: "echo named > $OUTPUT", produces: "sub/result.txt" });
  dag.task("several", { command: "touch $OUTPUT/a; mkdir $OUTPUT/b", produces: ["a", "b"] });
  await world.done(world.write("staging", dag));
  const of = outputsOf(dag);
  const found = (name: string) => readFileSync(join(world.placeOf(of("look")), name), "utf8");
  assert.equal(found("there"), "./bin\n./bin/code\n./inputs\n./inputs/a%2Fb\n");
  assert.deepEqual([found("input"), found("code")], ["it\n", "from code\n"]);
  assert.equal(found("link"), `${world.placeOf(of("it"))}\n`);
  assert.match(found("empty"), /^\/.*\/?:\n\n\/.*:\n$/);
  const env = new Map(
    found("env")
      .trimEnd()
      .split("\n")
      .map((line) => line.split("=", 2) as [string, string]),
  );
  const names = [
    "ALAMODE_STEP",
    "GREETING",
    "HOME",
    "INPUTS",
    "LANG",
    "NUMBER",
    "OUTPUT",
    "PATH",
    "TMPDIR",
    "TZ",
  ];
  const shells = ["OLDPWD", "PWD", "SHLVL", "_"];
  assert.deepEqual([...env.keys()].filter((name) => !shells.includes(name)).sort(), names);
  const told = ["GREETING", "LANG", "NUMBER", "PATH", "TZ"].map((name) => env.get(name));
  assert.deepEqual(told, ["hello", "C.UTF-8", "7", "/usr/local/bin:/usr/bin:/bin", "UTC"]);
  assert.equal(world.contentOf(of("list")), "a b  c\n");
  assert.equal(readFileSync(join(world.placeOf(of("named")), "sub/result.txt"), "utf8"), "named\n");
  await world.sound();
}

export async function kept(world: World): Promise<void> {
  const outside = world.path("outside");
  writeFileSync(outside, "outside\n");
  const dag = new Dag();
  const folder =
    "mkdir -p $OUTPUT/d/empty; echo x > $OUTPUT/d/x; chmod 700 $OUTPUT/d/x; ln -s d/x $OUTPUT/l; ln -s nowhere $OUTPUT/dangling; ln $OUTPUT/d/x $OUTPUT/twin; ln";
  dag.task("folder", { command: `${folder} '${outside}' $OUTPUT/outside` });
  dag.task("none", { command: "mkdir $OUTPUT" });
  await world.done(world.write("kept", dag));
  await world.sound();
  writeFileSync(outside, "changed\n"); // it was linked to, and is nobody's input
  await world.sound();

  const bad = new Dag();
  bad.task("leaves", { command: "mkdir $OUTPUT; ln -s ../../../.. $OUTPUT/up" });
  bad.task("absolute", { command: `ln -s '${outside}' $OUTPUT` });
  bad.task("fifo", { command: "mkfifo $OUTPUT" });
  bad.task("nothing", { command: "true" });
  bad.task("partly", { command: "touch $OUTPUT/a", produces: ["a", "b"] });
  const plan = world.write("bad", bad);
  for (const name of Object.keys(bad.encode().tasks))
    assert.equal((await world.engine(plan, name)).code, 1, name);
  const { successes } = world.recorded();
  for (const { output } of Object.values(bad.encode().tasks)) assert.ok(!successes.has(output));
  await world.sound();
}

export async function failures(world: World): Promise<void> {
  const dag = new Dag();
  const fails = dag.task("fails", {
    command: world.counted("fails", "echo what went wrong; touch left; exit 3"),
  });
  dag.task("after", { command: world.counted("after", "touch $OUTPUT") }).after(fails);
  dag.task("killed", { command: "kill -9 $$" });
  const plan = world.write("failures", dag);
  assert.equal((await world.engine(plan, "after")).code, 1);
  assert.equal((await world.engine(plan, "after")).code, 1);
  assert.equal((await world.engine(plan, "killed")).code, 1);
  assert.deepEqual([world.count("fails"), world.count("after")], [2, 0]);
  const rows = query(
    world,
    "SELECT task, failure_kind, exit_code, signal, log, scratch FROM executions WHERE outcome = 'failure'",
  );
  assert.deepEqual(
    rows.map(({ task, failure_kind, exit_code, signal }) => [task, failure_kind, exit_code, signal]),
    [
      ["fails", "exit", 3, null],
      ["fails", "exit", 3, null],
      ["killed", "signal", null, "SIGKILL"],
    ],
  );
  assert.match(readFileSync(join(world.store, "logs", String(rows[0]!["log"])), "utf8"), /what went wrong/);
  assert.equal(readFileSync(join(String(rows[0]!["scratch"]), "work/left"), "utf8"), "");
  await world.sound();
}

export async function demand(world: World): Promise<void> {
  const dag = chainOf(world, ["a", "b", "c"]);
  dag.task("other", { command: world.counted("other", "touch $OUTPUT") });
  const plan = world.write("demand", dag);
  const of = outputsOf(dag);
  await world.done(plan, "c");
  assert.deepEqual(counts(world, "a", "b", "c", "other"), [1, 1, 1, 0]);
  await removeTree(world.placeOf(of("a")));
  await world.done(plan, "c");
  assert.deepEqual(counts(world, "a", "b", "c", "other"), [1, 1, 1, 0], "nothing needs what is gone");
  await removeTree(world.placeOf(of("c")));
  await world.done(plan);
  assert.deepEqual(counts(world, "a", "b", "c", "other"), [1, 1, 2, 1], "its input is there");
  // What another pipeline made counts by its ID alone; what nobody made is refused.
  const far = (c: OutputId) => {
    const spec = { command: "cat inputs/c > $OUTPUT" };
    const task = { ...spec, inputs: { c }, output: outputOf(spec, { c }) };
    return world.writeBytes("far", encode({ meta: {}, tasks: { far: task } }));
  };
  await world.done(far(of("c")));
  assert.equal((await world.engine(far("f".repeat(64) as OutputId))).code, 2);
}

export async function cutOff(world: World): Promise<void> {
  const before = chainOf(world, ["a", "b", "c"]);
  await world.done(world.write("before", before));
  const after = chainOf(world, ["a", "b", "c"], "# a comment");
  await world.done(world.write("after", after));
  assert.deepEqual(counts(world, "a", "b", "c"), [2, 1, 1]);
  assert.equal(world.contentOf(outputsOf(after)("c")), world.contentOf(outputsOf(before)("c")));
  await world.sound();
}

export async function recordDecides(world: World): Promise<void> {
  const dag = chainOf(world, ["a", "b"]);
  const of = outputsOf(dag);
  for (const name of ["a", "b"]) {
    const place = join(world.store, "outputs", of(name).slice(0, 2), of(name));
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, "rubbish\n");
  }
  const plan = world.write("decides", dag);
  await world.done(plan);
  assert.deepEqual([world.contentOf(of("a")), world.contentOf(of("b"))], ["a\n", "a\nb\n"]);
  await world.sound();
  await removeTree(world.placeOf(of("b")));
  await world.done(plan);
  assert.deepEqual(counts(world, "a", "b"), [1, 2]);
  await world.sound();
}

export async function stale(world: World): Promise<void> {
  const dag = new Dag();
  const random = dag.task("random", {
    command: world.counted("random", "od -An -N16 -tx1 /dev/urandom > $OUTPUT"),
  });
  const copy = dag
    .task("copy", { command: world.counted("copy", "cat inputs/random > $OUTPUT") })
    .after(random);
  dag.task("end", { command: world.counted("end", "cat inputs/copy > $OUTPUT") }).after(copy);
  const [plan, of] = [world.write("stale", dag), outputsOf(dag)];
  await world.done(plan);
  await removeTree(world.placeOf(of("random")));
  await world.done(plan, "random");
  const isStale = () =>
    query(
      world,
      `SELECT s.stale FROM standing c JOIN successes s ON s.id = c.success_id JOIN executions e ON e.id = s.execution_id
       WHERE e.task IN ('random', 'copy', 'end') ORDER BY e.id`,
    ).map((row) => row["stale"]);
  assert.deepEqual(isStale().sort(), [0, 1, 1]);
  await world.done(plan); // it is done as a goal
  assert.deepEqual(counts(world, "random", "copy", "end"), [2, 1, 1]);
  dag.task("more", { command: "cat inputs/end > $OUTPUT" }).after(dag.tasks["end"]!);
  await world.done(world.write("more", dag)); // and never an input
  assert.deepEqual(counts(world, "random", "copy", "end"), [2, 2, 2]);
  assert.deepEqual(isStale(), [0, 0, 0]);
  assert.equal(world.contentOf(outputsOf(dag)("more")), world.contentOf(of("random")));
  await world.sound();
}

export async function inputs(world: World): Promise<void> {
  const dag = new Dag();
  const data = dag.task("data", { command: world.counted("data", "echo data > $OUTPUT") });
  dag
    .task("vandal", { command: "chmod u+w $INPUTS/data; echo more >> inputs/data; touch $OUTPUT" })
    .after(data);
  dag.task("honest", { command: "cat inputs/data > $OUTPUT" }).after(data);
  const [plan, of] = [world.write("inputs", dag), outputsOf(dag)];
  assert.equal((await world.engine(plan, "vandal")).code, 1);
  await world.done(plan, "honest");
  assert.deepEqual([world.count("data"), world.contentOf(of("honest"))], [2, "data\n"]);
  // Changed between two runs, by anybody.
  const place = world.placeOf(of("data"));
  chmodSync(place, 0o644);
  writeFileSync(place, "other data\n");
  dag.task("later", { command: "cat inputs/data inputs/data > $OUTPUT" }).after(data);
  await world.done(world.write("later", dag), "later");
  assert.deepEqual([world.count("data"), world.contentOf(outputsOf(dag)("later"))], [3, "data\ndata\n"]);
  await world.sound();
}

/** A chain, each task of which adds its name; `more` changes the first one's spec. */
export function chainOf(world: World, names: readonly string[], more = ""): Dag {
  const dag = new Dag({ name: "chain" });
  for (const [i, name] of names.entries()) {
    const what =
      i === 0 ? `echo ${name} > $OUTPUT ${more}` : `cat inputs/* > $OUTPUT; echo ${name} >> $OUTPUT`;
    const task = dag.task(name, { command: world.counted(name, what) });
    if (i > 0) task.after(dag.tasks[names[i - 1]!]!);
  }
  return dag;
}

/** Task name → output. */
export function outputsOf(dag: Dag): (name: string) => OutputId {
  const { tasks } = dag.encode();
  return (name) => tasks[name]!.output;
}

export function counts(world: World, ...names: string[]): number[] {
  return names.map((name) => world.count(name));
}

function query(world: World, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(world.record, { readOnly: true, timeout: 30_000 });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

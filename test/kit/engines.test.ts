// The bundled engine, and the small one in Python, are held to what they claim; and what the small one says beside that.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { Dag } from "../../src/plan/dag.ts";
import { cliEnv } from "../cli-runner.ts";
import { blocksOf } from "../documents.ts";
import { engineKit } from "./engine-kit.ts";
import { BUNDLED, World } from "./world.ts";

const folder = resolve(import.meta.dirname, "../../examples/engine-python");
const python = `python3 ${folder}/engine.py --store {store} --record {record} {plan} {goals}`;
const probe =
  "import sqlite3, sys; sys.exit(sys.version_info < (3, 8) or sqlite3.sqlite_version_info < (3, 37))";
const skip =
  spawnSync("python3", ["-c", probe]).status === 0
    ? false
    : "there is no python3 (3.8 or later) with SQLite 3.37";

engineKit("alamode", BUNDLED);
engineKit("engine-python", python, undefined, skip);

test("engine-python: who waited for a task that fails has failed too", { skip }, async (t) => {
  const world = await World.open(python);
  t.after(() => world.close());
  const open = world.path("open");
  const dag = new Dag();
  dag.task("fails", {
    command: world.counted("fails", `while [ ! -e '${open}' ]; do sleep 0.02; done; exit 3`),
  });
  const plan = world.write("fails", dag);
  const first = world.start(BUNDLED, plan);
  await world.until("the step begins", () => world.count("fails") === 1, first);
  const second = world.startEngine(plan);
  await world.until("the other waits", () => second.printed().includes("waiting fails"), second);
  spawnSync("touch", [open]);
  assert.deepEqual([(await first.ended).code, (await second.ended).code], [1, 1]);
  assert.equal(world.count("fails"), 1);
});

test("engine-python: what it cannot perform it refuses before anything runs", { skip }, async (t) => {
  const world = await World.open(python);
  t.after(() => world.close());
  const dag = new Dag();
  dag.task("fine", { command: world.counted("fine", "touch $OUTPUT") });
  dag.task("grows", { command: "touch $OUTPUT", expand: 1 });
  dag.task("shut", { command: "touch $OUTPUT" }, { sandbox: "bubblewrap" });
  const plan = world.write("refused", dag);
  assert.match((await world.engine(plan)).printed, /refused: grows asks for expand: run it with alamode/);
  assert.match((await world.engine(plan, "fine", "shut")).printed, /refused: shut asks for sandbox/);
  assert.equal(world.executions, 0);
});

test("the kit, as a command, refuses an engine that only says that all is done, and claims that there are none of", () => {
  const kit = (...args: string[]) =>
    spawnSync(process.execPath, [resolve(import.meta.dirname, "engine-kit.ts"), ...args], {
      env: cliEnv(),
      encoding: "utf8",
    });
  const liar = kit("--engine", "true {plan}", "--claims", "ids,reuse");
  assert.equal(liar.status, 1);
  assert.match(liar.stdout, /fail 2\b/);
  assert.match(liar.stdout, /not claimed/);
  const unknown = kit("--engine", "true", "--claims", "speed");
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /no such claim: speed/);
});

test("the statements in docs/ENGINES.md are those of engine-python", () => {
  const page = readFileSync(resolve(folder, "../../docs/ENGINES.md"), "utf8");
  const shown = new Map(
    blocksOf(page)
      .filter(({ language }) => language === "sql")
      .flatMap(({ text }) => statements(text)),
  );
  assert.deepEqual(shown, new Map(statements(readFileSync(resolve(folder, "record.sql"), "utf8"))));
});

function statements(text: string): [string, string][] {
  const [, ...parts] = text.split(/^-- name: (\S+)\n/m);
  return parts.flatMap((name, i) => (i % 2 === 0 ? [[name, parts[i + 1]!.trim()] as [string, string]] : []));
}

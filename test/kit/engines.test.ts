// The bundled engine, and the small one in Python, are held to what they claim; and what the small one says beside that.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { hash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { test } from "node:test";
import { encode } from "../../src/bencode/encode.ts";
import { Dag } from "../../src/plan/dag.ts";
import { SCHEMA_VERSION } from "../../src/record/schema.ts";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import { cliEnv } from "../cli-runner.ts";
import { blocksOf } from "../documents.ts";
import { ALL_CLAIMS, engineKit } from "./engine-kit.ts";
import { BUNDLED, World } from "./world.ts";

const folder = resolve(import.meta.dirname, "../../examples/engine-python");
const python = `python3 ${folder}/engine.py {store} {record} {plan} {goals}`;
const probe =
  "import sqlite3, sys; sys.exit(sys.version_info < (3, 11) or sqlite3.sqlite_version_info < (3, 37))";
const skip =
  spawnSync("python3", ["-c", probe]).status === 0
    ? false
    : "there is no python3 (3.11 or later) with SQLite 3.37";

engineKit("alamode", BUNDLED);
const notClaimed: readonly string[] = ["staging", "outputs", "failures"];
engineKit(
  "engine-python",
  python,
  ALL_CLAIMS.filter((claim) => !notClaimed.includes(claim)),
  skip,
);

test("engine-python: what it cannot perform it refuses, and records nothing of", { skip }, async (t) => {
  const world = await World.open(python);
  t.after(() => world.close());
  const dag = new Dag();
  const command = world.counted("any", "touch $OUTPUT");
  const above = dag.task("above", { command });
  dag.task("grows", { command, expand: 1 }).after(above);
  dag.task("shut", { command }, { sandbox: "bubblewrap" });
  dag.task("staged", { command, files: { code: "f".repeat(64) }, produces: "x" });
  dag.task("escaped", { command }).after({ "a/b": above });
  const plan = world.write("refused", dag);
  for (const [goal, why] of [
    ["grows", "expand"],
    ["shut", "sandbox"],
    ["staged", "(files|produces), (files|produces)"],
    ["escaped", "a/b"],
    ["nothing", ""],
  ] as const) {
    const { code, printed } = await world.engine(plan, goal);
    assert.equal(code, 2, printed);
    assert.match(
      printed,
      why === "" ? /refused: 'nothing'/ : new RegExp(`refused: ${goal} asks for ${why};`),
    );
  }
  assert.equal(world.executions, 0);
  assert.deepEqual(world.recorded().unfinishedExecutions, 0);
});

test("engine-python: an output with links fails, and is none", { skip }, async (t) => {
  const world = await World.open(python);
  t.after(() => world.close());
  const dag = new Dag();
  for (const how of ["-s", "-sf", ""])
    dag.task(`link${how}`, { command: `mkdir $OUTPUT; touch $OUTPUT/a; cd $OUTPUT; ln ${how} a b` });
  const plan = world.write("links", dag);
  for (const [name, { output }] of Object.entries(dag.encode().tasks)) {
    const { code, printed } = await world.engine(plan, name);
    assert.equal(code, 1, printed);
    assert.match(printed, /failed: [ab] is a link/);
    assert.ok(!world.recorded().successes.has(output));
  }
  await world.sound();
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

test("the statements of engine-python are those of docs/ENGINES.md", () => {
  const example = statements(readFileSync(resolve(folder, "record.sql"), "utf8"));
  assert.deepEqual(example, new Map([...published()].filter(([name]) => example.has(name))));
});

test("the statements of docs/ENGINES.md, in their order, make a success, then another of other bytes, and an alias", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "alamode-statements-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "record.db");
  await (await openSqliteRecord(file)).close();
  const db = new DatabaseSync(file);
  t.after(() => db.close());
  const sql = published();
  const performed = new Set<string>();
  const values: Record<string, SQLInputValue> = {};
  const ask = (name: string, more: Record<string, SQLInputValue> = {}) => {
    performed.add(name);
    let rows: Record<string, unknown>[] = [];
    for (const statement of sql.get(name)!.replace(/;$/, "").split(";\n")) {
      const prepared = db.prepare(statement);
      prepared.setAllowUnknownNamedParameters(true);
      rows = prepared.all({ ...values, ...more });
    }
    return rows;
  };
  const blob = (text: string) => hash("sha256", text, "buffer");
  Object.assign(values, {
    plan: blob("plan"),
    meta: "de",
    run: "0".repeat(16),
    name: "a",
    goals: "le",
    now: 1,
  });
  Object.assign(values, { host: "here", user: "me", pid: 1, version: "1", store: "s", boot: "", task: "a" });
  Object.assign(values, { size: 1, files: 1, path: "/bin", slot: "/tmp/slot", kind: null, message: null });
  Object.assign(values, {
    exit: 0,
    signal: null,
    rss: 1,
    user_ms: 1,
    system_ms: 1,
    scratch: null,
    log: null,
  });
  for (const name of ["meta", "goals"]) values[name] = Buffer.from(String(values[name]));

  const [{ version, application } = {}] = ask("version");
  assert.deepEqual([version, application], [SCHEMA_VERSION, 0x616c616d]);
  assert.equal(ask("note-plan").length, 1);
  assert.equal(ask("note-plan").length, 0, "it is known");
  const [a, b] = [blob("a"), blob("b")];
  const [{ id } = {}] = ask("note-output", { output: a });
  assert.equal(ask("note-output", { output: a })[0]?.["id"], id);
  const inputs = encode({ a: id as number });
  for (const [name, output] of [
    ["a", a],
    ["b", b],
  ] as const)
    ask("note-task", { name, output, spec: Buffer.from("de"), digest: blob("de"), inputs });
  ask("begin-run");

  /** As an engine makes it, from what stands for `a` where it is `b`; the success's id. */
  const make = (n: number, output: Uint8Array, bytes: string, key: Uint8Array) => {
    const about = { n, output, key, token: `t${n}`, digest: blob(bytes), tree: Buffer.from(bytes) };
    assert.deepEqual(ask("leases", about), []);
    ask("lease", about);
    assert.equal(ask("leases", about)[0]?.["run"], values["run"]);
    const written = ask("succeed", { ...about, location: `l${n}`, stamps: Buffer.from(`stamps ${n}`) });
    const success = Number(written[0]!["id"]);
    if (output === b)
      ask("read", { success, name: "a", input: Number(ask("success", { output: a })[0]!["id"]) });
    ask("stand", { success });
    while (ask("valid-again", { success }).length > 0);
    ask("tell", about);
    ask("end", { ...about, outcome: "success", inputs: encode({}) });
    assert.deepEqual(ask("leases", about), []);
    return success;
  };
  const is = (output: Uint8Array) => {
    const [row] = ask("success", { output });
    return row && [row["id"], row["stale"], Buffer.from(row["tree"] as Uint8Array).toString()];
  };
  const first = make(1, a, "one", blob("key a"));
  const below = make(2, b, "two", blob("key b one"));
  assert.deepEqual(
    [is(a), is(b)],
    [
      [first, 0, "one"],
      [below, 0, "two"],
    ],
  );
  assert.deepEqual(
    ask("locations", { output: a }).map((row) => row["location"]),
    ["l1"],
  );

  ask("mark", { success: first, state: "lost" });
  assert.equal(is(a), undefined);
  const second = make(3, a, "other", blob("key a"));
  assert.deepEqual(
    [is(a), is(b)],
    [
      [second, 0, "other"],
      [below, 1, "two"],
    ],
  );
  ask("mark", { success: second, state: "damaged" });
  const third = make(4, a, "one", blob("key a"));
  assert.deepEqual(
    [is(a), is(b)],
    [
      [third, 0, "one"],
      [below, 0, "two"],
    ],
    "valid again",
  );

  const [original] = ask("candidates", { key: blob("key b one") });
  const c = blob("c");
  ask("note-output", { output: c });
  const [alias] = ask("alias", { output: c, original: Number(original!["id"]) });
  ask("read", { success: Number(alias!["id"]), name: "a", input: third });
  ask("stand", { success: Number(alias!["id"]) });
  assert.deepEqual(is(c), [alias!["id"], 0, "two"]);

  ask("lease", { n: 5, output: c, key: blob("failing"), token: "dead" });
  ask("lease", { n: 6, output: c, key: blob("failing"), token: "t6" });
  assert.deepEqual(
    ask("succeed", {
      token: "dead",
      digest: blob("one"),
      tree: Buffer.from("one"),
      location: "l",
      stamps: Buffer.from(""),
    }),
    [],
  );
  const execution = Number(ask("leases", { output: c, key: c })[0]!["execution"]);
  ask("tell", { token: "t6", scratch: "/tmp/failed" });
  ask("end", { token: "t6", outcome: "failure", kind: "exit", message: "exit 3", inputs: encode({}) });
  assert.deepEqual(
    ask("failure", { execution }).map((row) => ({ ...row })),
    [{ kind: "exit", message: "exit 3" }],
  );
  assert.deepEqual(ask("forget", { output: c }), [], "one is kept");
  ask("end-run", { status: "failed" });
  const [run] = db.prepare("SELECT status, ran, failed FROM runs").all();
  assert.deepEqual({ ...run }, { status: "failed", ran: 4, failed: 2 });
  assert.deepEqual([...performed].sort(), [...sql.keys()].sort());
});

/** Name → its statements, in the order of the page. */
function published(): Map<string, string> {
  const page = readFileSync(resolve(folder, "../../docs/ENGINES.md"), "utf8");
  const shown = blocksOf(page).filter(({ language }) => language === "sql");
  return new Map(shown.flatMap(({ text }) => [...statements(text)]));
}

function statements(text: string): Map<string, string> {
  const [, ...parts] = text.split(/^-- name: (\S+)\n/m);
  return new Map(parts.flatMap((name, i) => (i % 2 === 0 ? [[name, parts[i + 1]!.trim()] as const] : [])));
}

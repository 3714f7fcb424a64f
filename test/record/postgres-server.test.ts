// The shared record and its server: getting in, schemas of other versions, answers that are lost, runs that are late, a server
// that is away.
import assert from "node:assert/strict";
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import pg from "pg";
import type { AlamodeError } from "../../src/errors.ts";
import { shownUrl } from "../../src/postgres-server.ts";
import { openPostgresRecord } from "../../src/record/postgres.ts";
import { postgresPlace } from "../../src/record/postgres-url.ts";
import { SCHEMA_VERSION } from "../../src/record/schema.ts";
import type { RecordDb } from "../../src/record/types.ts";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { startAnswerEater } from "./answer-eater.ts";
import { Maker, planOf, scratch, startOf } from "./maker.ts";
import { expire, open, urlOf } from "./open-postgres.ts";
import { OtherProcess } from "./other-process.ts";

const PASSWORD = "s3cret&more";
const skip = whyNoPostgres() ?? false;
const opener = new URL("./open-postgres.ts", import.meta.url);
const goldenFile = new URL("../golden/record-schema-postgres.sql", import.meta.url);
const plan = planOf({ a: [], b: ["a"], c: ["b"] });

let server: Postgres;
before(async () => {
  if (skip) return;
  server = await startPostgres({ password: PASSWORD });
  process.env["ALAMODE_TEST_POSTGRES"] = withPassword(server.url, PASSWORD);
});
after(() => server?.stop());

function withPassword(url: string, password: string): string {
  return Object.assign(new URL(url), { password }).href;
}

async function opened(t: TestContext, dir = scratch(t)): Promise<RecordDb> {
  const record = await open(dir);
  t.after(() => record.close());
  return record;
}

async function refusal(promise: Promise<unknown>): Promise<AlamodeError> {
  try {
    await promise;
  } catch (error) {
    return error as AlamodeError;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

/** Sets variables of the environment for the time of the test. */
function withEnv(t: TestContext, env: Readonly<Record<string, string | undefined>>): void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(env)) set(name, value);
  t.after(() => {
    for (const [name, value] of before) set(name, value);
  });
}

test("the schema is the published one", { skip }, async (t) => {
  const dir = scratch(t);
  await opened(t, dir);
  const schema = new URL(urlOf(dir)).searchParams.get("schema")!;
  const told = server.sql(`
    SELECT table_name || '.' || column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
      FROM information_schema.columns WHERE table_schema = '${schema}' ORDER BY table_name, ordinal_position;
    SELECT indexdef FROM pg_indexes WHERE schemaname = '${schema}' ORDER BY indexname;
    SELECT p.oid::regprocedure || ' ' || coalesce(pg_get_function_result(p.oid), '') FROM pg_proc p
      WHERE pronamespace = '${schema}'::regnamespace ORDER BY proname`);
  const found = `-- version ${SCHEMA_VERSION}\n${told.replaceAll(`${schema}.`, "")}\n`;
  if (process.env["UPDATE_GOLDEN"]) {
    writeFileSync(goldenFile, found);
    return t.skip("rewrote test/golden/record-schema-postgres.sql");
  }
  assert.equal(found, readFileSync(goldenFile, "utf8"));
});

test("processes that open a new record at once all get it, and it is there when it is opened again", {
  skip,
}, async (t) => {
  const dir = scratch(t);
  const children = await Promise.all([0, 1, 2, 3].map(() => OtherProcess.start(opener, dir)));
  t.after(() => Promise.all(children.map((child) => child.kill())));
  const runs = await Promise.all(children.map(({ record }) => record.startRun(startOf(plan))));
  assert.deepEqual(runs.map(({ number }) => number).sort(), [1, 2, 3, 4]);
  assert.equal((await (await opened(t, dir)).runs(9)).length, 4);
});

test("the password comes from the URL, PGPASSWORD or a password file, and is never told", {
  skip,
}, async (t) => {
  withEnv(t, { PGPASSWORD: undefined, PGPASSFILE: undefined });
  const dir = scratch(t);
  const url = urlOf(dir).replace(encodeURIComponent(PASSWORD), "");
  const bare = shownUrl(urlOf(dir));
  for (const wrong of [bare, withPassword(url, "wr0ng")]) {
    const error = await refusal(openPostgresRecord(wrong));
    assert.equal(error.code, "record-denied");
    assert.doesNotMatch(JSON.stringify([error.message, error.facts, error.hint, `${error.stack}`]), /wr0ng/);
  }
  const record = await openPostgresRecord(urlOf(dir));
  assert.equal(record.url, bare);
  await record.close();
  process.env["PGPASSWORD"] = PASSWORD;
  await (await openPostgresRecord(bare)).close();
  delete process.env["PGPASSWORD"];
  const file = join(dir, "pgpass");
  writeFileSync(
    file,
    `# theirs\n${server.host}:1:*:*:no\n*:${server.port}:postgres:postgres:s3cret&m\\ore\n`,
  );
  chmodSync(file, 0o600);
  process.env["PGPASSFILE"] = file;
  await (await openPostgresRecord(bare)).close();
  // One that cannot be read is none: for root, too, one that leads to itself.
  const loop = join(dir, "loop");
  symlinkSync(loop, loop);
  process.env["PGPASSFILE"] = loop;
  assert.equal((await refusal(openPostgresRecord(bare))).code, "record-denied");
  process.env["PGPASSFILE"] = file;
  // What the URL leaves out comes from the environment too.
  const { searchParams } = new URL(bare);
  withEnv(t, { PGHOST: server.host, PGPORT: `${server.port}`, PGUSER: "postgres", PGDATABASE: "postgres" });
  const short = await openPostgresRecord(`postgres:///?schema=${searchParams.get("schema")}`);
  assert.equal(short.id, record.id);
  await short.close();
});

test("a URL is shown without its password, wherever that is", () => {
  for (const [url, shown] of [
    ["postgres://me:pw@host:5/db?schema=x", "postgres://me@host:5/db?schema=x"],
    ["postgres://host/db?password=pw&schema=x", "postgres://host/db?schema=x"],
    ["postgres://host/db?schema=x&password=pw", "postgres://host/db?schema=x"],
    ["postgres://me:p%40w@host/db", "postgres://me@host/db"],
    ["postgres://me:p@w@host/db", "postgres://me@host/db"],
    ["postgres://me:p/w@host/db", "postgres://me@host/db"],
    ["postgres://host/db", "postgres://host/db"],
  ] as const)
    assert.equal(shownUrl(url), shown);
});

test("what cannot be opened is told as what it is", { skip }, async (t) => {
  const url = (change: (url: URL) => void) => {
    const changed = new URL(urlOf(scratch(t)));
    change(changed);
    return changed.href;
  };
  const code = async (place: string) => (await refusal(openPostgresRecord(place))).code;
  assert.equal(await code(url((at) => at.searchParams.set("schema", "Bad-name"))), "bad-record-url");
  assert.equal(await code(url((at) => at.searchParams.set("lease_seconds", "0"))), "bad-record-url");
  const mistyped = await refusal(openPostgresRecord(url((at) => at.searchParams.set("lease_second", "9"))));
  assert.match(mistyped.message, /"lease_second".*Near: lease_seconds/);
  await (await openPostgresRecord(url((at) => at.searchParams.set("application_name", "mine")))).close();
  assert.equal(await code(url((at) => (at.pathname = "/none"))), "record-unreachable");
  assert.equal(await code("postgres://me@host:port/db"), "bad-record-url");
});

test("a schema of a newer version is refused, and one of another program left alone", { skip }, async (t) => {
  const dir = scratch(t);
  await (await open(dir)).close();
  const schema = new URL(urlOf(dir)).searchParams.get("schema")!;
  server.sql(`UPDATE ${schema}.schema_version SET version = ${SCHEMA_VERSION + 1}`);
  const newer = await refusal(open(dir));
  assert.equal(newer.code, "record-newer");
  assert.equal(newer.facts["schema"], SCHEMA_VERSION + 1);
  server.sql("CREATE SCHEMA theirs; CREATE TABLE theirs.things (x int)");
  const theirs = new URL(urlOf(dir));
  theirs.searchParams.set("schema", "theirs");
  assert.equal((await refusal(openPostgresRecord(theirs.href))).code, "record-foreign");
  assert.equal(server.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'theirs'::regnamespace"), "1");
});

test("a user who may only read is told so", { skip }, async (t) => {
  const dir = scratch(t);
  await opened(t, dir);
  const schema = new URL(urlOf(dir)).searchParams.get("schema")!;
  server.sql(`CREATE ROLE reader LOGIN PASSWORD 'r'; GRANT USAGE ON SCHEMA ${schema} TO reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO reader`);
  const url = Object.assign(new URL(urlOf(dir)), { username: "reader", password: "r" });
  const record = await openPostgresRecord(url.href);
  t.after(() => record.close());
  assert.deepEqual(await record.runs(5), []);
  assert.equal((await refusal(record.startRun(startOf(plan)))).code, "record-read-only");
});

test("a user who may not even look is told so", { skip }, async (t) => {
  const dir = scratch(t);
  await opened(t, dir);
  server.sql("CREATE ROLE stranger LOGIN PASSWORD 's'");
  const url = Object.assign(new URL(urlOf(dir)), { username: "stranger", password: "s" });
  const error = await refusal(openPostgresRecord(url.href));
  assert.equal(error.code, "record-denied");
  assert.match(error.message, /may not look into the schema/);
});

test("a call whose answer is lost is asked again, and has happened once", { skip }, async (t) => {
  const dir = scratch(t);
  const eater = await startAnswerEater(server.host, server.port);
  t.after(() => eater.close());
  const record = await openPostgresRecord(Object.assign(new URL(urlOf(dir)), { port: eater.port }).href);
  t.after(() => record.close());
  let pauses = 0;
  record.onPause((pause) => {
    if (pause !== undefined) pauses++;
  });
  /** Makes a call whose first answer is lost. */
  async function lost<T>(text: string, call: () => Promise<T>): Promise<T> {
    const eaten = eater.eat(text);
    const [answer] = await Promise.all([call(), eaten]);
    return answer;
  }
  const run = await lost("COMMIT", () => record.startRun(startOf(plan)));
  const maker = new Maker(record, plan, run);
  const request = maker.request("a");
  const claim = await lost("claim(", () => record.claim(request));
  assert.equal(claim.kind, "claimed");
  const held = { ...(claim as Extract<typeof claim, { kind: "claimed" }>), request };
  const { success } = await lost("commit_successes", () => maker.commit(held, "1", {}));
  assert.deepEqual(
    (await record.history(maker.output("a"))).map(({ id }) => id),
    [success.id],
  );
  const failing = await maker.take("b");
  const failure = { kind: "exit", message: "exit 1", exitCode: 1 } as const;
  await lost("DELETE FROM leases", () => maker.fail(failing, failure));
  assert.deepEqual((await record.execution(failing.request.execution))?.failure, failure);
  const verified = { success: success.id, at: 1, host: "here", treeDigest: success.treeDigest };
  await lost("verifications", () => record.noteVerification(verified));
  assert.equal((await record.reproducibility([success.output])).get(success.output)?.verified, 1);
  await lost("COMMIT", () =>
    record.finishRun(run.id, "done", { ran: 1, same: 0, reused: 0, failed: 1, notStarted: 0 }),
  );
  assert.deepEqual(
    (await record.runs(9)).map(({ number, status }) => [number, status]),
    [[1, "done"]],
  );
  assert.ok(pauses >= 6, "every call had to be made again");
});

test("a claim that took over from the dead says so again when its answer was lost", { skip }, async (t) => {
  const dir = scratch(t);
  const eater = await startAnswerEater(server.host, server.port);
  t.after(() => eater.close());
  const dead = await Maker.start(await opened(t, dir), plan);
  const first = await dead.take("a");
  await expire(dir, dead.run.id);
  const record = await openPostgresRecord(Object.assign(new URL(urlOf(dir)), { port: eater.port }).href);
  t.after(() => record.close());
  const maker = await Maker.start(record, plan);
  const eaten = eater.eat("claim(");
  const [claim] = await Promise.all([maker.take("a"), eaten]);
  assert.deepEqual(
    [claim.after?.execution, claim.after?.slot],
    [first.request.execution, first.request.slot],
  );
});

test("a claim whose answer was lost has its lease also when an input is remade meanwhile", {
  skip,
}, async (t) => {
  const record = await opened(t, scratch(t));
  const maker = await Maker.start(record, plan);
  const { success } = await maker.commit(await maker.take("a"), "1", {});
  const request = maker.request("b", { inputs: [success] });
  const first = await record.claim(request);
  assert.equal(first.kind, "claimed");
  await record.mark([success.id], "lost");
  assert.deepEqual(await record.claim(request), first);
  assert.equal((await maker.claim("b", { inputs: [success] })).kind, "outdated");
});

test("who is late with its heartbeat keeps what nobody has taken over, and commits nothing else", {
  skip,
}, async (t) => {
  const dir = scratch(t);
  const child = await OtherProcess.start(opener, dir);
  t.after(() => child.kill());
  const run = await child.record.startRun(startOf(plan));
  const late = new Maker(child.record as RecordDb, plan, run);
  const [a, b] = [await late.take("a"), await late.take("b")];
  child.stop();
  await expire(dir, run.id);
  const maker = await Maker.start(await opened(t, dir), plan);
  assert.equal((await maker.take("a")).after?.run, run.id);
  child.go();
  await assert.rejects(late.commit(a, "1", {}), /is no longer its own/);
  assert.equal((await late.commit(b, "2", {})).success.state, "current");
  assert.deepEqual(await maker.record.history(maker.output("a")), []);
});

test("a run goes on living while its process does nothing but compute", { skip }, async (t) => {
  const dir = scratch(t);
  const url = new URL(urlOf(dir));
  url.searchParams.set("lease_seconds", "3");
  const record = await openPostgresRecord(url.href);
  t.after(() => record.close());
  const { id } = await record.startRun(startOf(plan));
  const until = performance.now() + 7_000;
  while (performance.now() < until); // not one turn of the event loop
  assert.equal(await record.isLive(id), true);
});

test("who waits is told of the end, whatever it was", { skip }, async (t) => {
  const dir = scratch(t);
  const [maker, waiting] = [await Maker.start(await opened(t, dir), plan), await opened(t, dir)];
  const other = await Maker.start(waiting, plan);
  for (const end of ["commit", "fail", "finish"] as const) {
    const task = end === "commit" ? "a" : end === "fail" ? "b" : "c";
    const claim = await maker.take(task);
    assert.equal((await other.claim(task)).kind, "held");
    const told = new Promise<void>((resolve) => {
      const wait = () => waiting.onEnd(claim.request.execution, look);
      // It is told of once more than needed, when it begins to listen.
      const look = async () => {
        const { outcome } = (await waiting.execution(claim.request.execution))!;
        if (outcome === "running") wait();
        else resolve();
      };
      wait();
    });
    if (end === "commit") await maker.commit(claim, "1", {});
    else if (end === "fail") await maker.fail(claim, { kind: "exit", message: "exit 1" });
    else
      await maker.record.finishRun(maker.run.id, "interrupted", {
        ran: 0,
        same: 0,
        reused: 0,
        failed: 0,
        notStarted: 0,
      });
    await told;
  }
});

test("what is asked of many is one question, however many they are", { skip }, async (t) => {
  const record = await opened(t);
  const shape = Object.fromEntries(
    Array.from({ length: 3000 }, (_, n) => [`t${n}`, n < 10 ? [] : [`t${n - 10}`]]),
  );
  const large = planOf(shape);
  const outputs = Object.values(large.tasks).map(({ output }) => output);
  let questions = 0;
  const { query } = pg.Client.prototype;
  t.mock.method(pg.Client.prototype, "query", function (this: pg.Client, ...args: never[]) {
    questions++;
    return (query as (...all: never[]) => unknown).apply(this, args);
  });
  const asking = async (what: string, call: () => Promise<unknown>, most: number) => {
    questions = 0;
    await call();
    assert.ok(questions <= most, `${what}: ${questions} questions`);
  };
  await asking("a plan", () => record.startRun(startOf(large)), 20);
  await asking("the same plan again", () => record.startRun(startOf(large)), 10);
  await asking("successes", () => record.successes(outputs), 1);
  await asking("candidates", () => record.candidates(outputs, "none"), 1);
  await asking("reproducibility", () => record.reproducibility(outputs), 1);
  await asking("durations", () => record.durations(Object.keys(shape)), 1);
  const maker = await Maker.start(record, large);
  const tasks = Object.keys(shape).slice(0, 10);
  const claims = await Promise.all(tasks.map((task) => maker.take(task)));
  await asking(
    "commits at once",
    () => Promise.all(claims.map((claim) => maker.commit(claim, "same", {}))),
    2,
  );
});

test("a server that is away is waited for, which is told once; and whoever gives up is told why", {
  skip,
}, async (t) => {
  const record = await opened(t);
  const told: (string | undefined)[] = [];
  let giveUp = () => {};
  const paused = new Promise<void>((resolve) => {
    record.onPause((pause) => {
      told.push((pause?.error as AlamodeError | undefined)?.code);
      giveUp = () => pause?.giveUp();
      resolve();
    });
  });
  server.shut("fast");
  const runs = [1, 2, 3].map(() => record.startRun(startOf(plan)));
  await paused;
  server.start();
  assert.deepEqual((await Promise.all(runs)).map(({ number }) => number).sort(), [1, 2, 3]);
  assert.deepEqual(told, ["record-unreachable", undefined]);
  server.shut("immediate");
  const late = record.runs(9);
  late.catch(() => {});
  while (told.length < 3) await new Promise(setImmediate);
  giveUp();
  assert.deepEqual(
    [(await refusal(late)).code, (await refusal(record.runs(9))).code],
    ["record-unreachable", "record-unreachable"],
  );
  server.start();
  await until(() => record.runs(9)); // it opens its eyes again by itself
});

/** Makes the call again until it succeeds. */
async function until(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await call();
      return;
    } catch (error) {
      assert.equal((error as AlamodeError).code, "record-unreachable");
    }
  }
}

test("what was committed has reached the server's disk, however the user is set up", { skip }, async (t) => {
  const { config } = postgresPlace(urlOf(scratch(t)));
  const admin = new pg.Client(config);
  await admin.connect();
  try {
    await admin.query("ALTER ROLE CURRENT_USER SET synchronous_commit = off");
    const ours = new pg.Client(config);
    await ours.connect();
    assert.deepEqual((await ours.query("SHOW synchronous_commit")).rows, [{ synchronous_commit: "on" }]);
    await ours.end();
  } finally {
    await admin.query("ALTER ROLE CURRENT_USER RESET synchronous_commit");
    await admin.end();
  }
});

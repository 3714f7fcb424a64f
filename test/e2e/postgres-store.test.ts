// Pipelines whose outputs are tables of a real PostgreSQL server, through the CLI: SQL tasks and psql, views, stores of two kinds in one
// plan, errors, secrets, and a kill in the middle.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import pg from "pg";
import { openSandbox } from "../../src/engine/sandbox/open.ts";
import type { RunningCli } from "../cli-runner.ts";
import { behindGuard, type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { eventsOf, jsonLines, type Project, pipeline, project, ranIn } from "./project.ts";

const skip = whyNoPostgres() ?? false;
const noBubblewrap = await openSandbox("bubblewrap").then(
  () => false as const,
  (error: unknown) => String(error),
);
let server: Postgres;
let databases = 0;

before(async () => {
  if (skip === false) server = await startPostgres();
});
after(() => server?.stop());

interface Database {
  readonly url: string;
  sql(statement: string): string;
}

function database(): Database {
  return databaseOf(server);
}

/** A new one. */
function databaseOf(on: Postgres): Database {
  const name = `db${++databases}`;
  on.sql(`CREATE DATABASE ${name} TEMPLATE template0`);
  return {
    url: `postgres://postgres@${on.host}:${on.port}/${name}`,
    sql: (statement) => on.sql(statement, name),
  };
}

const BY_DAY = `CREATE TABLE by_day AS
SELECT day, sum(amount) AS amount
FROM "inputs/orders".orders GROUP BY day;`;

/** Orders as a file, as a table, summed in SQL, and a report that is a file again. */
function orders({ url }: Database, t: TestContext, { byDay = BY_DAY, more = "" } = {}): Project {
  const here = project(t, {
    "alamode.config.ts": `export default { stores: { db: ${JSON.stringify(url)} }, options: { "db/*": { store: "db" } } };\n`,
  });
  describe(here, byDay, more);
  return here;
}

function describe(here: Project, byDay: string, more = ""): void {
  here.write(
    "pipeline.ts",
    pipeline(`
const raw = dag.task("raw", { command: "printf 'id,day,amount\\\\n2,2026-01-02,3\\\\n1,2026-01-02,12.50\\\\n3,2026-01-03,7.25\\\\n' > $OUTPUT", produces: "orders.csv" });
const orders = dag.task("db/orders", { command: ["psql", "-Xq", "-v", "ON_ERROR_STOP=1",
  "-c", "CREATE TABLE orders (id int, day date, amount numeric(10,2))",
  "-c", "\\\\copy orders FROM 'inputs/raw/orders.csv' CSV HEADER"] }).after({ raw });
const byDay = dag.task("db/by-day", { sql: ${JSON.stringify(byDay)} }, { publish: "analytics.by_day" }).after({ orders });
dag.task("report", { command: "cat inputs/days/by_day.csv > $OUTPUT" }).after({ days: byDay });
${more}`),
  );
}

test("orders by day: psql, SQL, a view, CSV, and files on both sides", { skip }, async (t) => {
  const db = database();
  const here = orders(db, t);
  const first = await here.done(["run", "--json"]);
  assert.deepEqual(ranIn(first), ["db/by-day", "db/orders", "raw", "report"]);
  assert.equal(
    db.sql("SELECT day, amount FROM analytics.by_day ORDER BY day"),
    "2026-01-02|15.50\n2026-01-03|7.25",
  );
  const csv = "day,amount\n2026-01-02,15.50\n2026-01-03,7.25\n";
  await here.done(["get", "report", "report.csv"]);
  assert.equal(here.read("report.csv"), csv);
  await here.done(["get", "db/by-day", "days"]);
  assert.equal(here.read("days/by_day.csv"), csv);
  assert.match(here.read("days/schema.json"), /"type": "numeric"/);
  const path = (await here.done(["path", "db/by-day"])).trim();
  assert.equal(readFileSync(join(path, "by_day.csv"), "utf8"), csv);
  assert.match(await here.done(["show", "db/by-day"]), /postgres:\/\/postgres@127[^ ]*#o_[0-9a-f]{60}/);

  assert.deepEqual(ranIn(await here.done(["run", "--json"])), []);
  // Another text that makes the same rows: everything after it is the same.
  describe(here, `-- in another order\n${BY_DAY.replace(";", " ORDER BY day DESC;")}`);
  const again = await here.done(["run", "--json"]);
  assert.deepEqual(ranIn(again), ["db/by-day"]);
  assert.deepEqual(
    eventsOf(again, "task.same").map(({ task }) => task),
    ["report"],
  );
  // Other columns: the view follows.
  describe(here, BY_DAY.replace("day, sum", "day, count(*) AS n, sum"));
  await here.done(["run"]);
  assert.equal(db.sql("SELECT n FROM analytics.by_day ORDER BY day"), "2\n1");
  assert.match(await here.done(["verify", "db/by-day"]), /same/);
  assert.equal(left(db), "0 0 0");
});

/** Schemas in the making, roles of steps, and their sessions. */
function left({ sql }: Database): string {
  return sql(
    `SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 's\\_%') || ' ' ||
     (SELECT count(*) FROM alamode_store.makings) || ' ' ||
     (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE 'alamode_step_%')`,
  );
}

test("what is not our view is left as it is", { skip }, async (t) => {
  const db = database();
  db.sql("CREATE SCHEMA analytics; CREATE TABLE analytics.by_day AS SELECT 1 AS mine");
  const { code, stdout, stderr } = await orders(db, t).alamode(["run"]);
  assert.equal(code, 1);
  assert.match(stdout + stderr, /analytics\.by_day, and was left as it is/);
  assert.equal(db.sql("SELECT mine FROM analytics.by_day"), "1");
});

test("a failing statement is pointed at, and what is no SQL task is told before anything runs", {
  skip,
}, async (t) => {
  const db = database();
  const here = orders(db, t, { byDay: BY_DAY.replace("sum(amount)", "sum(amout)") });
  const failed = await here.alamode(["run"]);
  assert.equal(failed.code, 1);
  assert.match(failed.stdout + failed.stderr, /column "amout" does not exist/);
  assert.match(
    failed.stdout + failed.stderr,
    /line 2, column 17:\s+SELECT day, sum\(amout\) AS amount\n +\^/,
  );
  describe(here, 'BEGIN; CREATE TABLE by_day AS TABLE "inputs/orders".orders;');
  const open = await here.alamode(["run"]);
  assert.match(open.stdout + open.stderr, /a transaction is left open/);
  describe(here, 'CREATE TABLE t AS TABLE "inputs/order".orders;');
  const unknown = await here.alamode(["run"]);
  assert.match(unknown.stdout + unknown.stderr, /there is no input "order"/);
  describe(here, "CREATE VIEW v AS SELECT 1 AS x;");
  const view = await here.alamode(["run"]);
  assert.match(view.stdout + view.stderr, /view v cannot be kept/);
  here.write("pipeline.ts", pipeline('dag.task("a", { sql: "SELECT 1", command: "true" });'));
  const both = await here.alamode(["run"]);
  assert.equal(both.code, 2);
  assert.match(both.stderr, /command: and spec.sql cannot both be there/);
});

test("SQL that goes to a store of files is refused before anything runs", { skip }, async (t) => {
  const db = database();
  const here = orders(db, t);
  here.write(
    "pipeline.ts",
    pipeline(`const first = dag.task("first", { command: "echo 1 > $OUTPUT" });
dag.task("sql", { sql: "CREATE TABLE t (x int)" }).after({ first });`),
  );
  const said =
    /task "sql" cannot be run: it is SQL \(spec\.sql\), and its output goes to a store of files, \//;
  for (const args of [["run"], ["status"], ["run", "sql"], ["plan", "--store", "files"]]) {
    const { code, stderr } = await here.alamode(args);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, said);
    assert.match(stderr, /options: \{ store: 'postgres:/);
  }
  assert.equal((await here.alamode(["path", "first"])).code, 1); // nothing ran
  await here.done(["plan"]); // which says nothing of where it will be run
  const settings = `{ stores: { db: ${JSON.stringify(db.url)}, files: "files" }, options: { sql: { store: NAME } } };\n`;
  here.write("alamode.config.ts", `export default ${settings.replace("NAME", '"files"')}`);
  for (const args of [["plan"], ["run"]]) assert.match((await here.alamode(args)).stderr, said);
  here.write("alamode.config.ts", `export default ${settings.replace("NAME", '"db"')}`);
  for (const args of [["plan"], ["status"], ["run"]]) await here.done(args);
});

test("a step's password is in its environment, and nowhere else", { skip }, async (t) => {
  const db = database();
  const failing = join(mkdtempSync(join(tmpdir(), "alamode-verify-")), "failing");
  t.after(() => rmSync(dirname(failing), { recursive: true }));
  const more = `dag.task("db/tells", { command: "echo password=$PGPASSWORD; psql -Xqc 'CREATE TABLE t AS SELECT 1 AS x'; test ! -e ${failing}" });
dag.task("db/keeps", { command: "psql -Xqc \\"CREATE TABLE t AS SELECT '$PGPASSWORD' AS x\\"" });`;
  const here = orders(db, t, { more });
  await here.done(["run", "db/tells"]);
  assert.match(await here.done(["log", "db/tells"]), /^password=\*+$/m);
  writeFileSync(failing, "");
  for (const args of [
    ["verify", "db/tells"],
    ["verify", "--json", "db/tells"],
  ]) {
    const { code, stdout, stderr } = await here.alamode(args);
    assert.equal(code, 1);
    assert.match(stdout + stderr, /password=\*+/);
    assert.doesNotMatch(stdout + stderr, /password=[^*]/);
  }
  const { code, stdout, stderr } = await here.alamode(["run", "db/keeps"]);
  assert.equal(code, 1);
  assert.match(stdout + stderr, /holds the secret PGPASSWORD/);
  assert.equal(left(db), "0 0 0");
});

test("a database is a project's only store too", { skip }, async (t) => {
  const db = database();
  const here = project(t, {
    "data.csv": "x\n1\n2\n",
    "load.sh": "psql -Xqc 'CREATE TABLE t (x int)' -c \"\\copy t FROM 'inputs/data' CSV HEADER\"\n",
    "pipeline.ts": `import { Dag, files, source } from "a-la-mode";
const dag = new Dag({ name: "test" });
const data = dag.task("data", await source("data.csv"));
const t = dag.task("t", { command: "sh load.sh", files: await files("load.sh") }).after({ data });
dag.task("sum", { sql: 'CREATE TABLE sum AS SELECT sum(x) AS sum FROM "inputs/t".t' }).after({ t });
export default dag;\n`,
  });
  const store = ["--store", db.url];
  await here.done(["run", ...store]);
  await here.done(["get", "sum", "out", ...store]);
  assert.equal(here.read("out/sum.csv"), "sum\n3\n");
  const wrong = project(t, { "pipeline.ts": pipeline('dag.task("a", { command: "echo 1 > $OUTPUT" });') });
  const { code, stdout, stderr } = await wrong.alamode(["run", ...store]);
  assert.equal(code, 1);
  assert.match(stdout + stderr, /made no table in the schema/);
});

/** A pipeline whose statement waits, once it has read its input, until it is let go. */
async function heldUp(db: Database, t: TestContext) {
  const holder = new pg.Client(db.url);
  holder.on("error", () => {}); // the server may go away
  await holder.connect();
  await holder.query("SELECT pg_advisory_lock(42)");
  const here = orders(db, t, {
    byDay: `CREATE TABLE n AS SELECT count(*) AS n FROM "inputs/orders".orders; SELECT pg_advisory_lock_shared(42); ${BY_DAY}`,
  });
  return {
    here,
    /** Resolves when a run has come to that statement. */
    async reached(run: RunningCli): Promise<void> {
      const waiting = () =>
        db.sql(
          "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
      while (waiting() !== "1") {
        const ended = await Promise.race([run.ended, new Promise((resolve) => setTimeout(resolve, 50))]);
        assert.equal(ended, undefined, JSON.stringify(ended));
      }
    },
    async letGo(): Promise<void> {
      await holder.end();
    },
  };
}

test("an input that is changed behind its guard while a step runs fails the step, and is made again", {
  skip,
}, async (t) => {
  const db = database();
  const { here, reached, letGo } = await heldUp(db, t);
  const run = here.start(["run"]);
  await reached(run);
  const [schema = ""] = db.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'o\\_%'").split("\n");
  behindGuard(db.sql, `UPDATE ${schema}.orders SET amount = 1000`);
  await letGo();
  const { code, stdout, stderr } = await run.ended;
  assert.equal(code, 1);
  assert.match(
    stdout + stderr,
    /db\/by-day failed: its input "orders" was changed in its database while it ran/,
  );
  assert.equal((await here.alamode(["path", "db/by-day"])).code, 1);
  assert.equal(left(db), "0 0 0");
  assert.deepEqual(ranIn(await here.done(["run", "--json", "report"])), ["db/by-day", "db/orders", "report"]);
  await here.done(["get", "report", "report.csv"]);
  assert.equal(here.read("report.csv"), "day,amount\n2026-01-02,15.50\n2026-01-03,7.25\n");
});

test("an input that was changed behind its guard between two runs is made again before it is read", {
  skip,
}, async (t) => {
  const db = database();
  const here = orders(db, t);
  await here.done(["run", "db/orders"]);
  const schema = db.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'o\\_%'");
  behindGuard(db.sql, `UPDATE ${schema}.orders SET amount = 1000`);
  const run = await here.done(["run", "--json"]);
  assert.deepEqual(ranIn(run), ["db/by-day", "db/orders", "report"]);
  assert.equal(db.sql("SELECT sum(amount) FROM analytics.by_day"), "22.75");
  assert.deepEqual(
    eventsOf(run, "warning").map(({ code, message }) => `${code}: ${message}`),
    ['input-lost: its input "orders" was changed in its database, so that is made again first'],
  );
});

for (const how of ["fast", "immediate"] as const) {
  test(`a server that ${how === "fast" ? "restarts" : "crashes"} in the middle of a step is waited for, and the step made again`, {
    skip,
  }, async (t) => {
    const own = await startPostgres({ durable: true });
    t.after(() => own.stop());
    const db = databaseOf(own);
    const { here, reached, letGo } = await heldUp(db, t);
    const run = here.start(["run", "--json"]);
    await reached(run);
    own.shut(how);
    await letGo();
    if (how === "fast") await run.prints("store-away");
    own.start();
    const { code, stdout, stderr } = await run.ended;
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(ranIn(stdout), ["db/by-day", "db/orders", "raw", "report"]);
    const warnings = eventsOf(stdout, "warning");
    const lost = warnings.filter(({ code }) => !String(code).startsWith("store-"));
    assert.deepEqual(
      lost.map(({ code, task }) => `${code} ${task}`),
      ["making-lost db/by-day"],
    );
    // Of a server that is back within two seconds nothing is told.
    const told = warnings.filter((warning) => !lost.includes(warning)).map(({ code }) => code);
    assert.ok(["", "store-away,store-back"].slice(how === "fast" ? 1 : 0).includes(told.join()), told.join());
    assert.deepEqual(eventsOf(stdout, "task.failed"), []);
    assert.equal(db.sql("SELECT sum(amount) FROM analytics.by_day"), "22.75");
    assert.equal(left(db), "0 0 0");
    await here.done(["verify", "--stored"]);
    assert.deepEqual(ranIn(await here.done(["run", "--json"])), []);
  });
}

test("a step that loses its database each time fails in the end, and says so", { skip }, async (t) => {
  const db = database();
  const { here, reached, letGo } = await heldUp(db, t);
  const run = here.start(["run"]);
  for (let n = 0; n < 3; n++) {
    await reached(run);
    db.sql(
      `SELECT pg_terminate_backend(pid, 30000) FROM (SELECT pid FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'alamode%' ORDER BY application_name) AS ours_first`,
    );
  }
  const { code, stdout, stderr } = await run.ended;
  await letGo();
  assert.equal(code, 1, stdout + stderr);
  assert.match(
    stdout + stderr,
    /db\/by-day failed: the connection to postgres:\/\/\S+ broke while it was made/,
  );
  assert.equal(left(db), "0 0 0");
  await here.done(["run"]);
  assert.equal(db.sql("SELECT sum(amount) FROM analytics.by_day"), "22.75");
});

test("a run that is killed while a statement runs leaves nothing that the next does not put right", {
  skip,
}, async (t) => {
  const db = database();
  const { here, reached, letGo } = await heldUp(db, t);
  const run = here.start(["run"]);
  await reached(run);
  process.kill(run.pid, "SIGKILL");
  await run.ended;
  await letGo();
  const again = await here.done(["run", "--json"]);
  assert.deepEqual(ranIn(again), ["db/by-day", "report"]);
  assert.equal(db.sql("SELECT count(*) FROM analytics.by_day"), "2");
  assert.equal(left(db), "0 0 0");
  assert.equal(existsSync(join(here.dir, ".alamode/outputs")), true);
});

test("tables are pushed to a folder and pulled from a database as what they are", { skip }, async (t) => {
  const [ours, theirs] = [database(), database()];
  const here = orders(ours, t);
  await here.done(["run"]);
  const record = join(here.dir, "team.db");
  const kinds = async (args: readonly string[]) =>
    jsonLines(await here.done([...args, "--to-record", record, "--json"])).map(({ kind }) => kind);
  assert.deepEqual(await kinds(["push", "--to", theirs.url]), ["copied", "copied", "copied", "copied"]);
  assert.deepEqual(await kinds(["push", "--to", theirs.url]), ["there", "there", "there", "there"]);
  assert.equal(theirs.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'o\\_%'"), "2");
  const folder = join(here.dir, "team");
  const other = join(here.dir, "other.db");
  await here.done(["push", "db/by-day", "--to", folder, "--to-record", other]);
  const there = ["--store", folder, "--record", other];
  const path = (await here.done(["path", "db/by-day", ...there])).trim();
  assert.equal(
    readFileSync(join(path, "by_day.csv"), "utf8"),
    "day,amount\n2026-01-02,15.50\n2026-01-03,7.25\n",
  );
  const colleague = orders(theirs, t);
  const shared = ["--store", theirs.url, "--record", record];
  assert.deepEqual(ranIn(await colleague.done(["run", "--json", ...shared])), []);
  assert.equal(theirs.sql("SELECT count(*) FROM analytics.by_day"), "2");
});

test("in a sandbox a step reaches its server by a socket", { skip: skip || noBubblewrap }, async (t) => {
  const { url } = database();
  const { pathname } = new URL(url);
  const socket = `postgres://postgres@localhost:${server.port}${pathname}?host=${server.socket}`;
  const here = orders({ url: socket, sql: () => "" }, t);
  assert.deepEqual(ranIn(await here.done(["run", "--sandbox", "bubblewrap", "--json"])), [
    "db/by-day",
    "db/orders",
    "raw",
    "report",
  ]);
  await here.done(["get", "report", "report.csv"]);
  assert.match(here.read("report.csv"), /2026-01-03,7.25/);
});

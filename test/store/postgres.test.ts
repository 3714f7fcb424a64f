// The store in PostgreSQL against a real server: the contract, and what is a database's own: schemas, roles, sessions, digests of tables.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, before, type TestContext, test } from "node:test";
import pg from "pg";
import { openFolderStore } from "../../src/store/folder.ts";
import { openPostgresStore } from "../../src/store/postgres.ts";
import { PostgresServer } from "../../src/store/postgres-connection.ts";
import { SchemaDigests } from "../../src/store/postgres-digests.ts";
import type { Location, Making, MakingInput, SealedTree, Store } from "../../src/store/types.ts";
import { behindGuard, type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { storeContract } from "./contract.ts";
import { outputId, scratch } from "./scratch.ts";

const skip = whyNoPostgres();
const nothingTaken = { taken: [], mayMoveAside: false };
let server: Postgres;

before(async () => {
  if (skip !== undefined) return;
  server = await startPostgres({ password: "for tests" });
  process.env["PGPASSWORD"] = "for tests";
});
after(() => server?.stop());

/** A database for each folder, made when it is first asked for. */
const databases = new Map<string, string>();
function databaseOf(dir: string): string {
  let name = databases.get(dir);
  if (name === undefined) {
    name = `t_${randomBytes(6).toString("hex")}`;
    databases.set(dir, name);
    server.sql(`CREATE DATABASE ${name} TEMPLATE template0`);
  }
  return name;
}

function urlOf(dir: string): string {
  return `postgres://postgres@${server.host}:${server.port}/${databaseOf(dir)}`;
}

function openIn(dir: string, url = urlOf(dir)): Promise<Store> {
  return openPostgresStore(url, { dir: `${dir}/local`, cache: { dir: `${dir}/cache`, capBytes: 2 ** 30 } });
}

if (skip === undefined) storeContract("postgres", openIn);

const withStore = (what: string, body: (t: TestContext, store: Store, dir: string) => Promise<void>) =>
  test(what, { skip: skip ?? false }, async (t) => {
    const dir = scratch(t);
    const store = await openIn(dir);
    try {
      await body(t, store, dir);
    } finally {
      await store.close();
    }
  });

let makings = 0;
function prepare(
  store: Store,
  dir: string,
  inputs: Readonly<Record<string, MakingInput>> = {},
  digit = "a",
): Promise<Making> {
  const name = `making-${++makings}`;
  return store.prepare({ name, output: outputId(digit), top: `${dir}/slots/${name}/out/OUTPUT`, inputs });
}

/** A session of a step's command. */
async function session({ env }: Making): Promise<pg.Client> {
  const client = new pg.Client({
    host: env["PGHOST"]!,
    port: Number(env["PGPORT"]),
    database: env["PGDATABASE"]!,
    user: env["PGUSER"]!,
    password: env["PGPASSWORD"]!,
    options: env["PGOPTIONS"]!,
  });
  client.on("error", () => {}); // it is ended by the store
  await client.connect();
  return client;
}

async function perform(making: Making, sql: string): Promise<void> {
  const client = await session(making);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Makes tables by SQL and commits them. */
async function made(
  store: Store,
  dir: string,
  sql: string,
  { digit = "a", taken = [] as readonly Location[] } = {},
): Promise<{ sealed: SealedTree; location: Location; stamps: Uint8Array }> {
  await using making = await prepare(store, dir, {}, digit);
  await perform(making, sql);
  const sealed = await making.seal({});
  return { sealed, ...(await store.commit(outputId(digit), sealed, { taken, mayMoveAside: false })) };
}

async function digestOf(store: Store, dir: string, sql: string): Promise<string> {
  await using making = await prepare(store, dir);
  await perform(making, sql);
  return (await making.seal({})).digest;
}

function sqlIn(dir: string, statement: string): string {
  return server.sql(statement, databaseOf(dir));
}

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, amount numeric(10,2), note text);
  INSERT INTO orders VALUES (1, '2026-01-02', 12.50, NULL), (2, '2026-01-02', 3, ''), (3, '2026-01-03', 7.25, E'a "b",\\nc');`;

withStore(
  "an output is a schema of its own, named after it, and comes back as CSV",
  async (_, store, dir) => {
    const { sealed, location, stamps } = await made(store, dir, ORDERS);
    assert.equal(location, `aa/${outputId("a")}`);
    const schema = `o_${outputId("a").slice(0, 60)}`;
    assert.equal(store.place(location), `${store.url}#${schema}`);
    using staged = await store.stage(location, sealed.digest);
    assert.deepEqual(readdirSync(staged.path).sort(), ["orders.csv", "schema.json"]);
    assert.equal(
      readFileSync(`${staged.path}/orders.csv`, "utf8"),
      'id,day,amount,note\n1,2026-01-02,12.50,\n2,2026-01-02,3.00,""\n3,2026-01-03,7.25,"a ""b"",\nc"\n',
    );
    assert.deepEqual(JSON.parse(readFileSync(`${staged.path}/schema.json`, "utf8")), {
      format: "a-la-mode tables 1",
      tables: [
        {
          name: "orders",
          columns: [
            { name: "id", type: "integer" },
            { name: "day", type: "date" },
            { name: "amount", type: "numeric(10,2)" },
            { name: "note", type: "text" },
          ],
        },
      ],
    });
    assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
    assert.equal((await store.rehash(location))?.digest, sealed.digest);
    assert.deepEqual(await store.present([location]), [true]);
  },
);

withStore(
  "the order of insertion and how values are shown do not change the digest",
  async (_, store, dir) => {
    const types =
      "CREATE TABLE t (x float8, at timestamptz, every interval, b bytea, m money, words text[]);";
    const rows = [
      "(0.1, '2026-01-02 03:04:05.678+02', '1 day 02:03:04', '\\xdead', 12.5, '{a,\"b c\"}')",
      "(1e300, 'infinity', '1 year', '', NULL, '{}')",
      "('NaN', '1999-12-31 23:59:59Z', '-00:00:01', NULL, 0, NULL)",
    ];
    const insert = (all: readonly string[]) => `INSERT INTO t VALUES ${all.join(", ")};`;
    const first = await digestOf(store, dir, types + insert(rows));
    sqlIn(
      dir,
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET extra_float_digits = -10', current_database());
     EXECUTE format('ALTER DATABASE %I SET DateStyle = ''German''', current_database());
     EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Asia/Tokyo''', current_database());
     EXECUTE format('ALTER DATABASE %I SET IntervalStyle = ''iso_8601''', current_database());
     EXECUTE format('ALTER DATABASE %I SET bytea_output = ''escape''', current_database()); END $$`,
    );
    const again = await openIn(`${dir}/again`, urlOf(dir));
    const second = await digestOf(
      again,
      dir,
      types +
        rows
          .toReversed()
          .map((row) => insert([row]))
          .join(""),
    );
    await again.close();
    assert.equal(second, first);
    const other = await digestOf(store, dir, types + insert(rows.slice(1)));
    assert.notEqual(other, first);
  },
);

withStore("columns are part of the digest: their names, types and order", async (_, store, dir) => {
  const digests = await Promise.all(
    ["a int, b int", "b int, a int", "a int, c int", "a bigint, b int", "a int, b varchar(3)"].map(
      (columns) => digestOf(store, dir, `CREATE TABLE t (${columns}); INSERT INTO t VALUES (1, '1')`),
    ),
  );
  assert.equal(new Set(digests).size, 5);
});

withStore(
  "nobody changes an output: not the sessions that its step left, nor another step",
  async (_, store, dir) => {
    const making = await prepare(store, dir);
    const left = await session(making);
    await left.query("CREATE TABLE t AS SELECT 1 AS x");
    const busy = await session(making);
    await busy.query("BEGIN; INSERT INTO t VALUES (2)");
    const sealed = await making.seal({});
    await assert.rejects(left.query("INSERT INTO t VALUES (3)"));
    await assert.rejects(busy.query("COMMIT"));
    await assert.rejects(session(making), /not permitted to log in/);
    const { location, stamps } = await store.commit(outputId("a"), sealed, nothingTaken);
    await making[Symbol.asyncDispose]();
    using staged = await store.stage(location, sealed.digest);
    assert.equal(readFileSync(`${staged.path}/t.csv`, "utf8"), "x\n1\n");

    const schema = `o_${outputId("a").slice(0, 60)}`;
    const input = {
      store,
      location,
      digest: sealed.digest,
      stage: () => store.stage(location, sealed.digest),
    };
    await using next = await prepare(store, dir, { first: input }, "b");
    assert.equal(readFileSync(next.inputs["first"]!, "utf8"), schema);
    await perform(next, `CREATE TABLE u AS SELECT x + 1 AS x FROM ${schema}.t`);
    await assert.rejects(perform(next, `INSERT INTO ${schema}.t VALUES (4)`), /permission denied/);
    assert.throws(() => sqlIn(dir, `TRUNCATE ${schema}.t`), /never changed/); // a superuser too
    assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
    assert.equal(sqlIn(dir, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'alamode_step_%'"), "1");
  },
);

withStore("a change that is forced is seen", async (_, store, dir) => {
  const schema = `o_${outputId("a").slice(0, 60)}`;
  for (const change of [
    `ALTER TABLE ${schema}.t DISABLE TRIGGER ALL; UPDATE ${schema}.t SET x = 7; ALTER TABLE ${schema}.t ENABLE ALWAYS TRIGGER alamode_kept`,
    `ALTER TABLE ${schema}.t RENAME x TO z`,
    `CREATE TABLE ${schema}.more ()`,
  ]) {
    const { sealed, location, stamps } = await made(store, dir, "CREATE TABLE t AS SELECT 1 AS x");
    assert.equal(location, `aa/${outputId("a")}`);
    sqlIn(dir, change);
    assert.equal((await store.check(location, { ...sealed, stamps })).kind, "damaged");
    assert.notEqual((await store.rehash(location))?.digest, sealed.digest);
    await store.moveAside(location);
  }
  const { sealed, location, stamps } = await made(store, dir, "CREATE TABLE t AS SELECT 1 AS x");
  sqlIn(dir, `DROP SCHEMA ${schema} CASCADE`);
  assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "missing" });
  assert.deepEqual(await store.present([location]), [false]);
  await assert.rejects(async () => store.stage(location, sealed.digest), { code: "output-missing" });
});

/** What a step reads, of one that is committed. */
function inputOf(
  store: Store,
  { location, sealed }: { location: Location; sealed: SealedTree },
): MakingInput {
  const { digest } = sealed;
  return { store, location, digest, stage: () => store.stage(location, digest) };
}

withStore("what is read where it lies is compared by content, before and after", async (_, store, dir) => {
  const schema = `o_${outputId("a").slice(0, 60)}`;
  const tampered = { kind: "damaged", path: "", how: "was changed in its database" };
  const first = await made(store, dir, "CREATE TABLE t AS SELECT 1 AS x");
  const inputs = { first: inputOf(store, first) };
  await using running = await prepare(store, dir, inputs, "b");
  assert.equal((await running.compareInputs("before")).size, 0);
  assert.equal((await running.compareInputs("after")).size, 0);
  const replica = `SET session_replication_role = replica; UPDATE ${schema}.t SET x = 7`;
  assert.throws(() => sqlIn(dir, replica), /never changed/);
  behindGuard((sql) => sqlIn(dir, sql), `UPDATE ${schema}.t SET x = 7`);
  assert.deepEqual(await store.check(first.location, { ...first.sealed, ...first }), { kind: "intact" }); // by stamps alone
  assert.deepEqual([...(await running.compareInputs("after"))], [["first", tampered]]);
  await using late = await prepare(store, dir, inputs, "c");
  assert.deepEqual([...(await late.compareInputs("before"))], [["first", tampered]]);

  for (const [parameters, found] of [
    ["", tampered],
    ["?check=stamps", undefined],
  ] as const) {
    const other = await openIn(`${dir}/other`, urlOf(dir) + parameters);
    const next = await prepare(other, dir, { first: inputOf(other, first) }, "b");
    for (const moment of ["before", "after"] as const)
      assert.deepEqual((await next.compareInputs(moment)).get("first"), found);
    await next[Symbol.asyncDispose]();
    await other.close();
  }

  sqlIn(dir, `DROP SCHEMA ${schema} CASCADE`);
  assert.deepEqual([...(await late.compareInputs("after"))], [["first", { kind: "missing" }]]);
});

withStore("rows that are only written anew are no change", async (_, store, dir) => {
  const { sealed, location, stamps } = await made(store, dir, ORDERS);
  sqlIn(dir, `VACUUM FULL o_${outputId("a").slice(0, 60)}.orders`);
  assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
});

withStore("readers that end at the same time share one digest", async (_, store, dir) => {
  const { sealed } = await made(store, dir, ORDERS);
  const connection = new PostgresServer(urlOf(dir));
  const digests = new SchemaDigests(connection);
  let transactions = 0;
  const { transaction } = connection;
  connection.transaction = (...args) => {
    transactions++;
    return transaction.apply(connection, args) as never;
  };
  const schema = `o_${outputId("a").slice(0, 60)}`;
  const ten = (ask: () => Promise<unknown>) => Promise.all(Array.from({ length: 10 }, ask));
  const found = await ten(async () => {
    await digests.now(schema); // the first of them
    return digests.now(schema); // what began before the call does not count
  });
  assert.deepEqual(new Set(found), new Set([sealed.digest]));
  assert.equal(transactions, 2);
  await ten(() => digests.before(schema));
  assert.equal(transactions, 2);
  await connection.close();
});

test("a mistyped parameter of the URL is told", { skip: skip ?? false }, async (t) => {
  const dir = scratch(t);
  for (const [parameter, message] of [
    ["check=rows", /check must be digest or stamps/],
    ["chek=stamps", /"chek" is no parameter.*check/],
  ] as const)
    await assert.rejects(openIn(dir, `${urlOf(dir)}?${parameter}`), { code: "bad-store", message });
});

withStore(
  "another tree of an output has a name of its own, within PostgreSQL's 63 bytes",
  async (_, store, dir) => {
    const first = await made(store, dir, "CREATE TABLE t AS SELECT 1 AS x");
    const second = await made(store, dir, "CREATE TABLE t AS SELECT 2 AS x", { taken: [first.location] });
    const same = await made(store, dir, "CREATE TABLE t AS SELECT 2 AS x", { taken: [first.location] });
    assert.notEqual(second.location, first.location);
    assert.equal(same.location, second.location);
    assert.deepEqual(same.stamps, second.stamps);
    const [, schema = ""] = store.place(second.location).split("#");
    assert.equal(schema, `o_${outputId("a").slice(0, 44)}_${second.sealed.digest.slice(0, 16)}`);
    assert.equal(schema.length, 63);
    assert.equal(sqlIn(dir, `SELECT x FROM ${schema}.t`), "2");
  },
);

withStore("a schema that has an output's name and is not its is left alone", async (_, store, dir) => {
  const schema = `o_${outputId("a").slice(0, 60)}`;
  sqlIn(dir, `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.mine AS SELECT 1 AS x`);
  await assert.rejects(made(store, dir, "CREATE TABLE t AS SELECT 1 AS x"), { code: "name-taken" });
  assert.equal(sqlIn(dir, `SELECT x FROM ${schema}.mine`), "1");
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["", /no table/],
  ["CREATE TABLE t (x int); CREATE VIEW v AS SELECT 1 AS x", /^view v cannot be kept/],
  ["CREATE TABLE t (x int); CREATE MATERIALIZED VIEW v AS SELECT 1 AS x", /^materialized view v/],
  ["CREATE TABLE t (x int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", /^function f\(\)/],
  ["CREATE TABLE t (x int); CREATE SEQUENCE s", /^sequence s/],
  ["CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (x mood)", /^type mood/],
  ["CREATE TABLE t (x oid)", /^column t\.x/],
  ["CREATE UNLOGGED TABLE t (x int)", /^table t/],
  ["CREATE TABLE t ()", /^table t/],
  ['CREATE TABLE "a/b" (x int)', /^table a\/b/],
  ["CREATE TABLE t (x int) PARTITION BY RANGE (x)", /^table t/],
  ["CREATE TABLE t (x int); CREATE TABLE u () INHERITS (t)", /^table/],
  ["CREATE TABLE t (x int); ALTER TABLE t ENABLE ROW LEVEL SECURITY", /^table t/],
  ["CREATE TABLE t (x int); CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING", /^table t/],
  ["CREATE TABLE t (x int); SELECT lo_create(0)", /^made large object \d+ outside/],
];

for (const [sql, message] of REFUSED) {
  withStore(`refused: ${sql || "nothing"}`, async (_, store, dir) => {
    await using making = await prepare(store, dir);
    await perform(making, sql);
    await assert.rejects(making.seal({}), { code: "bad-output", message });
  });
}

withStore(
  "indices, keys, defaults and identities are no content, and no hindrance",
  async (_, store, dir) => {
    const plain = "CREATE TABLE t (id int, name text); INSERT INTO t VALUES (1, 'a');";
    const keyed = `CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text DEFAULT 'a' CHECK (name <> ''));
    CREATE TABLE k (id serial); DROP TABLE k; CREATE INDEX ON t (lower(name)); INSERT INTO t DEFAULT VALUES;`;
    assert.equal(await digestOf(store, dir, keyed), await digestOf(store, dir, plain));
  },
);

withStore("tables travel as files: to a folder, and back with the same digest", async (_, store, dir) => {
  const folder = await openFolderStore(`${dir}/folder`);
  const { sealed, location } = await made(
    store,
    dir,
    `${ORDERS} CREATE TABLE "odd ""name" ("Col 1" text COLLATE "C", at timestamptz(3)); INSERT INTO "odd ""name" VALUES ('x', '2026-01-02 03:04:05Z')`,
  );
  using staged = await store.stage(location, sealed.digest);
  const copied = await folder.commit(
    outputId("a"),
    { ...sealed, path: staged.path },
    { ...nothingTaken, leave: true },
  );
  assert.equal((await folder.rehash(copied.location))?.digest, sealed.digest);
  const other = await openIn(`${dir}/other`);
  using there = await folder.stage(copied.location, sealed.digest);
  const back = await other.commit(
    outputId("a"),
    { ...sealed, path: there.path },
    { ...nothingTaken, leave: true },
  );
  assert.equal((await other.rehash(back.location))?.digest, sealed.digest);
  assert.equal(
    sqlIn(`${dir}/other`, `SELECT sum(amount) FROM ${other.place(back.location).split("#")[1]}.orders`),
    "22.75",
  );

  // In a step of that store they are a schema, and nothing is left of it after.
  await using making = await prepare(store, dir, {
    orders: {
      store: folder,
      location: copied.location,
      digest: sealed.digest,
      stage: () => folder.stage(copied.location, sealed.digest),
    },
  });
  const schema = readFileSync(making.inputs["orders"]!, "utf8");
  await perform(making, `CREATE TABLE t AS SELECT count(*) AS n FROM ${schema}.orders`);
  await assert.rejects(perform(making, `DELETE FROM ${schema}.orders`), /permission denied/);
  assert.equal((await making.compareInputs("before")).size + (await making.compareInputs("after")).size, 0);
  behindGuard((sql) => sqlIn(dir, sql), `DELETE FROM ${schema}.orders`);
  assert.deepEqual(
    [...(await making.compareInputs("after"))],
    [["orders", { kind: "damaged", path: "", how: "was changed in its database", copy: true }]],
  );
  await other.close();
  await folder.close();
});

withStore("files that only look like tables stay files", async (_, store, dir) => {
  const { build } = await import("./scratch.ts");
  const schema = (type: string) =>
    `${JSON.stringify({ format: "a-la-mode tables 1", tables: [{ name: "t", columns: [{ name: "x", type }] }] }, undefined, 2)}\n`;
  for (const [digit, things] of [
    ["a", { "t.csv": "x\n2\n1\n", "schema.json": schema("integer") }], // not in order
    ["b", { "t.csv": "x\none\n", "schema.json": schema("integer") }],
    ["c", { "t.csv": "x\n1\n", "schema.json": schema("integer); DROP SCHEMA alamode_store CASCADE; --") }],
  ] as const) {
    const sealed = await store.seal(build(`${store.scratchDir}/${digit}/OUTPUT`, things), {});
    const { location } = await store.commit(outputId(digit), sealed, nothingTaken);
    using staged = await store.stage(location, sealed.digest);
    assert.equal(readFileSync(`${staged.path}/t.csv`, "utf8"), things["t.csv"]);
    assert.equal((await store.rehash(location))?.digest, sealed.digest);
  }
  assert.equal(sqlIn(dir, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^[os]_'"), "0");
  // For a step that reads them too, wherever they lie.
  const folder = await openFolderStore(`${dir}/folder`);
  const sealed = await folder.seal(
    build(`${folder.scratchDir}/d/OUTPUT`, { "t.csv": "x\n2\n1\n", "schema.json": schema("integer") }),
    {},
  );
  const { location } = await folder.commit(outputId("d"), sealed, nothingTaken);
  await using making = await prepare(store, dir, { t: inputOf(folder, { location, sealed }) });
  assert.equal(readFileSync(`${making.inputs["t"]}/t.csv`, "utf8"), "x\n2\n1\n");
  await folder.close();
});

withStore(
  "what a dead process had in the making is removed by the next, with its sessions",
  async (_, store, dir) => {
    const making = await prepare(store, dir);
    const left = await session(making);
    await left.query("CREATE TABLE t AS SELECT 1 AS x");
    const count = () => sqlIn(dir, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 's\\_%'");
    const other = await openIn(`${dir}/other`, urlOf(dir));
    await (await prepare(other, dir, {}, "b"))[Symbol.asyncDispose]();
    assert.equal(count(), "1"); // its process lives
    sqlIn(
      dir,
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')",
    );
    await other.close();
    const third = await openIn(`${dir}/third`, urlOf(dir));
    await (await prepare(third, dir, {}, "b"))[Symbol.asyncDispose]();
    await third.close();
    assert.equal(count(), "0");
    await assert.rejects(left.query("SELECT 1"));
    await assert.rejects(making.checkHeld(), { code: "making-lost" });
    await assert.rejects(making.seal({}), { code: "making-lost" });
    await making[Symbol.asyncDispose]();
  },
);

withStore("each transaction may be performed twice, as when its answer was lost", async (t, store, dir) => {
  const { transaction } = PostgresServer.prototype;
  t.mock.method(PostgresServer.prototype, "transaction", async function (this: PostgresServer, ...args) {
    await transaction.apply(this, args as never);
    return transaction.apply(this, args as never);
  } as typeof transaction);
  const { sealed, location, stamps } = await made(store, dir, ORDERS);
  assert.equal(location, `aa/${outputId("a")}`);
  assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
  assert.equal((await store.rehash(location))?.digest, sealed.digest);
  await store.publish(location, "analytics.orders");
  assert.equal(sqlIn(dir, "SELECT count(*) FROM analytics.orders"), "3");
  using staged = await store.stage(location, sealed.digest);
  const other = await openIn(`${dir}/other`);
  const copied = { ...sealed, path: staged.path };
  const back = await other.commit(outputId("a"), copied, { ...nothingTaken, leave: true });
  assert.match(
    sqlIn(`${dir}/other`, `SELECT count(*) FROM ${other.place(back.location).split("#")[1]}.orders`),
    /3/,
  );
  await other.close();
  await store.moveAside(location);
  assert.deepEqual(await store.present([location]), [false]);
  assert.equal(sqlIn(dir, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^[so]_'"), "0");
  assert.equal(sqlIn(dir, "SELECT count(*) FROM alamode_store.makings"), "0");
});

for (const how of ["fast", "immediate"] as const) {
  test(`a commit is waited for whose server ${how === "fast" ? "restarts" : "crashes"} in its middle, and happens once`, {
    skip: skip ?? false,
  }, async (t) => {
    const dir = scratch(t);
    const own = await startPostgres({ durable: true });
    t.after(() => own.stop());
    const store = await openIn(dir, own.url);
    const holder = new pg.Client(own.url);
    holder.on("error", () => {});
    await holder.connect();
    await holder.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", [outputId("a")]);
    const making = await prepare(store, dir);
    await perform(making, ORDERS);
    const sealed = await making.seal({});
    const committing = store.commit(outputId("a"), sealed, nothingTaken);
    committing.catch(() => {}); // seen below
    while (own.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") === "0")
      await new Promise((resolve) => setTimeout(resolve, 20));
    own.shut(how);
    own.start();
    const { location, stamps } = await committing;
    await making[Symbol.asyncDispose]();
    assert.equal(location, `aa/${outputId("a")}`);
    assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
    assert.equal((await store.rehash(location))?.digest, sealed.digest);
    assert.equal(own.sql("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^[so]_'"), "1");
    assert.equal(own.sql("SELECT count(*) FROM alamode_store.trees"), "1");
    await store.close();
  });
}

withStore(
  "a user who is no superuser will do, and one who lacks something is told what",
  async (_, store, dir) => {
    await store.close();
    const database = databaseOf(`${dir}/plain`);
    const user = `u_${randomBytes(4).toString("hex")}`;
    server.sql(`CREATE ROLE ${user} LOGIN PASSWORD 'p:w@d'`);
    const url = `postgres://${user}:p%3Aw%40d@${server.host}:${server.port}/${database}`;
    await assert.rejects(openIn(`${dir}/plain`, url), (error: Error & { code: string; hint: string }) => {
      assert.equal(error.code, "store-unusable");
      assert.match(error.hint, /CREATEROLE/);
      assert.doesNotMatch(JSON.stringify(error) + error.message, /p:w@d|p%3Aw/);
      return true;
    });
    server.sql(`ALTER ROLE ${user} CREATEROLE; GRANT CREATE ON DATABASE ${database} TO ${user}`);
    const plain = await openIn(`${dir}/plain`, url);
    const { sealed, location } = await made(plain, dir, ORDERS);
    assert.equal((await plain.rehash(location))?.digest, sealed.digest);
    assert.doesNotMatch(plain.url, /p%3A/);
    await plain.close();
  },
);

test("a server that is not there is told as such", { skip: skip ?? false }, async (t) => {
  const dir = scratch(t);
  const url = `postgres://postgres@${server.host}:${server.port}/none_such`;
  await assert.rejects(openIn(dir, url), { code: "store-unreachable" });
  assert.equal(existsSync(`${dir}/local`), false);
});

// A record copied whole: from a file to a server and back, cut off and taken up again, and refused where something would be lost.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import type { AlamodeError } from "../../src/errors.ts";
import type { Plan } from "../../src/plan/types.ts";
import { copyRecord } from "../../src/record/copy.ts";
import { openPostgresRecord } from "../../src/record/postgres.ts";
import { openPostgresTables } from "../../src/record/postgres-tables.ts";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import { openSqliteTables } from "../../src/record/sqlite-tables.ts";
import type { RecordTables, Row, Table } from "../../src/record/tables.ts";
import type { RecordDb } from "../../src/record/types.ts";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { EXIT_1, Maker, NO_COUNTS, planOf, scratch, startOf } from "./maker.ts";
import { urlOf } from "./open-postgres.ts";

const skip = whyNoPostgres() ?? false;
let server: Postgres;
before(async () => {
  if (skip) return;
  server = await startPostgres();
  process.env["ALAMODE_TEST_POSTGRES"] = server.url;
});
after(() => server?.stop());

const SHAPE = { a: [], "b\0␀0": ["a"], c: ["a", "b\0␀0"], never: [] };
const plan = planOf(SHAPE);

/** One of everything: runs that ended and one that was killed, failures, a stale success, an alias, a verification. */
async function fill(record: RecordDb, plan: Plan): Promise<void> {
  const maker = await Maker.start(record, plan);
  await maker.make("a", "1");
  await maker.make("b\0␀0", "2");
  const { success } = await maker.make("c", "3");
  await maker.fail(await maker.take("never"), { ...EXIT_1, hint: "look\ninto it" });
  await record.mark([(await record.history(maker.output("a")))[0]!.id], "lost");
  await maker.make("a", "1, but other");
  const verified = { success: success.id, at: 12, host: "here", treeDigest: success.treeDigest };
  await record.noteVerification(verified);
  await record.finishRun(maker.run.id, "failed", { ...NO_COUNTS, ran: 4, failed: 1 });
  const slot = { series: "daily", startsAt: 86_400_000 * maker.run.number };
  const other = await record.startRun({ ...startOf(plan, "another"), scheduled: slot });
  await new Maker(record, plan, other).take("never"); // and its lease is left
}

test("a record is not copied to itself under another name, and stays whole", { skip }, async (t) => {
  const url = urlOf(scratch(t));
  const record = await openPostgresRecord(url);
  await Maker.start(record, plan).then((maker) =>
    maker.make("a", "1").then(() => record.finishRun(maker.run.id, "done", NO_COUNTS)),
  );
  await record.close();
  const [one, same] = [
    await openPostgresTables(url),
    await openPostgresTables(`${url}&application_name=other`),
  ];
  t.after(async () => {
    await one.close();
    await same.close();
  });
  const before = await dump(one);
  await assert.rejects(copyRecord(one, same), { code: "same-record" });
  assert.deepEqual(await dump(one), before);
});

/** Takes over the lease that `fill` left. */
async function leftover(record: RecordDb) {
  return (await Maker.start(record, plan)).take("never");
}

async function dump(record: RecordTables): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = { id: await record.identity() };
  for (const table of await record.tables()) {
    const rows = await record.read(table, undefined, 1000);
    all[table.name] = rows.map((row) =>
      Object.fromEntries(
        table.columns.map((column, i) => {
          const cell = row[i];
          return [column, cell instanceof Uint8Array ? Buffer.from(cell).toString("hex") : cell];
        }),
      ),
    );
  }
  return all;
}

async function filled(t: TestContext): Promise<{ dir: string; from: RecordTables; file: string }> {
  const dir = scratch(t);
  const file = join(dir, "record.db");
  const record = await openSqliteRecord(file);
  await fill(record, plan);
  await record.close();
  const from = await openSqliteTables(file);
  t.after(() => from.close());
  return { dir, from, file };
}

async function postgresTables(t: TestContext, dir: string): Promise<RecordTables> {
  const tables = await openPostgresTables(urlOf(dir));
  t.after(() => tables.close());
  return tables;
}

const codeOf = (code: string) => (error: AlamodeError) => error.code === code;

test("a record comes back from a server as it went there, to the last row, and twice is as good as once", {
  skip,
}, async (t) => {
  const { dir, from } = await filled(t);
  const there = await postgresTables(t, dir);
  const back = await openSqliteTables(join(dir, "back.db"));
  t.after(() => back.close());
  const before = await dump(from);
  for (let n = 0; n < 2; n++) {
    await copyRecord(from, there);
    await copyRecord(there, back);
    assert.deepEqual(await dump(there), before);
    assert.deepEqual(await dump(back), before);
  }
  for (const [table, rows] of Object.entries(before))
    assert.ok((rows as unknown[]).length > 0, `no ${table} in the test`);
});

test("a copy goes on where the record was: same results, next numbers, and the dead are dead", {
  skip,
}, async (t) => {
  const { dir, from } = await filled(t);
  await copyRecord(from, await postgresTables(t, dir));
  const record = await openPostgresRecord(urlOf(dir));
  t.after(() => record.close());
  assert.deepEqual(
    (await record.runs(9)).map(({ status }) => status),
    ["abandoned", "failed"],
  );
  const maker = await Maker.start(record, plan);
  assert.equal(maker.run.number, 3);
  assert.equal((await maker.claim("a")).kind, "done");
  const claim = await maker.take("never");
  assert.equal(claim.after?.slot, "/scratch/1", "its lease was taken over");
  const { success } = await maker.commit(claim, "at last", {});
  assert.equal(success.id, await record.lastSuccess());
});

test("a copy that was cut off is no record, and is made whole by the same call", { skip }, async (t) => {
  const { dir, from } = await filled(t);
  const there = await postgresTables(t, dir);
  const tables = await from.tables();
  for (const { name } of tables) {
    const write = (table: Table, rows: readonly Row[]) =>
      table.name === name ? Promise.reject(new Error("cut")) : there.write(table, rows);
    const cut = new Proxy(there, {
      get: (_, call: keyof RecordTables) => {
        const own = there[call];
        return call === "write" ? write : typeof own === "function" ? own.bind(there) : own;
      },
    });
    await assert.rejects(copyRecord(from, cut), /cut/);
    await assert.rejects(openPostgresRecord(urlOf(dir)), codeOf("record-incomplete"));
    await assert.rejects(copyRecord(there, from), codeOf("record-incomplete"));
  }
  await copyRecord(from, there);
  assert.deepEqual(await dump(there), await dump(from));
  await (await openPostgresRecord(urlOf(dir))).close();
});

test("what was recorded since goes over with the next copy, but a copy that was used is not written over", {
  skip,
}, async (t) => {
  const { dir, from, file } = await filled(t);
  const there = await postgresTables(t, dir);
  await copyRecord(from, there);
  const record = await openSqliteRecord(file);
  const { token, request } = await leftover(record);
  await record.fail(token, request.execution, EXIT_1, { endedAt: 1, resources: {} }); // no lease is left of the first
  await fill(record, planOf(SHAPE, { second: 1 }));
  await record.close();
  await copyRecord(from, there);
  assert.deepEqual(await dump(there), await dump(from));
  const used = await openPostgresRecord(urlOf(dir));
  await Maker.start(used, plan);
  await assert.rejects(copyRecord(from, there), codeOf("record-in-use"));
  await used.close();
  await assert.rejects(copyRecord(from, there), codeOf("record-diverged"));
  await copyRecord(there, from);
  assert.deepEqual(await dump(there), await dump(from));
});

test("another record is not written over, and one at work is not copied", { skip }, async (t) => {
  const { dir, from, file } = await filled(t);
  const there = await postgresTables(t, dir);
  const other = await openPostgresRecord(urlOf(dir));
  await Maker.start(other, plan);
  await other.close();
  await assert.rejects(copyRecord(from, there), codeOf("record-not-empty"));
  const record = await openSqliteRecord(file);
  t.after(() => record.close());
  await record.startRun(startOf(plan));
  await assert.rejects(copyRecord(from, there), codeOf("record-in-use"));
});

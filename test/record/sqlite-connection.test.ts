// What is asked of the embedded record in one turn of the event loop is one transaction, and nobody notices but the clock.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import type { AlamodeError } from "../../src/errors.ts";
import { SqliteConnection } from "../../src/record/sqlite-connection.ts";
import { scratch } from "./maker.ts";

const OUTPUT_ID = "SELECT id FROM outputs WHERE output = ?";
const NOTE = "INSERT INTO outputs (output) VALUES (?)";

test("writes asked for in one turn are one transaction", async (t) => {
  const { db, seen } = await opened(t);
  const one = db.write(() => db.insert(NOTE, blob(1)));
  const two = db.write(() => [db.get("SELECT count(*) AS n FROM outputs"), seen()]);
  assert.equal(seen(), 0, "nothing has happened yet");
  assert.equal(typeof (await one), "number");
  assert.deepEqual(
    await two,
    [{ n: 1, __proto__: null }, 0],
    "the second sees the first, and others neither",
  );
  assert.equal(seen(), 1);
});

test("one that throws leaves nothing of its own, and the others untouched", async (t) => {
  const { db, seen } = await opened(t);
  const bad = new Error("no");
  const answers = await Promise.allSettled([
    db.write(() => db.insert(NOTE, blob(1))),
    db.write(() => {
      db.insert(NOTE, blob(2));
      throw bad;
    }),
    db.write(() => db.insert(NOTE, blob(3))),
    db.write(() => db.insert(NOTE, blob(3))), // it is there
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "rejected"],
  );
  assert.equal((answers[1] as PromiseRejectedResult).reason, bad);
  assert.equal(seen(), 2);
});

test("an id that was learned in a transaction that did not happen is forgotten", async (t) => {
  const { db } = await opened(t);
  const digits = Buffer.from(blob(1)).toString("hex");
  const learned = db.write(() => {
    db.learn(OUTPUT_ID, digits, db.insert(NOTE, blob(1)));
    throw new Error("no");
  });
  await assert.rejects(learned);
  assert.equal(db.id(OUTPUT_ID, digits), undefined);
  const id = await db.write(() => {
    db.insert(NOTE, blob(2));
    return db.insert(NOTE, blob(1));
  });
  assert.equal(db.id(OUTPUT_ID, digits), id);
});

test("all that wait for a lock in one turn are told so when the wait is over, and reading goes on", async (t) => {
  const { db, other, seen } = await opened(t, 1);
  other.exec("BEGIN IMMEDIATE");
  const waiting = Promise.allSettled([
    db.write(() => db.insert(NOTE, blob(1))),
    db.write(() => db.insert(NOTE, blob(2))),
  ]);
  assert.deepEqual(await db.read(() => db.get("SELECT count(*) AS n FROM outputs")), {
    n: 0,
    __proto__: null,
  });
  for (const answer of await waiting) {
    assert.equal(((answer as PromiseRejectedResult).reason as AlamodeError).code, "record-busy");
  }
  other.exec("COMMIT");
  assert.equal(seen(), 0);
  await db.write(() => db.insert(NOTE, blob(1)));
  assert.equal(seen(), 1);
});

/** A connection, another to the same file, and how many outputs that one sees. */
async function opened(t: TestContext, busyTimeoutMs = 30_000) {
  const file = join(scratch(t), "record.db");
  const db = await SqliteConnection.open(file, busyTimeoutMs);
  const other = new DatabaseSync(file);
  t.after(() => {
    other.close();
    db.close();
  });
  const seen = () => other.prepare("SELECT count(*) AS n FROM outputs").get()!["n"];
  return { db, other, seen };
}

function blob(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

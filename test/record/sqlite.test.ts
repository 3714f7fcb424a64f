// The embedded record: the contract, its files, and the errors of opening it.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { AlamodeError } from "../../src/errors.ts";
import { isolationOver, isolationSuffices, lesserOf, whateverAbove } from "../../src/record/isolation.ts";
import { networkFileSystem, networkFuse } from "../../src/record/network-file-system.ts";
import { SCHEMA_VERSION } from "../../src/record/schema.ts";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import { recordError } from "../../src/record/sqlite-errors.ts";
import { recordContract } from "./contract.ts";
import { Maker, NO_COUNTS, planOf, scratch, startOf } from "./maker.ts";
import { OtherProcess } from "./other-process.ts";

const opener = new URL("./open-sqlite.ts", import.meta.url);
const goldenFile = new URL("../golden/record-schema.sql", import.meta.url);
const plan = planOf({ a: [] });

recordContract("sqlite", opener);

test("the schema is the published one", async (t) => {
  const file = join(scratch(t), "record.db");
  await (await openSqliteRecord(file)).close();
  const db = new DatabaseSync(file);
  const rows = db
    .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name")
    .all();
  db.close();
  const found = `-- user_version ${SCHEMA_VERSION}\n${rows.map(({ sql }) => `${sql};\n`).join("")}`;
  if (process.env["UPDATE_GOLDEN"]) {
    writeFileSync(goldenFile, found);
    return t.skip("rewrote test/golden/record-schema.sql");
  }
  assert.equal(found, readFileSync(goldenFile, "utf8"));
});

test("a record is opened again with all it held, folders and all", async (t) => {
  const file = join(scratch(t), "deep/er/record.db");
  const first = await openSqliteRecord(file);
  const { success } = await (await Maker.start(first, plan)).make("a", "1");
  await first.close();
  const second = await openSqliteRecord(file);
  assert.deepEqual((await second.successes([success.output])).get(success.output), success);
  assert.equal((await second.runs(1))[0]?.status, "abandoned", "closed without an end");
  await second.close();
});

test("processes that open a new record at once all get it", async (t) => {
  const dir = scratch(t);
  const children = await Promise.all([0, 1, 2, 3].map(() => OtherProcess.start(opener, dir)));
  for (const child of children) t.after(() => child.kill());
  const runs = await Promise.all(children.map(({ record }) => record.startRun(startOf(plan))));
  assert.deepEqual(runs.map(({ number }) => number).sort(), [1, 2, 3, 4]);
});

test("the lock file of a run that was killed before its row was written goes with the next run", async (t) => {
  const dir = scratch(t);
  const record = await openSqliteRecord(join(dir, "record.db"));
  t.after(() => record.close());
  const { id } = await record.startRun(startOf(planOf({ a: [] })));
  const live = join(dir, "live");
  writeFileSync(join(live, "0123456789abcdef.db"), "");
  writeFileSync(join(live, "README"), "not ours\n");
  const other = await record.startRun(startOf(planOf({ a: [] })));
  assert.deepEqual(readdirSync(live).sort(), ["README", `${id}.db`, `${other.id}.db`].sort());
  assert.equal(await record.isLive(id), true);
});

test("lock files go with their runs, and those of the killed with whoever finds them dead", async (t) => {
  const dir = scratch(t);
  const record = await openSqliteRecord(join(dir, "record.db"));
  const run = await record.startRun(startOf(plan));
  assert.deepEqual(readdirSync(join(dir, "live")), [`${run.id}.db`]);
  await record.finishRun(run.id, "done", NO_COUNTS);
  assert.deepEqual(readdirSync(join(dir, "live")), []);

  const child = await OtherProcess.start(opener, dir);
  const killed = await child.record.startRun(startOf(plan));
  await child.kill();
  assert.deepEqual(readdirSync(join(dir, "live")), [`${killed.id}.db`]);
  writeFileSync(join(dir, "live/0123456789abcdef.db"), "");
  assert.equal(await record.isLive("0123456789abcdef"), false);
  assert.equal((await record.runs(1))[0]?.status, "abandoned");
  assert.deepEqual(
    readdirSync(join(dir, "live")),
    ["0123456789abcdef.db"],
    "it may be just about to be locked",
  );
  await record.close();
});

test("a record of a newer version is refused and left alone", async (t) => {
  const file = join(scratch(t), "record.db");
  await (await openSqliteRecord(file)).close();
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  db.close();
  const error = await refusal(openSqliteRecord(file));
  assert.equal(error.code, "record-newer");
  assert.equal(error.facts["schema"], SCHEMA_VERSION + 1);
  assert.match(error.hint ?? "", /^Upgrade/);
});

test("what is no record is refused and left alone", async (t) => {
  const dir = scratch(t);
  const text = join(dir, "text.db");
  writeFileSync(text, "not a database, but long enough to be looked at ".repeat(40));
  assert.equal((await refusal(openSqliteRecord(text))).code, "record-unreadable");
  const foreign = join(dir, "foreign.db");
  const db = new DatabaseSync(foreign);
  db.exec("CREATE TABLE theirs (x)");
  db.close();
  const before = readFileSync(foreign);
  assert.equal((await refusal(openSqliteRecord(foreign))).code, "record-foreign");
  assert.deepEqual(readFileSync(foreign), before);
  mkdirSync(join(dir, "folder.db"));
  assert.equal((await refusal(openSqliteRecord(join(dir, "folder.db")))).code, "record-unreadable");
});

test("a record that may not be written is refused", async (t) => {
  if (process.getuid?.() === 0) return t.skip("root may write everything");
  const dir = scratch(t);
  const file = join(dir, "record.db");
  await (await openSqliteRecord(file)).close();
  chmodSync(file, 0o444);
  assert.equal((await refusal(openSqliteRecord(file))).code, "record-read-only");
  mkdirSync(join(dir, "closed"), { mode: 0o555 });
  assert.equal((await refusal(openSqliteRecord(join(dir, "closed/record.db")))).code, "record-read-only");
  assert.equal(
    (await refusal(openSqliteRecord(join(dir, "closed/deeper/record.db")))).code,
    "record-read-only",
  );
});

test("another's long transaction is waited for, and told as transient when the wait is over", async (t) => {
  const file = join(scratch(t), "record.db");
  const record = await openSqliteRecord(file, { busyTimeoutMs: 1 });
  const patient = await openSqliteRecord(file);
  const db = new DatabaseSync(file);
  db.exec("BEGIN IMMEDIATE");
  const error = await refusal(record.startRun(startOf(plan)));
  assert.deepEqual([error.code, error.transient], ["record-busy", true]);
  assert.deepEqual(await record.runs(1), [], "reading waits for nobody");
  assert.ok(!existsSync(join(file, "../live")), "no lock is taken by a run that could not begin");
  const waiting = patient.startRun(startOf(plan));
  setImmediate(() => db.exec("COMMIT"));
  assert.equal((await waiting).number, 1);
  db.close();
  await record.close();
  await patient.close();
});

test("a full disk is told as no space", () => {
  const db = new DatabaseSync(":memory:");
  db.exec("PRAGMA max_page_count = 2; CREATE TABLE t (b BLOB)");
  let thrown: unknown;
  try {
    db.exec("INSERT INTO t VALUES (zeroblob(100000))");
  } catch (error) {
    thrown = error;
  }
  assert.equal((recordError(thrown, "record.db") as AlamodeError).code, "no-space");
  const enospc = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  assert.equal((recordError(enospc, "record.db") as AlamodeError).code, "no-space");
  const bug = new TypeError("a bug");
  assert.equal(recordError(bug, "record.db"), bug, "what it does not know stays what it is");
});

test("network file systems are known by their numbers, however they are signed", () => {
  const found = [
    0x6969,
    0xff534d42,
    0xff534d42 | 0,
    0xfe534d42,
    0x517b,
    0x0bd00bd0,
    0x00c36400,
    0x01021997,
  ].map(networkFileSystem);
  assert.deepEqual(found, ["NFS", "CIFS", "CIFS", "SMB", "SMB", "Lustre", "CephFS", "9p"]);
  for (const local of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1]) {
    assert.equal(networkFileSystem(local), undefined); // ext4, XFS, btrfs, tmpfs, overlay, ZFS
  }
});

test("file systems of programs are known by the mount that a folder is in", () => {
  const mountinfo = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "30 22 0:40 / /home/me/far rw,nosuid - fuse.sshfs me@far:/data rw,user_id=0",
    "31 22 0:41 / /home/me/far/here rw - ext4 /dev/sdb1 rw",
    "32 22 0:42 / /mnt/with\\040blank rw - fuse.glusterfs server:/vol rw",
    "33 22 0:43 / /mnt/own rw - fuse.bindfs /x rw",
    "34 22 0:44 / /mnt/over rw - ext4 /dev/sdc1 rw",
    "35 34 0:45 / /mnt/over rw - fuse.s3fs bucket rw",
    "",
  ].join("\n");
  for (const [folder, name] of [
    ["/home/me", undefined],
    ["/home/me/far", "SSHFS"],
    ["/home/me/far/project/.alamode", "SSHFS"],
    ["/home/me/farther", undefined],
    ["/home/me/far/here/x", undefined],
    ["/mnt/with blank/x", "GlusterFS"],
    ["/mnt/own/x", undefined],
    ["/mnt/over", "s3fs"],
  ] as const)
    assert.equal(networkFuse(mountinfo, folder), name, folder);
});

test("isolation is ordered, and a container counts only under its image", () => {
  const order = ["none", "bubblewrap", "container:abc"];
  for (const [i, have] of order.entries()) {
    for (const [j, want] of order.entries())
      assert.equal(isolationSuffices(have, want), i >= j, `${have} for ${want}`);
  }
  assert.equal(isolationSuffices("container:abc", "container:def"), false);
  for (const other of order) {
    assert.ok(isolationSuffices("data", other), `data is as good as ${other}`);
    assert.equal(isolationOver(other, ["data"]), other);
    assert.equal(isolationOver("data", []), "data");
  }
});

test("what something has rests on all above it, and containers on which images those were", () => {
  const [a, b] = ["container:a", "container:b"];
  assert.equal(isolationOver("bubblewrap", ["bubblewrap", b]), "bubblewrap");
  assert.equal(isolationOver("none", [a]), "none");
  assert.equal(isolationOver(a, [a, "data"]), a);
  const poor = isolationOver(a, ["bubblewrap", "none"]);
  assert.equal(isolationSuffices(poor, "bubblewrap"), false);
  assert.equal(isolationSuffices(poor, "bubblewrap/none"), true);
  assert.equal(isolationSuffices(poor, whateverAbove(a)), true);
  assert.equal(isolationOver(a, [isolationOver("bubblewrap", ["none"])]), "container:a/none");

  const over = isolationOver(a, [b, "data"]);
  assert.equal(over, isolationOver(a, [b, b, a]));
  for (const [want, suffices] of [
    [over, true],
    ["container", true],
    ["bubblewrap", true],
    [whateverAbove(a), true],
    [a, false],
    [b, false],
    [whateverAbove(b), false],
    [isolationOver(a, ["container:c"]), false],
    [isolationOver(a, [over]), false],
  ] as const) {
    assert.equal(isolationSuffices(over, want), suffices, want);
  }
  assert.equal(lesserOf(over, b), over);
  assert.equal(lesserOf(over, isolationOver(b, ["none"])), "none");
});

async function refusal(promise: Promise<unknown>): Promise<AlamodeError> {
  try {
    await promise;
  } catch (error) {
    return error as AlamodeError;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

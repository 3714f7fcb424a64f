import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { digestsOf } from "../../src/plan/stat-cache.ts";

const HOUR_MS = 3_600_000;

/** A folder with files in it, and a reader that counts. Unless told otherwise, all was changed an hour ago. */
function rig(t: TestContext, count: number) {
  const dir = mkdtempSync(join(tmpdir(), "alamode-"));
  t.after(() => rmSync(dir, { recursive: true }));
  mkdirSync(join(dir, "data"));
  const files = Array.from({ length: count }, (_, i) => join(dir, "data", String(i)));
  for (const [i, file] of files.entries()) writeFileSync(file, `content ${i}`);
  const read: string[] = [];
  const cache = join(dir, ".alamode", "stat-cache.db");
  return {
    dir,
    cache,
    files,
    /** Which files were read, by the numbers they have for names, since it was asked last. */
    wasRead: () => read.splice(0),
    digests: (now = () => Date.now() + HOUR_MS) =>
      digestsOf(files, {
        cache,
        now,
        read(file) {
          read.push(file.slice(file.lastIndexOf("/") + 1));
          return sha256(readFileSync(file));
        },
      }),
  };
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

test("files that were not changed are not read again", (t) => {
  const count = process.env["ALAMODE_LONG"] ? 100_000 : 20_000;
  const { digests, wasRead, files } = rig(t, count);
  const first = digests();
  assert.equal(wasRead().length, count);
  assert.deepEqual(first.slice(0, 2), [sha256("content 0"), sha256("content 1")]);
  assert.deepEqual(digests(), first);
  assert.deepEqual(wasRead(), []);
  writeFileSync(files[7]!, "Content 7");
  assert.equal(digests()[7], sha256("Content 7"));
  assert.deepEqual(wasRead(), ["7"]);
});

test("an edit of the same size within the same tick of the clock is noticed", (t) => {
  const { digests, wasRead, files } = rig(t, 100);
  const { ctimeMs } = statSync(files[5]!);
  // As if it were read within the tick in which it was written: nothing could tell a second write in that tick.
  for (const laterMs of [0, 1, 1_000, 2_000]) {
    digests(() => ctimeMs + laterMs);
    assert.ok(wasRead().includes("5"), `read ${laterMs} ms after it was written`);
  }
  digests(() => ctimeMs + HOUR_MS);
  assert.ok(wasRead().includes("5"), "nothing that was noted too early is believed later");
  digests(() => ctimeMs + HOUR_MS);
  assert.deepEqual(wasRead(), []);
});

test("an edit whose time was set back is noticed, and so is a file that took another's place", (t) => {
  const { digests, wasRead, files } = rig(t, 100);
  for (const file of files) utimesSync(file, 1, 1);
  digests();
  wasRead();
  writeFileSync(files[3]!, "CONTENT 3");
  utimesSync(files[3]!, 1, 1);
  renameSync(files[8]!, files[9]!);
  writeFileSync(files[8]!, "content 9");
  utimesSync(files[8]!, 1, 1);
  const now = digests();
  assert.deepEqual([now[3], now[8], now[9]], [sha256("CONTENT 3"), sha256("content 9"), sha256("content 8")]);
  assert.deepEqual(wasRead(), ["3", "8", "9"]);
});

test("a file that is being written is read until it holds still, or refused", (t) => {
  const { dir, cache, files } = rig(t, 1);
  let writes = 0;
  const digests = (most: number) =>
    digestsOf(files, {
      cache,
      read(file) {
        const digest = sha256(readFileSync(file));
        if (writes++ < most) writeFileSync(file, "x".repeat(100 + writes));
        return digest;
      },
    });
  assert.deepEqual(digests(1), [sha256("x".repeat(101))]);
  assert.throws(() => digests(100), {
    code: "source-changed",
    message: new RegExp(`^${dir}.*changes while`),
  });
});

test("without a place for the cache, or with a broken one, files are read", (t) => {
  const { dir, cache, files, digests, wasRead } = rig(t, 100);
  const first = digests();
  wasRead();
  writeFileSync(cache, "this is no database, and is long enough for its header to be looked at".repeat(10));
  assert.deepEqual(digests(), first);
  assert.equal(wasRead().length, 100);
  digests();
  assert.equal(wasRead().length, 0, "it was begun anew");
  const read = (file: string) => sha256(readFileSync(file));
  assert.deepEqual(digestsOf(files, { cache: join(dir, "data/0/none.db"), read }), first);
});

test("while another process holds the cache, files are read", (t) => {
  const { cache, digests, wasRead } = rig(t, 100);
  const first = digests();
  wasRead();
  const other = new DatabaseSync(cache);
  t.after(() => other.close());
  other.exec("BEGIN EXCLUSIVE");
  assert.deepEqual(digests(), first);
  assert.equal(wasRead().length, 100);
  other.exec("COMMIT");
  digests();
  assert.equal(wasRead().length, 0);
});

test("a few small files make no cache", (t) => {
  const { dir, digests } = rig(t, 3);
  digests();
  assert.throws(() => statSync(join(dir, ".alamode")), { code: "ENOENT" });
});

test("a file that is not there is told by its path", (t) => {
  const { cache, dir } = rig(t, 0);
  assert.throws(() => digestsOf([join(dir, "none")], { cache, read: () => "" }), {
    code: "source-unreadable",
    message: /none cannot be read: ENOENT/,
  });
});

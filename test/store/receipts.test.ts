import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { test } from "node:test";
import { ReceiptFile, readReceipts } from "../../src/store/receipts.ts";
import { scratch } from "./scratch.ts";

const read = (path: string) => [...readReceipts(path)].map((note) => ({ ...note }));

test("notes are framed, numbered and come back in order", (t) => {
  const path = `${scratch(t)}/run`;
  const file = new ReceiptFile(path);
  file.append({ output: "a" });
  file.append({ output: "b", inputs: {} });
  file.close();
  assert.deepEqual(read(path), [
    { n: 0, output: "a" },
    { inputs: Object.create(null), n: 1, output: "b" },
  ]);
  const first = "d1:ni0e6:output1:ae";
  const framed = [`${first.length}:`, first, createHash("sha256").update(first).digest()];
  const expected = Buffer.concat(framed.map((part) => Buffer.from(part)));
  assert.deepEqual(readFileSync(path).subarray(0, expected.length), expected);
});

test("a torn last note is ignored at every length, and cut off by the next writer", (t) => {
  const path = `${scratch(t)}/run`;
  const file = new ReceiptFile(path);
  file.append({ a: "first" });
  const whole = statSync(path).size;
  file.append({ a: "second" });
  file.close();
  const all = readFileSync(path);
  for (let length = whole; length < all.length; length++) {
    writeFileSync(path, all.subarray(0, length));
    assert.deepEqual(read(path), [{ a: "first", n: 0 }], `${length} bytes`);
    const next = new ReceiptFile(path);
    next.append({ a: "second" });
    next.close();
    assert.deepEqual(readFileSync(path), all);
  }
});

test("a damaged note and all after it are not believed", (t) => {
  const path = `${scratch(t)}/run`;
  const file = new ReceiptFile(path);
  for (const a of ["1", "2", "3"]) file.append({ a });
  file.close();
  const bytes = readFileSync(path);
  bytes[bytes.length / 3 + 10]! ^= 1;
  writeFileSync(path, bytes);
  assert.deepEqual(read(path), [{ a: "1", n: 0 }]);
  for (const tail of ["99999999999999999999:", "12", ":", "-1:", "01:x", "\0".repeat(100)]) {
    truncateSync(path, bytes.length / 3);
    appendFileSync(path, tail);
    assert.deepEqual(read(path), [{ a: "1", n: 0 }], tail);
  }
});

test("after a short write and an error the file holds only whole notes, and goes on", (t) => {
  const path = `${scratch(t)}/run`;
  let room = Number.POSITIVE_INFINITY;
  const file = new ReceiptFile(path, (fd, bytes, offset, length, position) => {
    if (room === 0) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    const count = Math.min(room, length, 7);
    room -= count;
    return writeSync(fd, bytes, offset, count, position);
  });
  file.append({ a: "1" });
  const whole = readFileSync(path);
  room = 30;
  assert.throws(() => file.append({ a: "2" }), { code: "no-space" });
  assert.deepEqual(readFileSync(path), whole);
  room = Number.POSITIVE_INFINITY;
  file.append({ a: "3" });
  file.close();
  assert.deepEqual(read(path), [
    { a: "1", n: 0 },
    { a: "3", n: 1 },
  ]);
});

import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { LogReader } from "../../src/cli/follow.ts";
import { CappedLog } from "../../src/engine/log.ts";
import { changeText } from "../../src/plan/change-text.ts";
import { copyOut } from "../../src/store/copy-out.ts";

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "alamode-files-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("a growing log is read by whole lines, the last one too in the end", (t) => {
  const path = join(scratch(t), "log");
  const reader = new LogReader(path);
  assert.deepEqual(reader.read(), [], "it is not there yet");
  writeFileSync(path, "one\ntw");
  assert.deepEqual(reader.read(), ["one"]);
  appendFileSync(path, Buffer.from("o\nl\xc3", "latin1"));
  assert.deepEqual(reader.read(), ["two"]);
  appendFileSync(path, Buffer.from("\xa9", "latin1"));
  assert.deepEqual(reader.read(true), ["lé"], "a character that came in two halves is whole");
  assert.deepEqual(reader.read(true), []);
});

/** So many numbered lines, one after the other. */
function numbered(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}\n`).join("");
}

const isGap = (line: string) => line.startsWith("[… left out");

test("a log that is cut while it grows is followed without a gap, and to its end, by whoever keeps up", (t) => {
  const path = join(scratch(t), "log");
  const log = new CappedLog(path, 64 * 1024);
  const reader = new LogReader(path);
  const lines: string[] = [];
  for (let n = 0; n < 50_000; n += 500) {
    appendFileSync(path, numbered(n + 1, n + 500));
    log.trim();
    lines.push(...reader.read());
  }
  appendFileSync(path, "the end");
  log.finish();
  lines.push(...reader.read(true));
  assert.deepEqual(lines, [...numbered(1, 50_000).trimEnd().split("\n"), "the end"]);
});

test("who cannot keep up with a log is told of the gap, and gets the end of it", (t) => {
  const path = join(scratch(t), "log");
  const log = new CappedLog(path, 64 * 1024);
  const reader = new LogReader(path);
  appendFileSync(path, numbered(1, 10));
  const lines = reader.read();
  for (let n = 10; n < 50_010; n += 10_000) {
    appendFileSync(path, numbered(n + 1, n + 10_000));
    log.trim();
  }
  // As much again as was read before: only by its content can it be told to be another part.
  appendFileSync(path, numbered(50_011, 50_040));
  lines.push(...reader.read());
  assert.equal(lines.filter(isGap).length, 1);
  assert.equal(lines.indexOf("line 10") + 1, lines.findIndex(isGap));
  assert.equal(lines.at(-1), "line 50040");
  appendFileSync(path, numbered(50_041, 90_000));
  log.trim();
  appendFileSync(path, "the end\n");
  log.finish();
  const rest = reader.read(true);
  assert.ok(isGap(rest[0]!));
  assert.deepEqual(rest.slice(-2), ["line 90000", "the end"]);
  assert.deepEqual(reader.read(true), []);
});

test("who begins late with a log that was cut gets its beginning, the gap and its end", (t) => {
  const path = join(scratch(t), "log");
  const log = new CappedLog(path, 64 * 1024);
  const reader = new LogReader(path);
  appendFileSync(path, numbered(1, 20_000));
  log.trim();
  appendFileSync(path, "still going\n");
  const lines = reader.read();
  assert.deepEqual([lines[0], lines.filter(isGap).length, lines.at(-1)], ["line 1", 1, "still going"]);
  log.finish();
  assert.deepEqual(reader.read(true), []);
  const whole = new LogReader(path).read(true);
  assert.deepEqual([whole[0], whole.at(-1)], ["line 1", "still going"]);
  assert.ok(!whole.some(isGap), "it says itself what was left out");
});

test("progress bars and colours are shown as what they leave", (t) => {
  const path = join(scratch(t), "log");
  writeFileSync(path, "10%\r50%\r100%\n\x1b[31mred\x1b[0m\r\n");
  assert.deepEqual(new LogReader(path).read(), ["100%", "red"]);
});

test("an output is copied out whole, may be changed, and replaces nothing unasked", async (t) => {
  const folder = scratch(t);
  const from = join(folder, "from");
  mkdirSync(join(from, "a/b"), { recursive: true });
  mkdirSync(join(from, "empty"));
  writeFileSync(join(from, "a/b/file"), "text");
  writeFileSync(join(from, "program"), "#!/bin/sh\n");
  symlinkSync("a/b/file", join(from, "link"));
  chmodSync(join(from, "a/b/file"), 0o444);
  chmodSync(join(from, "program"), 0o555);
  const to = join(folder, "new/to");
  chmodSync(join(from, "a/b"), 0o555);
  await copyOut(from, to, false).finally(() => chmodSync(join(from, "a/b"), 0o755));
  assert.deepEqual(readdirSync(to).sort(), ["a", "empty", "link", "program"]);
  assert.equal(readFileSync(join(to, "a/b/file"), "utf8"), "text");
  assert.equal(readlinkSync(join(to, "link")), "a/b/file");
  assert.equal(statSync(join(to, "a/b/file")).mode & 0o700, 0o600);
  assert.equal(statSync(join(to, "program")).mode & 0o700, 0o700);
  assert.equal(statSync(join(to, "a/b")).mode & 0o700, 0o700);

  writeFileSync(join(to, "mine"), "");
  await assert.rejects(copyOut(from, to, false), { code: "exists" });
  assert.ok(existsSync(join(to, "mine")));
  await copyOut(from, to, true);
  assert.ok(!existsSync(join(to, "mine")));
  assert.deepEqual(readdirSync(join(folder, "new")), ["to"], "nothing is left beside it");
});

test("a file is copied over another only when told to", async (t) => {
  const folder = scratch(t);
  const [from, to] = [join(folder, "from"), join(folder, "to")];
  writeFileSync(from, "new");
  writeFileSync(to, "old");
  await assert.rejects(copyOut(from, to, false), { code: "exists" });
  assert.equal(readFileSync(to, "utf8"), "old");
  await copyOut(from, to, true);
  assert.equal(readFileSync(to, "utf8"), "new");
});

test("a changed value shows what differs", () => {
  const text = (old: string | number | undefined, now: string | number | undefined) =>
    changeText({
      path: ["x"],
      ...(old === undefined ? {} : { old }),
      ...(now === undefined ? {} : { new: now }),
    });
  assert.equal(text("6f09d", "qwetr3"), "6f09d → qwetr3");
  assert.equal(text(undefined, 3), "added: 3");
  assert.equal(text(3, undefined), "removed (was 3)");
  assert.equal(
    text("python3 clean.py --in inputs/raw --min-temp 0", "python3 clean.py --in inputs/raw --min-temp -5"),
    "…--min-temp 0 → --min-temp -5",
  );
  assert.equal(text("a".repeat(64), "b".repeat(64)), "aaaaaaaa → bbbbbbbb");
});

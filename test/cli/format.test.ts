import assert from "node:assert/strict";
import test from "node:test";
import {
  bytes,
  count,
  date,
  duration,
  herePath,
  longId,
  pad,
  roughly,
  shellWord,
  table,
} from "../../src/cli/format.ts";
import { clip } from "../../src/plan/clip.ts";

test("durations are told in people's units", () => {
  const shown: [number, string][] = [
    [0, "0.00 s"],
    [48, "0.05 s"],
    [94.9, "0.09 s"],
    [95, "0.1 s"],
    [420, "0.4 s"],
    [9949, "9.9 s"],
    [9950, "10 s"],
    [59_400, "59 s"],
    [59_600, "1 min 0 s"],
    [134_000, "2 min 14 s"],
    [3_600_000, "1 h 00 min"],
    [3_900_000, "1 h 05 min"],
    [266_400_000, "3 d 2 h"],
  ];
  for (const [ms, text] of shown) assert.equal(duration(ms), text);
});

test("estimates claim no more than they know", () => {
  const shown: [number, string][] = [
    [0, "0.01 s"],
    [20, "0.02 s"],
    [949, "0.9 s"],
    [950, "1 s"],
    [2100, "2 s"],
    [44_000, "40 s"],
    [18.2 * 60_000, "18 min"],
    [3 * 3_600_000, "3 h"],
    [5 * 86_400_000, "5 d"],
  ];
  for (const [ms, text] of shown) assert.equal(roughly(ms), text);
});

test("sizes are decimal, with one digit where that tells something", () => {
  const shown: [number, string][] = [
    [0, "0 B"],
    [812, "812 B"],
    [1000, "1.0 kB"],
    [4_100_000, "4.1 MB"],
    [212_400_000, "212 MB"],
    [999_999, "1.0 MB"],
    [5e9, "5.0 GB"],
  ];
  for (const [size, text] of shown) assert.equal(bytes(size), text);
});

test("a time of this year shows the hour, one of another the year", () => {
  const at = new Date(2024, 10, 23, 9, 14, 5).getTime();
  assert.equal(date(at, new Date(2024, 11, 1).getTime()), "23 Nov 09:14");
  assert.equal(date(at, new Date(2024, 11, 1).getTime(), true), "23 Nov 09:14:05");
  assert.equal(date(at, new Date(2026, 0, 1).getTime()), "23 Nov 2024");
});

test("a table is aligned, numbers to the right, without blanks at the ends", () => {
  assert.deepEqual(
    table(
      [
        ["task", "took", "note"],
        ["blur", "1.2 s", ""],
        ["a", "0.3 s", "x"],
      ],
      [1],
    ),
    ["task   took  note", "blur  1.2 s", "a     0.3 s  x"],
  );
});

test("a cell cannot move the cursor or begin a line: its control characters are made visible", () => {
  assert.deepEqual(
    table([
      ["a\nb\x1b[2J", "x"],
      ["abc", "y"],
    ]),
    ["a\\nb\\u001b[2J  x", "abc            y"],
  );
});

test("colours take no columns", () => assert.equal(pad("\x1b[32mab\x1b[39m", 4), "\x1b[32mab\x1b[39m  "));

test("words for the shell are quoted only where that is needed", () => {
  assert.equal(shellWord("fit/lr-0.1"), "fit/lr-0.1");
  assert.equal(shellWord("it's me"), "'it'\\''s me'");
  assert.equal(shellWord(""), "''");
});

test("texts are cut to one line, paths shown from here, IDs shortened, nouns counted", () => {
  assert.equal(clip("a\n  b", 9), "a b");
  assert.equal(clip("abcdef", 4), "abc…");
  assert.equal(herePath("/p/q/.alamode/x", "/p/q"), ".alamode/x");
  assert.equal(herePath("/p/q", "/p/q"), ".");
  assert.equal(herePath("/else/where", "/p/q/r/s"), "/else/where");
  assert.equal(longId(`25adad19${"0".repeat(52)}6de5`), "25adad19…6de5");
  assert.equal(count(1, "task"), "1 task");
  assert.equal(count(0, "task"), "0 tasks");
});

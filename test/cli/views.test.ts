import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import test from "node:test";
import { stripVTControlCharacters } from "node:util";
import { liveView } from "../../src/cli/live-view.ts";
import { plainView } from "../../src/cli/plain-view.ts";
import type { RunEvent } from "../../src/engine/events.ts";
import { finished, started, taskFailed, taskRan, taskStarted } from "./events.ts";

const UP_AND_CLEAR = "\u001b\\[([0-9]+)A\r\u001b\\[J";

/** What a terminal shows once everything was written: only "cursor up, clear to the end" is known to it. */
function screen(text: string): string[] {
  const lines: string[] = [];
  for (const part of text.split(new RegExp(`(?=${UP_AND_CLEAR.replace("(", "(?:")})`))) {
    const up = new RegExp(`^${UP_AND_CLEAR}`).exec(part);
    if (up) lines.length -= Number(up[1]);
    const shown = stripVTControlCharacters(part.slice(up?.[0].length ?? 0)).split("\n");
    assert.equal(shown.pop(), "", "each write ends a line");
    lines.push(...shown);
  }
  return lines.map((line) => line.trimEnd());
}

function fakeTerminal(rows: number): { stream: NodeJS.WriteStream; text: () => string } {
  const stream = Object.assign(new PassThrough({ encoding: "utf8" }), { rows, columns: 80, isTTY: true });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => String(stream.read() ?? "") };
}

const first: RunEvent[] = [
  started(3, 3),
  taskStarted("clean"),
  taskRan("clean"),
  taskStarted("report"),
  taskFailed("report", { logTail: ["boom"] }),
  finished(3, { ran: 1, failed: 1 }),
];
const expected = [
  "● clean         0.1 s",
  "✗ report failed: exit 1 after 3.2 s (attempt 1 of 1)",
  "",
  "    boom",
  "",
  "3 tasks: 1 ran, 1 failed, 1.1 s",
];

test("elsewhere than on a terminal a run is plain lines", () => {
  const { stream, text } = fakeTerminal(24);
  const view = plainView({ stream, tasks: ["clean", "report"], flags: "" });
  for (const event of first) view.event(event);
  view.close();
  assert.deepEqual(screen(text()), expected);
});

test("on a terminal the same words are left in the end", () => {
  const { stream, text } = fakeTerminal(24);
  const view = liveView({ stream, tasks: ["clean", "report"], flags: "" });
  for (const event of first) view.event(event);
  view.close();
  assert.deepEqual(screen(text()), expected);
});

test("what runs is redrawn in one block, with its elapsed time and the counts", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const { stream, text } = fakeTerminal(24);
  let now = 0;
  const view = liveView({ stream, tasks: ["a", "b", "c"], flags: "" }, () => now);
  view.event(started(3, 3, 60_000));
  view.event(taskStarted("a"));
  view.event(taskStarted("b"));
  now = 2000;
  t.mock.timers.tick(60);
  view.event(taskRan("a", 2000));
  now = 4000;
  t.mock.timers.tick(300);
  assert.deepEqual(screen(text()), [
    "● a             2.0 s",
    "◐ b             4.0 s",
    "3 tasks: 1 ran · 1 to go, about 60 s",
  ]);
  view.close();
});

test("a family that would fill the screen is one line with its count", () => {
  const { stream, text } = fakeTerminal(12);
  const tasks = [...Array.from({ length: 20 }, (_, i) => `align/S${i}`), "end"];
  let now = 0;
  const view = liveView({ stream, tasks, flags: "" }, () => now);
  view.event(started(21, 21));
  for (const task of tasks) {
    view.event(taskStarted(task));
    now += 100;
    view.event(taskRan(task));
  }
  view.event(finished(21, { ran: 21 }));
  assert.deepEqual(screen(text()), [
    "● align/… (20)  2.0 s",
    "● end           0.1 s",
    "21 tasks: 21 ran, 1.1 s",
  ]);
});

test("a task may print more lines at once than a call takes arguments", () => {
  const lines = Array.from({ length: 200_000 }, (_, i) => `${i + 1}`);
  for (const viewOf of [plainView, liveView]) {
    const { stream, text } = fakeTerminal(24);
    const view = viewOf({ stream, tasks: ["chatty"], flags: "" });
    view.log("chatty", lines);
    view.close();
    const shown = stripVTControlCharacters(text()).trimEnd().split("\n");
    assert.equal(shown.length, lines.length);
    assert.equal(shown.at(-1), "chatty | 200000");
  }
});

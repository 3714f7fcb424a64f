import assert from "node:assert/strict";
import test from "node:test";
import { FoldedFamilies } from "../../src/cli/families.ts";
import { apply, newProgress, restMs, toGo } from "../../src/cli/progress.ts";
import { countsLine, failureBlock, retryLine, summaryLine, warningLines } from "../../src/cli/report.ts";
import { failure, started, taskFailed, taskRan, taskStarted } from "./events.ts";

const plain = (text: string) => text;
const paint = { good: plain, bad: plain, warn: plain, dim: plain };
const none = { ran: 0, same: 0, reused: 0, failed: 0, notStarted: 0, durationMs: 1200 };

test("the last line leaves zeros out, but says that nothing failed where the rest was mixed", () => {
  assert.equal(
    summaryLine({ ...none, tasks: 4, ran: 1, reused: 3 }),
    "4 tasks: 1 ran, 3 reused, 0 failed, 1.2 s",
  );
  assert.equal(summaryLine({ ...none, tasks: 7, ran: 7, durationMs: 1100 }), "7 tasks: 7 ran, 1.1 s");
  assert.equal(summaryLine({ ...none, tasks: 7, reused: 7, durationMs: 50 }), "7 tasks: 7 reused, 0.05 s");
  assert.equal(
    summaryLine({ ...none, tasks: 14, ran: 11, failed: 1, notStarted: 2, durationMs: 9800 }),
    "14 tasks: 11 ran, 1 failed, 2 not started, 9.8 s",
  );
  assert.equal(summaryLine({ ...none, tasks: 1, ran: 1 }), "1 task: 1 ran, 1.2 s");
});

test("a failure shows the end of its log, and where to look, with the flags that were given", () => {
  const told = failure({ logTail: ["Traceback", "ValueError: loss is nan"], log: "/l", scratch: "/s" });
  assert.deepEqual(failureBlock("fit/lr-0.1", told, "-f p.ts ", paint), [
    "✗ fit/lr-0.1 failed: exit 1 after 3.2 s (attempt 1 of 1)",
    "",
    "    Traceback",
    "    ValueError: loss is nan",
    "",
    "  log      alamode log -f p.ts fit/lr-0.1",
    "  look in  alamode shell -f p.ts fit/lr-0.1",
  ]);
});

test("a failure that has a sentence of its own goes on from the task's name", () => {
  const told = failure({
    kind: "no-output",
    message: "made nothing at $OUTPUT (exit 0)",
    hint: "Write to it.",
  });
  assert.deepEqual(failureBlock("plot", told, "", paint), [
    "✗ plot made nothing at $OUTPUT (exit 0)",
    "  Write to it.",
  ]);
  const missing = failure({ kind: "not-found", message: "command not found: foo (exit 127)" });
  assert.deepEqual(failureBlock("nf", missing, "", paint), [
    "✗ nf failed: command not found: foo (exit 127)",
  ]);
});

test("an attempt that is made again is one line", () => {
  assert.equal(
    retryLine("fit", failure({ attempts: 3 }), 2000, paint),
    "↻ fit failed: exit 1 after 3.2 s (attempt 1 of 3); again in 2.0 s",
  );
});

test("progress counts what ran, failed, runs and is to go", () => {
  const progress = newProgress(0);
  apply(progress, started(212, 172, 60_000), 0);
  for (let i = 0; i < 96; i++) {
    apply(progress, taskStarted(`t${i}`), 10);
    apply(progress, taskRan(`t${i}`), 20);
  }
  apply(progress, taskStarted("a"), 20);
  apply(progress, taskStarted("b"), 20);
  assert.equal(toGo(progress), 74);
  assert.equal(countsLine(progress, 20_000), "212 tasks: 96 ran, 40 reused · 74 to go, about 40 s");
  apply(progress, taskFailed("a", {}, 100), 30);
  assert.equal(progress.failed, 0, "an attempt that is made again has not failed");
  apply(progress, taskFailed("b"), 30);
  assert.equal(progress.failed, 1);
  assert.equal(restMs(progress, 60_000), undefined, "an estimate that was exceeded is not told");
});

test("families are folded only where what is due does not fit", () => {
  const tasks = [...Array.from({ length: 10 }, (_, i) => `align/S${i}`), "pair/a", "pair/b", "plot"];
  assert.equal(new FoldedFamilies(tasks, 13, 13).of("align/S1"), undefined);
  assert.equal(new FoldedFamilies(tasks, 2, 12).of("align/S1"), undefined);
  const folded = new FoldedFamilies(tasks, 13, 12);
  assert.equal(folded.of("align/S1")?.members, 10);
  assert.equal(folded.of("pair/a"), undefined, "two are no family");
  assert.equal(folded.of("plot"), undefined);
  assert.equal(new FoldedFamilies(tasks, 12, 11).of("align/S1")?.members, undefined, "some are not due");
});

test("names and logs cannot move the cursor", () => {
  const told = failure({ logTail: ["\u001b[2Jgone"] });
  assert.deepEqual(failureBlock("a\u001b[2J\n", told, "", paint).slice(0, 3), [
    "✗ a\\u001b[2J\\n failed: exit 1 after 3.2 s (attempt 1 of 1)",
    "",
    "    gone",
  ]);
});

test("what others wrote stays on its line in warnings and failures, and an empty name can be seen", () => {
  const message = "left a process running (sh -c cat\n  sleep 9 \u001b[2J, 311)";
  assert.deepEqual(warningLines({ event: "warning", code: "stray", task: "a\nb", message }, paint), [
    "! a\\nb: left a process running (sh -c cat sleep 9 \\u001b[2J, 311)",
  ]);
  assert.match(
    failureBlock("", failure({ message }), "", paint)[0]!,
    /^✗ "" left a process running \(sh -c cat sleep 9 /,
  );
});

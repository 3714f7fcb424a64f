import assert from "node:assert/strict";
import test from "node:test";
import { statusLines } from "../../src/cli/commands/status.ts";
import type { Due } from "../../src/engine/status.ts";
import type { OutputId } from "../../src/plan/types.ts";

const due = (task: string, expectedMs?: number): Due => ({
  task,
  output: task as OutputId,
  reasons: [{ kind: "first" }],
  ...(expectedMs === undefined ? {} : { expectedMs }),
});
const none = { same: [], goals: [] };

test("reasons stay one column, however long the names, and each name can be seen", () => {
  const long = "x".repeat(300);
  for (const names of [["a"], ["a", "exactly_12_c"], ["", "a\nb", "n".repeat(45)], ["short", long]]) {
    const [head, ...lines] = statusLines({
      ...none,
      tasks: names.length,
      due: names.map((name) => due(name)),
    });
    assert.equal(head, `${names.length} of ${names.length} task${names.length === 1 ? " is" : "s are"} due:`);
    assert.equal(new Set(lines.map((line) => line.indexOf("never made"))).size, 1, lines.join("\n"));
    assert.ok(lines.every((line) => line.length < 80));
  }
  const lines = statusLines({ ...none, tasks: 2, due: [due(""), due(long)] });
  assert.match(lines[1]!, /^ {2}"" +never made$/);
  assert.match(lines[2]!, /^ {2}x{59}… never made$/);
});

test("members of a family that are due for one reason are one line, also in a short list", () => {
  const names = ["clean", "by_year/2012", "by_year/2013", "report/a", "by_year/2014", "report/b"];
  const lines = statusLines({ ...none, tasks: 9, due: names.map((name) => due(name)) });
  assert.deepEqual(
    lines.slice(1).map((line) => line.trim().replaceAll(/ +/g, " ")),
    ["clean never made", "by_year/… (3) never made", "report/a never made", "report/b never made"],
  );
});

test("more tasks that are due than the pipeline has are not told as a part of it", () => {
  assert.equal(statusLines({ ...none, tasks: 1, due: [due("a"), due("b")] })[0], "2 tasks are due:");
  assert.equal(statusLines({ ...none, tasks: 3, due: [due("a")] })[0], "1 of 3 tasks is due:");
});

test("an estimate fits what it is made of", () => {
  const lines = statusLines({ ...none, tasks: 1, due: [due("t", 20)], estimateMs: 20 });
  assert.equal(lines.at(-1), "about 0.02 s (t 0.02 s)");
});

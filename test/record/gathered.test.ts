// Calls that go together: in the order in which they were asked, and none is forgotten.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Gathered } from "../../src/record/gathered.ts";

function gathering() {
  const calls: string[][] = [];
  const gathered = new Gathered<string, string>(
    3,
    async (asked) => {
      calls.push([...asked]);
      return asked.map((each) => each.toUpperCase());
    },
    () => nextTurn(),
  );
  return { calls, gathered };
}

test("what may wait goes with the next that may not, and in its order", async () => {
  const { calls, gathered } = gathering();
  const answers = [
    gathered.ask("a", true),
    gathered.ask("b", true),
    gathered.ask("c"),
    gathered.ask("d", true),
  ];
  assert.deepEqual(await Promise.all(answers), ["A", "B", "C", "D"]);
  assert.deepEqual(calls[0], ["a", "b", "c"]);
});

test("what may wait goes by itself when no other comes, also when one has just been answered", async () => {
  const { calls, gathered } = gathering();
  assert.equal(await gathered.ask("a", true), "A");
  await gathered.ask("b").then(() => gathered.ask("c", true));
  await Promise.all([gathered.ask("d", true), gathered.ask("e", true)]);
  assert.deepEqual(calls, [["a"], ["b"], ["c"], ["d", "e"]]);
});

test("what may wait until something happens goes when that does, if it has not gone before", async () => {
  const { calls, gathered } = gathering();
  const { promise: needed, resolve } = Promise.withResolvers<void>();
  const answers = [gathered.ask("a", true), gathered.ask("b", needed)];
  assert.deepEqual(calls, []);
  resolve();
  for (let turns = 0; turns < 3; turns++) await nextTurn();
  assert.deepEqual(calls, [["a", "b"]]);
  assert.deepEqual(await Promise.all(answers), ["A", "B"]);
  assert.equal(await gathered.ask("c", needed), "C");
  assert.deepEqual(calls, [["a", "b"], ["c"]]);
});

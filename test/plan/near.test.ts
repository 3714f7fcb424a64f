import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editDistance, nearNames } from "../../src/plan/near.ts";

test("near names are those a typo away, best first, at most three", () => {
  assert.deepEqual(nearNames("collgae", ["college", "collage", "blur", "collages"]), [
    "collage",
    "college",
    "collages",
  ]);
  assert.deepEqual(
    nearNames("align/S01", ["align/S02", "align/S03", "align/S04", "align/S05", "x"]).length,
    3,
  );
  assert.deepEqual(nearNames("x", []), []);
});

test("the bounded distance is the distance, up to its bound", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
  fc.assert(
    fc.property(word, word, fc.integer({ min: 0, max: 4 }), (a, b, limit) => {
      const exact = plainDistance(a, b);
      const bounded = editDistance(a, b, limit);
      if (exact <= limit) assert.equal(bounded, exact);
      else assert.ok(bounded > limit);
    }),
    { numRuns: 3000 },
  );
});

/** The textbook recurrence, without bounds. */
function plainDistance(a: string, b: string): number {
  const table = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => i + j),
  );
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(table[i - 1]![j]! + 1, table[i]![j - 1]! + 1, table[i - 1]![j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, table[i - 2]![j - 2]! + 1);
      table[i]![j] = best;
    }
  }
  return table[a.length]![b.length]!;
}

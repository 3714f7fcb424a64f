import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Needles } from "../../src/store/needles.ts";

/** Few different bytes, so that needles overlap, repeat and nearly match. */
const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ min: 97, max: 99, minLength, maxLength }).map((array) => Buffer.from(array));
const needles = fc.array(bytes(2, 9), { maxLength: 6 });

test("what is found is what is there, and where it is", () => {
  fc.assert(
    fc.property(needles, bytes(0, 60), (all, hay) => {
      const sought = new Needles(all);
      const there = all.flatMap((needle, i) => (hay.includes(needle) ? [i] : []));
      assert.deepEqual([...sought.in(hay)].sort(), there);
      assert.deepEqual([...sought.inText(hay.toString())].sort(), there);
      const covered = Buffer.alloc(hay.length);
      for (const needle of all)
        for (let at = hay.indexOf(needle); at >= 0; at = hay.indexOf(needle, at + 1))
          covered.fill(1, at, at + needle.length);
      const places = Buffer.alloc(hay.length);
      let end = -1;
      for (const [from, to] of sought.places(hay)) {
        assert.ok(from >= end && to > from, "apart from each other, and in order");
        places.fill(1, from, to);
        end = to;
      }
      assert.deepEqual(places, covered);
    }),
  );
});

test("no more of the end is held back than may go on, and no less", () => {
  fc.assert(
    fc.property(needles, bytes(0, 20), (all, hay) => {
      const wanted = Math.max(
        0,
        ...all.flatMap((needle) =>
          Array.from({ length: needle.length }, (_, length) => length).filter(
            (length) =>
              length <= hay.length && hay.subarray(hay.length - length).equals(needle.subarray(0, length)),
          ),
        ),
      );
      assert.equal(new Needles(all).begunAtEnd(hay), wanted);
    }),
  );
});

test("needles of any bytes, also longer than the table reaches", () => {
  const long = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7) % 256));
  const other = Buffer.alloc(700, 0);
  const hay = Buffer.concat([Buffer.alloc(699, 0), Buffer.from([1]), long, Buffer.alloc(10, 255)]);
  assert.deepEqual([...new Needles([long, other]).in(hay)], [0]);
  assert.deepEqual(new Needles([long, other]).places(hay), [[700, 1700]]);
  assert.deepEqual([...new Needles([]).in(hay)], []);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "../../src/bencode/encode.ts";
import type { Bvalue } from "../../src/bencode/types.ts";
import { AlamodeError } from "../../src/errors.ts";

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
const written = (value: Bvalue) => latin1(encode(value));

/** The error of encoding something that types would refuse. */
function refusal(value: unknown, at?: string): AlamodeError {
  try {
    encode(value as Bvalue, at === undefined ? {} : { at });
  } catch (error) {
    assert.ok(error instanceof AlamodeError);
    assert.equal(error.code, "not-encodable");
    return error;
  }
  return assert.fail("it was encoded");
}

test("values are written as BEP 3 says", () => {
  assert.equal(written("spam"), "4:spam");
  assert.equal(written(""), "0:");
  assert.equal(written("é"), "2:\xc3\xa9");
  assert.equal(written(-42), "i-42e");
  assert.equal(written(-0), "i0e");
  assert.equal(written(10n ** 40n), `i1${"0".repeat(40)}e`);
  assert.equal(written([true, false, []]), "li1ei0elee");
  assert.equal(written({ b: 1, a: new Uint8Array([255]) }), "d1:a1:\xff1:bi1ee");
  assert.equal(
    written(
      new Map([
        ["b", 2],
        ["a", 1],
      ]),
    ),
    "d1:ai1e1:bi2ee",
  );
});

test("keys are sorted by their UTF-8 bytes, which is not JavaScript's order", () => {
  assert.equal(written({ "\u{10000}": 2, "\uffff": 1 }), "d3:\xef\xbf\xbfi1e4:\xf0\x90\x80\x80i2ee");
  assert.equal(written({ b: 1, 10: 2, 9: 3 }), "d2:10i2e1:9i3e1:bi1ee");
});

test("keys that every object has are ordinary keys", () => {
  assert.equal(
    written(JSON.parse('{"__proto__":{"a":1},"constructor":"x"}')),
    "d9:__proto__d1:ai1ee11:constructor1:xe",
  );
});

test("a float is refused with its path and the way out", () => {
  const error = refusal({ args: ["--lr", 1, 0.05] }, 'task "fit", spec');
  assert.equal(
    error.message,
    'task "fit", spec.args[2]: 0.05 is a float; specs hold text, integers, bytes and booleans.',
  );
  assert.equal(error.hint, "Write '0.05', or json({ lr: 0.05 }).");
});

test("an integer that a number does not hold exactly asks for a bigint", () => {
  assert.match(refusal([2 ** 53]).hint ?? "", /9007199254740992n/);
});

test("what has no encoding is refused, each with its path", () => {
  class Point {
    readonly x = 1;
  }
  const cases: [unknown, RegExp][] = [
    [{ a: null }, /^a: null has no encoding/],
    [{ a: { "b c": undefined } }, /^a\["b c"\]: undefined has no encoding/],
    [[Number.NaN], /^\[0\]: NaN is not an integer/],
    [[Number.POSITIVE_INFINITY], /Infinity is not an integer/],
    [{ f: () => 1 }, /^f: a function/],
    [{ s: Symbol("s") }, /^s: a symbol/],
    [{ when: new Date(0) }, /^when: a Date/],
    [{ p: new Point() }, /^p: this is a Point, an object of a class/],
    [{ s: new Set() }, /^s: a Set/],
    [{ b: new Uint16Array(1) }, /^b: bytes must be a Uint8Array/],
    [{ t: "\ud800" }, /^t: this text is not well-formed/],
    [{ ["\udc00x"]: 1 }, /not well-formed/],
    [new Map([[1, 1]]), /the key 1; keys are text/],
    [new Array(3), /^\[0\]: undefined/],
    [undefined, /^undefined has no encoding/],
  ];
  for (const [value, message] of cases) {
    const error = refusal(value);
    assert.match(error.message, message);
    assert.ok(error.hint);
  }
});

test("a cycle is named by where it closes", () => {
  const env: Record<string, unknown> = {};
  env["again"] = { env };
  assert.equal(refusal({ env }, "spec").message, "spec.env.again.env: this is spec.env again: a cycle.");
});

test("500 lists and maps may lie within each other, and no more", () => {
  let nested: Bvalue = [];
  for (let depth = 1; depth < 500; depth++) nested = [nested];
  assert.equal(encode(nested).length, 1000);
  assert.match(refusal([nested]).message, /more than 500/);
});

test("integers have at most a million digits", () => {
  const largest = 10n ** 1_000_000n - 1n;
  assert.equal(encode(-largest).length, 1_000_003);
  assert.match(refusal({ n: largest + 1n }).message, /^n: this integer has more than 1,000,000 digits/);
});

test("long text, and much of it, is written whole", () => {
  const long = "0123456789".repeat(100_000);
  assert.equal(written([long, long, "é"]), `l1000000:${long}1000000:${long}2:\xc3\xa9e`);
});

test("text of every length, ASCII or not, has the length of its UTF-8 in front", () => {
  const lengths = [0, 1, 9, 10, 31, 32, 33, 99, 100, 333, 999, 1000, 3333, 9999, 10_000, 20_000];
  const texts = lengths.flatMap((length) => {
    const ascii = "x".repeat(length);
    return [ascii, `é${ascii}`, `${ascii}é`, `${ascii}😀${ascii}`, "é".repeat(length), "€".repeat(length)];
  });
  const expected = texts.map((text) => `${Buffer.byteLength(text)}:${text}`).join("");
  assert.equal(Buffer.from(encode(texts)).toString(), `l${expected}e`);
  for (const text of texts)
    assert.equal(Buffer.from(encode(text)).toString(), `${Buffer.byteLength(text)}:${text}`);
});

test("keys are sorted whether they were or not", () => {
  const keys = Array.from({ length: 70 }, (_, i) => `k${i}`);
  for (const n of [2, 3, 63, 64, 65, 70]) {
    const few = keys.slice(0, n);
    const sorted = Object.fromEntries([...few].sort().map((key) => [key, 1]));
    const others = [few, [...few].reverse()].map((all) => Object.fromEntries(all.map((key) => [key, 1])));
    for (const other of others) assert.deepEqual(encode(other), encode(sorted));
  }
  assert.equal(
    Buffer.from(encode({ "\u{1f600}": 1, "\uffee": 2 })).toString(),
    "d3:\uffeei2e4:\u{1f600}i1ee",
  );
  assert.equal(
    Buffer.from(encode({ "\uffee": 2, "\u{1f600}": 1 })).toString(),
    "d3:\uffeei2e4:\u{1f600}i1ee",
  );
});

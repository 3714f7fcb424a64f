import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AlamodeError } from "../../src/errors.ts";
import { type Json, json } from "../../src/plan/json.ts";
import { type ParsedJson, parseJson } from "../../src/plan/json-parse.ts";

test("json writes RFC 8785's own example as it says", () => {
  const value = {
    numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '\u20ac$\u000f\nA\'B"\\\\"/',
    literals: [null, true, false],
  };
  assert.equal(
    json(value),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test("json orders keys by UTF-16 units, and writes -0 as 0", () => {
  assert.equal(
    json({ "\uffff": 1, "\u{1f600}": 2, 10: 3, 9: 4, lr: -0 }),
    '{"10":3,"9":4,"lr":0,"😀":2,"\uffff":1}',
  );
});

test("json refuses what JSON does not have, with the path", () => {
  const cases: [unknown, RegExp][] = [
    [{ a: [Number.NaN] }, /^json\(…\): a\[0\]: NaN has no JSON/],
    [{ a: undefined }, /a: undefined/],
    [10n, /a bigint/],
    [{ d: new Date(0) }, /d: an object of a class \(Date\)/],
    ["\ud800", /well-formed/],
    [{ ["\ud800"]: 1 }, /well-formed/],
    [() => 1, /a function/],
    [new Array(2), /\[0\]: undefined/],
  ];
  for (const [value, message] of cases) {
    assert.throws(
      () => json(value as Json),
      (error) =>
        error instanceof AlamodeError && error.code === "not-encodable" && message.test(error.message),
    );
  }
  const cycle: unknown[] = [];
  cycle.push(cycle);
  assert.throws(() => json(cycle as Json), { message: /more than 500/ });
});

test("parsing undoes writing", () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary", depthSize: "small" }), (value) => {
      const text = json(value as Json);
      assert.equal(json(withoutBigints(parseJson(text))), text);
    }),
    { numRuns: 200 },
  );
});

test("parsed values are exact, where JSON.parse is not", () => {
  assert.equal(parseJson(" 9007199254740993 "), 9007199254740993n);
  assert.deepEqual(Object.entries(parseJson('{"__proto__": 1, "a": [1.5, -0.0, 1e400]}') as object), [
    ["__proto__", 1],
    ["a", [1.5, -0, Number.POSITIVE_INFINITY]],
  ]);
  // In Node 24 and 26, JSON.parse gives the second text the key of the first.
  parseJson('{"h":[],"\\\\":0}');
  assert.deepEqual(Object.keys(parseJson('{"h":1,"\\"":2}') as object), ["h", '"']);
});

test("what is not JSON is refused with the offset", () => {
  for (const text of [
    "",
    "{",
    "[1,]",
    '{"a"}',
    '{"a":1,}',
    "01",
    "+1",
    "1.",
    "tru",
    "nulll",
    '"a\nb"',
    '"a',
    "[1 2]",
    "{a:1}",
    "'a'",
    '{"a":1,"a":2}',
    "[".repeat(600),
  ]) {
    assert.throws(() => parseJson(text), { code: "not-json", message: /^not JSON at character \d+: / }, text);
  }
});

/** Large floats may look like integers in JSON. */
function withoutBigints(value: ParsedJson): Json {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return (value as readonly ParsedJson[]).map(withoutBigints);
  const map: Record<string, Json> = Object.create(null);
  for (const [key, inner] of Object.entries(value)) map[key] = withoutBigints(inner);
  return map;
}

// Parameters: which texts and JSON values each kind takes, that what is recorded gives the same again, and what errors say.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AlamodeError } from "../../src/errors.ts";
import { Dag } from "../../src/plan/dag.ts";
import {
  day,
  decimal,
  flag,
  integer,
  list,
  oneOf,
  type Param,
  type Params,
  text,
  time,
} from "../../src/plan/params.ts";
import { chooseValues, isParamPipeline, pipeline } from "../../src/plan/pipeline.ts";

const slot = { day: "2026-11-22", time: "2026-11-22T00:00:00Z" };

function choose(params: Params, given: Record<string, unknown>) {
  return chooseValues(params, { params: given, slot });
}

function refused(params: Params, given: Record<string, unknown>): AlamodeError {
  try {
    choose(params, given);
  } catch (error) {
    return error as AlamodeError;
  }
  return assert.fail("it was taken");
}

test("each kind takes what it says, and nothing else", () => {
  const cases: [Param<unknown>, taken: [unknown, unknown][], refused: unknown[]][] = [
    [
      integer(),
      [
        ["4", 4],
        ["-3", -3],
        ["+7", 7],
        [4, 4],
        ["-0", 0],
        ["007", 7],
      ],
      ["", "4.0", "x", 1.5, "9007199254740993", null, true, [], "0x10", " 4"],
    ],
    [
      integer(undefined, { min: 1, max: 3 }),
      [
        ["1", 1],
        [3, 3],
      ],
      ["0", 4],
    ],
    [
      decimal(),
      [
        ["0.050", "0.05"],
        ["5e-2", "0.05"],
        [".05", "0.05"],
        [0.05, "0.05"],
        ["1.0", "1"],
        ["-0.0", "0"],
        ["1e3", "1000"],
        [1e21, `1${"0".repeat(21)}`],
        ["-12.50", "-12.5"],
        [5e-7, "0.0000005"],
        ["00.5", "0.5"],
      ],
      ["", ".", "e5", "1e999", "0x1", Number.NaN, true, "1,5", "NaN"],
    ],
    [
      oneOf("fast", "full"),
      [
        ["fast", "fast"],
        ["full", "full"],
      ],
      ["Fast", "", 1, null],
    ],
    [
      flag(),
      [
        [true, true],
        ["true", true],
        ["yes", true],
        ["1", true],
        ["false", false],
        ["no", false],
        ["0", false],
        [false, false],
      ],
      ["", "on", 1, null],
    ],
    [
      text(),
      [
        ["", ""],
        ["a b", "a b"],
        ["é", "é"],
      ],
      [1, "\ud800", "a\0b", null],
    ],
    [
      day(),
      [
        ["2026-11-01", "2026-11-01"],
        ["2024-02-29", "2024-02-29"],
      ],
      ["2026-02-29", "2026-1-1", "2026-13-01", "", 20261101, "2026-11-01T00:00"],
    ],
    [
      time(),
      [
        ["2026-11-01T05:00Z", "2026-11-01T05:00:00Z"],
        ["2026-11-01T05:00:07+01:00", "2026-11-01T05:00:07+01:00"],
        ["2026-11-01T05:00+00:00", "2026-11-01T05:00:00Z"],
      ],
      [
        "2026-11-01",
        "2026-11-01T05:00",
        "2026-11-01T24:00Z",
        "2026-11-01T05:60Z",
        "2026-02-30T05:00Z",
        "2026-11-01T05:00+19:00",
      ],
    ],
    [
      list(integer()),
      [
        ["1,2", [1, 2]],
        ["", []],
        [
          [1, "2"],
          [1, 2],
        ],
        ["[1,2]", [1, 2]],
      ],
      ["1,,2", "x", 1, ["x"], "[1"],
    ],
    [
      list(text()),
      [
        ["a,b c", ["a", "b c"]],
        ['["a,b"]', ["a,b"]],
      ],
      [1],
    ],
  ];
  for (const [param, taken, none] of cases) {
    for (const [given, value] of taken) {
      const found = choose({ p: param }, { p: given });
      assert.deepEqual(found.values["p"], value, `${param.takes}: ${given}`);
      assert.deepEqual(
        choose({ p: param }, { p: found.texts["p"] }).values["p"],
        value,
        "its text means the same",
      );
    }
    for (const given of none) {
      const { message } = refused({ p: param }, { p: given });
      assert.ok(
        message.startsWith(`p takes ${param.takes}, and this is `),
        `${param.takes}: ${given}: ${message}`,
      );
    }
  }
});

test("what is recorded of a list is read as the same list", () => {
  const param = list(text());
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", ",", "[", '"', " ", "\\") })), (values) => {
      const { texts } = choose({ p: param }, { p: values });
      assert.deepEqual(choose({ p: param }, { p: texts["p"] }).values["p"], values);
    }),
  );
});

test("decimals of equal value have one text", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.nat(6),
      fc.nat(5),
      fc.integer({ min: -20, max: 20 }),
      (digits, scale, zeros, shift) => {
        const plain = choose({ p: decimal() }, { p: `${digits}e${shift - scale}` }).texts["p"]!;
        const padded = choose(
          { p: decimal() },
          { p: `${digits}${"0".repeat(zeros)}e${shift - scale - zeros}` },
        );
        assert.equal(padded.texts["p"], plain);
        assert.equal(Number(plain), Number(`${digits}e${shift - scale}`) + 0);
        assert.equal(choose({ p: decimal() }, { p: plain }).texts["p"], plain);
      },
    ),
  );
});

test("without being given, a parameter is its fallback, the first choice, or what the slot gives", () => {
  const params = {
    k: integer(3),
    mode: oneOf("fast", "full"),
    dry: flag(),
    on: day(),
    at: time(),
    since: day("2020-01-01"),
    sizes: list(integer(), [2]),
  };
  assert.deepEqual(choose(params, {}).values, {
    k: 3,
    mode: "fast",
    dry: false,
    on: "2026-11-22",
    at: "2026-11-22T00:00:00Z",
    since: "2020-01-01",
    sizes: [2],
  });
  assert.equal(choose(params, { on: "2026-01-01" }).values["on"], "2026-01-01");
});

test("one error tells all that is wrong, and what there is", () => {
  const params = { date: day(), k: integer(3), mode: oneOf("fast", "full"), who: text() };
  const { code, message, hint } = refused(params, { kk: "1", k: "x", mode: "slow" });
  assert.equal(code, "bad-params");
  assert.deepEqual(message.split("\n"), [
    'there is no parameter "kk". Near: k.',
    'k takes a whole number, and this is "x".',
    'mode takes fast or full, and this is "slow".',
    "who has to be given: -p who=…, which takes text.",
  ]);
  assert.deepEqual(hint?.split("\n"), [
    "It has:",
    "  date  a day, such as 2026-11-01 (the last complete slot of the schedule, or --date)",
    "  k     a whole number (3)",
    "  mode  fast or full (fast)",
    "  who   text (has to be given)",
  ]);
  for (const name of ["__proto__", "constructor", "toString"])
    assert.match(refused({ k: integer(3) }, JSON.parse(`{"${name}": 1}`)).message, /there is no parameter/);
});

test("what cannot be a parameter is refused where it is written", () => {
  assert.throws(() => integer(1.5), { code: "bad-params" });
  assert.throws(() => integer(0, { min: 1 }), { code: "bad-params" });
  assert.throws(() => day("yesterday"), { code: "bad-params" });
  assert.throws(() => pipeline({ "a b": text() }, () => new Dag()), { code: "bad-params", message: /"a b"/ });
  assert.throws(() => pipeline({ k: 3 } as never, () => new Dag()), {
    code: "bad-params",
    message: /"k" has no kind/,
  });
  assert.throws(() => pipeline({ k: text() }, undefined as never), { code: "bad-params" });
});

test("a pipeline knows its values' types, and is known as one", () => {
  const one = pipeline(
    { k: integer(3), mode: oneOf("fast", "full"), dry: flag(), sizes: list(decimal()) },
    (values) => {
      const k: number = values.k;
      const mode: "fast" | "full" = values.mode;
      const dry: boolean = values.dry;
      const sizes: readonly string[] = values.sizes;
      // @ts-expect-error: there is no such parameter
      void values.none;
      return new Dag({ name: `${k}${mode}${dry}${sizes.length}` });
    },
  );
  assert.ok(isParamPipeline(one));
  assert.ok(!isParamPipeline(new Dag()));
  assert.ok(!isParamPipeline({ params: {} }));
});

test("choices are given one by one", () => {
  const loosely = oneOf as (...choices: unknown[]) => unknown;
  for (const choices of [[], [["fast", "full"]], ["fast", 1]])
    assert.throws(() => loosely(...choices), { code: "bad-params", hint: 'Write  oneOf("fast", "full")' });
});

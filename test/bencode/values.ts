// Values for property tests.
import fc from "fast-check";
import { normalForm } from "../../src/bencode/normal-form.ts";
import type { Bnormal, Bvalue } from "../../src/bencode/types.ts";

/** All of Unicode, and among it what is easily got wrong: beyond U+FFFF, private use, keys of every object. */
export const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string(),
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "10",
    "9",
    "",
    "\uffff",
    "\u{10000}",
    "é".repeat(300),
  ),
);

export const integer = fc.oneof(
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
  fc.constantFrom(0, -0, 2 ** 53 - 1, 2n ** 53n, -(2n ** 53n), 2n ** 64n),
);

/** Any value that can be encoded, as authors write them: objects with and without prototype, Maps, booleans. */
export const value: fc.Arbitrary<Bvalue> = fc.letrec<{ value: Bvalue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    text,
    integer,
    fc.boolean(),
    fc.uint8Array({ maxLength: 80 }),
    fc.array(tie("value")),
    fc.dictionary(text, tie("value")),
    fc.array(fc.tuple(text, tie("value"))).map((entries) => new Map(entries)),
  ),
})).value;

/** Values in normal form. */
export const normal: fc.Arbitrary<Bnormal> = value.map(normalForm);

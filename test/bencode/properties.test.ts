// The laws of the encoding, over random values and random bytes. ALAMODE_LONG=1 tries a million of the latter.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decode } from "../../src/bencode/decode.ts";
import { encode } from "../../src/bencode/encode.ts";
import { normalForm } from "../../src/bencode/normal-form.ts";
import { compareUtf8, sortUtf8 } from "../../src/bencode/order.ts";
import type { Bvalue } from "../../src/bencode/types.ts";
import { AlamodeError } from "../../src/errors.ts";
import { text, value } from "./values.ts";

const LONG = process.env["ALAMODE_LONG"] === "1";

test("decoding what was encoded gives the value's normal form", () => {
  fc.assert(
    fc.property(value, (value) => {
      assert.deepEqual(decode(encode(value)), normalForm(value));
    }),
    { numRuns: 2000 },
  );
});

test("encoding what was decoded gives the same bytes", () => {
  fc.assert(
    fc.property(value, (value) => {
      const bytes = encode(value);
      assert.deepEqual(encode(decode(bytes)), bytes);
    }),
    { numRuns: 1000 },
  );
});

test("the order in which keys were written never matters", () => {
  fc.assert(
    fc.property(fc.uniqueArray(text), fc.infiniteStream(fc.nat()), (keys, random) => {
      const one = new Map(keys.map((key) => [key, key] as const));
      const shuffled = keys.map((key) => [random.next().value, key] as const).sort((a, b) => a[0] - b[0]);
      const other: Record<string, Bvalue> = Object.create(null);
      for (const [, key] of shuffled) other[key] = key;
      assert.deepEqual(encode(one), encode(other));
    }),
  );
});

test("keys are ordered as their UTF-8 bytes are", () => {
  const unit = fc.constantFrom(
    "a",
    "z",
    "é",
    "\ud7ff",
    "\ue000",
    "\ufeff",
    "\uffff",
    "\u{10000}",
    "\u{1f600}",
    "\u{10ffff}",
  );
  fc.assert(
    fc.property(fc.string({ unit }), fc.string({ unit }), (a, b) => {
      assert.equal(Math.sign(compareUtf8(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const sorted = [a, b].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
      assert.deepEqual(sortUtf8([a, b]), sorted);
    }),
    { numRuns: 5000 },
  );
});

/** The law of decoding: an error of ours, or a value that is encoded as these very bytes. */
function decodesOrRefuses(bytes: Uint8Array): boolean {
  let value: Bvalue;
  try {
    value = decode(bytes);
  } catch (error) {
    assert.ok(error instanceof AlamodeError && error.code === "not-bencode", String(error));
    return false;
  }
  assert.equal(
    Buffer.compare(encode(value), bytes),
    0,
    `${Buffer.from(bytes).toString("latin1")} is encoded otherwise`,
  );
  return true;
}

test("random bytes are refused, or re-encode to themselves", () => {
  let accepted = 0;
  const random = mulberry(1);
  const alphabet = Buffer.from("0123456789:::eeeiilldd-aé\xff", "latin1");
  for (let n = 0; n < (LONG ? 1_000_000 : 50_000); n++) {
    const bytes = new Uint8Array(Math.floor(random() ** 3 * 60) + 1);
    const plain = random() < 0.2;
    for (let i = 0; i < bytes.length; i++) {
      bytes[i] = plain ? Math.floor(random() * 256) : alphabet[Math.floor(random() * alphabet.length)]!;
    }
    if (decodesOrRefuses(bytes)) accepted++;
  }
  assert.ok(accepted > 100, `only ${accepted} were accepted: the bytes are too wild to say anything`);
});

test("every truncation and every change of a byte of an encoded value is refused, or re-encodes to itself", () => {
  fc.assert(
    fc.property(value, fc.infiniteStream(fc.integer({ min: 0, max: 255 })), (value, random) => {
      const bytes = encode(value);
      if (bytes.length > 500) return;
      for (let end = 0; end < bytes.length; end++)
        assert.equal(decodesOrRefuses(bytes.subarray(0, end)), false);
      for (let at = 0; at < bytes.length; at++) {
        const changed = Uint8Array.from(bytes);
        changed[at] = random.next().value;
        decodesOrRefuses(changed);
      }
    }),
    { numRuns: 100 },
  );
});

/** Small seeded generator, so that a failure can be repeated. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Fifty real plan files, cut short at every byte and changed at every byte: each is loaded as what it says, or refused by
// the one error class. Normally with one change a byte; ALAMODE_LONG=1 tries eight.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../src/bencode/decode.ts";
import { encode } from "../../src/bencode/encode.ts";
import type { Bnormal } from "../../src/bencode/types.ts";
import { AlamodeError } from "../../src/errors.ts";
import { decodePlan } from "../../src/plan/load.ts";
import { vectors } from "./vectors.ts";

const LONG = process.env["ALAMODE_LONG"] === "1";
const CHANGES = LONG ? 8 : 1;

/** The fifty smallest, up to 2 KB. */
const plans = vectors
  .map(({ plan }) => plan)
  .sort((a, b) => a.length - b.length)
  .slice(0, 50);

/** Undefined where it was refused, as it should be. */
function loaded<Result>(load: () => Result): Result | undefined {
  try {
    return load();
  } catch (error) {
    assert.ok(error instanceof AlamodeError, String(error));
    assert.ok(["not-bencode", "not-a-plan", "plan-mismatch"].includes(error.code), error.code);
    return undefined;
  }
}

test("a plan file cut short anywhere is refused", () => {
  for (const plan of plans) {
    for (let end = 0; end < plan.length; end++) {
      const cut = plan.subarray(0, end);
      assert.equal(
        loaded(() => decode(cut)),
        undefined,
      );
      if (LONG || end % 8 === 0)
        assert.equal(
          loaded(() => decodePlan(cut)),
          undefined,
        );
    }
  }
});

test("a plan file with a changed byte decodes to what it says, or is refused", () => {
  let state = 1;
  for (const plan of plans) {
    for (let at = 0; at < plan.length; at++) {
      for (let n = 0; n < CHANGES; n++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        const changed = Uint8Array.from(plan);
        changed[at] = changed[at]! ^ (((state >>> 24) % 255) + 1);
        const value = loaded<Bnormal>(() => decode(changed));
        if (value === undefined) continue;
        assert.equal(Buffer.compare(encode(value), changed), 0);
        // It may still be a plan: names of tasks and meta are not hashed.
        loaded(() => decodePlan(changed));
      }
    }
  }
});

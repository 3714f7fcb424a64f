// What becomes of secrets in bytes that pass by: however they are written, and however they are cut into pieces.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formsOf } from "../../src/engine/secrets/forms.ts";
import { Mask, maskText } from "../../src/engine/secrets/mask.ts";
import { Needles } from "../../src/store/needles.ts";

/** Text as a variable can hold it: no NUL, no half of a surrogate pair, 8 bytes or more. */
const secret = fc
  .oneof(
    fc.string({ minLength: 8, maxLength: 40 }),
    fc.string({ unit: "grapheme", minLength: 8, maxLength: 20 }),
    fc.string({ unit: fc.constantFrom("a", "b", "+", "/", "%", " ", "\n"), minLength: 8, maxLength: 30 }),
  )
  .filter((text) => !text.includes("\0") && Buffer.byteLength(text) >= 8);
/** What may stand around it. */
const around = fc.string({ unit: "binary", maxLength: 20 });
const cuts = fc.array(fc.nat(200), { maxLength: 12 });

/** Passes text through in pieces that end at these places. */
function passed(needles: Needles, text: string, ends: readonly number[]): string {
  const bytes = Buffer.from(text);
  const mask = new Mask(needles);
  const out: Buffer[] = [];
  let at = 0;
  for (const end of [...ends].sort((a, b) => a - b).concat(bytes.length)) {
    // A buffer that is filled again, as the engine's is.
    const piece = Buffer.from(bytes.subarray(at, Math.max(at, end)));
    out.push(mask.push(piece));
    piece.fill("#");
    at = Math.max(at, end);
  }
  return Buffer.concat([...out, mask.end()]).toString();
}

/** Ways in which programs write a text. */
const writings: Readonly<Record<string, (text: string, before: string, after: string) => string>> = {
  plain: (text, before, after) => before + text + after,
  base64: (text, before, after) => Buffer.from(before + text + after).toString("base64"),
  base64url: (text, before, after) => Buffer.from(before + text + after).toString("base64url"),
  uri: (text, before, after) => `${before}?key=${encodeURIComponent(text)}&${after}`,
  form: (text) => `x=1&${new URLSearchParams({ key: text })}`,
  lower: (text) => encodeURIComponent(text).replace(/%../g, (hex) => hex.toLowerCase()),
  json: (text, before) => JSON.stringify({ before, text }),
};

/** The longest part of a writing that is the secret's own, found without the code under test. */
function tellsSecret(name: string, out: string, text: string): boolean {
  if (name === "plain") return out.includes(text);
  if (name === "base64" || name === "base64url") {
    // What decodes to the secret, from any of the four places a character can have.
    const alphabet = out.replace(/[^A-Za-z0-9+/_-]/g, "\n");
    return alphabet
      .split("\n")
      .some((run) =>
        [0, 1, 2, 3].some((skip) => Buffer.from(run.slice(skip), "base64").includes(Buffer.from(text))),
      );
  }
  if (name === "json") return out.includes(JSON.stringify(text).slice(1, -1));
  const decoded = (plus: boolean) =>
    out.split(/[&=?]/).map((part) => {
      try {
        return decodeURIComponent(plus ? part.replaceAll("+", " ") : part);
      } catch {
        return "";
      }
    });
  return [...decoded(false), ...decoded(true)].some((part) => part.includes(text));
}

test("a random secret, in random writing and random pieces, is never in what comes out", () => {
  fc.assert(
    fc.property(
      secret,
      fc.constantFrom(...Object.keys(writings)),
      around,
      around,
      cuts,
      (text, name, before, after, ends) => {
        fc.pre(text.isWellFormed());
        const written = writings[name]!(text, before, after);
        const out = passed(new Needles(formsOf(text)), written, ends);
        assert.ok(
          !tellsSecret(name, out, text),
          `${JSON.stringify(text)} as ${name}: ${JSON.stringify(out)}`,
        );
        assert.ok(out.includes("***"));
      },
    ),
    { numRuns: 2000 },
  );
});

test("what holds no secret passes unchanged, and the pieces make no difference", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 2, maxLength: 6 }), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 60 }),
      cuts,
      (all, text, ends) => {
        const needles = new Needles(all);
        const out = passed(needles, text, ends);
        assert.equal(out, maskText(needles, text));
        const covered = Array.from({ length: text.length }, () => false);
        for (const needle of all)
          for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + 1))
            covered.fill(true, at, at + needle.length);
        const expected = [...text]
          .map((character, i) => (covered[i] ? (covered[i - 1] ? "" : "***") : character))
          .join("");
        // Two that touch are masked each.
        assert.equal(out.replaceAll(/(\*\*\*)+/g, "***"), expected);
      },
    ),
    { numRuns: 1000 },
  );
});

test("lines of a key are masked one by one, and short values are not looked for", () => {
  const key =
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nshort\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----\n";
  const needles = new Needles(formsOf(key));
  assert.equal(maskText(needles, "x MIIEvQIBADANBgkqhkiG9w0B y short\n"), "x *** y short\n");
  assert.equal(maskText(needles, `<${key}>`), "<***>");
  assert.deepEqual(formsOf("1234567"), []);
  assert.deepEqual(formsOf("a\nb\nc"), []);
});

test("text that cannot go on as a secret is let go of at once", () => {
  const mask = new Mask(new Needles(["password"]));
  assert.equal(mask.push(Buffer.from("ready\n")).toString(), "ready\n");
  assert.equal(mask.push(Buffer.from("my pass")).toString(), "my ");
  assert.equal(mask.push(Buffer.from("age\n")).toString(), "passage\n");
  assert.equal(mask.push(Buffer.from("pass")).toString(), "");
  assert.equal(mask.end().toString(), "pass");
});

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { decode } from "../../src/bencode/decode.ts";
import { AlamodeError } from "../../src/errors.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

function refusal(text: string): string {
  try {
    decode(bytes(text));
  } catch (error) {
    assert.ok(error instanceof AlamodeError);
    assert.equal(error.code, "not-bencode");
    return error.message;
  }
  return assert.fail(`${text.slice(0, 80)} was decoded`);
}

test("values come in normal form", () => {
  assert.equal(decode(bytes("4:spam")), "spam");
  assert.equal(decode(bytes("i-42e")), -42);
  assert.equal(decode(bytes("i9007199254740991e")), 2 ** 53 - 1);
  assert.equal(decode(bytes("i9007199254740992e")), 2n ** 53n);
  assert.equal(decode(bytes("i-9007199254740993e")), -9007199254740993n);
  assert.deepEqual(decode(bytes("2:\xc3\xa9")), "é");
  assert.deepEqual(decode(bytes("1:\xff")), new Uint8Array([255]));
  const map = decode(bytes("d9:__proto__i1e1:alee")) as object;
  assert.equal(Object.getPrototypeOf(map), null);
  assert.deepEqual(Object.entries(map), [
    ["__proto__", 1],
    ["a", []],
  ]);
});

test("bytes do not hold on to the file they came from", () => {
  const file = bytes("l1:\xffe");
  const [inner] = decode(file) as [Uint8Array];
  file.fill(0);
  assert.deepEqual(inner, new Uint8Array([255]));
});

test("what the encoder would not have written is refused, with the offset", () => {
  const cases: [string, RegExp][] = [
    ["", /byte 0: the bytes end too early/],
    ["i01e", /begins with 0/],
    ["i-0e", /-0/],
    ["i-01e", /begins with 0/],
    ["ie", /no digits/],
    ["i-e", /no digits/],
    ["i+1e", /no digits/],
    ["i1.5e", /byte 2: an integer holds more than digits/],
    ["i12", /end within an integer/],
    ["01:a", /a length begins with 0/],
    ["2:a", /longer than what is left/],
    ["99999999999999999999:a", /longer than what is left/],
    ["1ab", /byte 1: .*colon/],
    ["-1:a", /no value begins/],
    ["l", /byte 1: the bytes end too early/],
    ["li1e", /end too early/],
    ["4:spamx", /byte 6: more bytes follow/],
    ["di1ei2ee", /byte 1: a key must be text/],
    ["d1:ae", /byte 4/],
    ["d1:bi1e1:ai1ee", /byte 7: keys are not sorted/],
    ["d1:ai1e1:ai1ee", /byte 7: a key is repeated/],
    ["d2:aai1e1:ai1ee", /byte 8: keys are not sorted/],
    ["d1:\xffi1ee", /byte 1: a key is not UTF-8/],
    ["d4:\xf0\x90\x80\x80i1e3:\xef\xbf\xbfi1ee", /not sorted/],
    [`i${"1".repeat(1_000_001)}e`, /more than 1000000 digits/],
    [`${"l".repeat(501)}${"e".repeat(501)}`, /byte 500: more than 500/],
    ["x", /byte 0: no value begins/],
  ];
  for (const [text, message] of cases) assert.match(refusal(text), message);
});

test("500 lists within each other are decoded, as they are encoded", () => {
  assert.ok(Array.isArray(decode(bytes(`${"l".repeat(500)}${"e".repeat(500)}`))));
});

test("a small file that would become more values than memory holds costs an error, not the process", () => {
  const script = `
    import { decode } from ${JSON.stringify(new URL("../../src/bencode/decode.ts", import.meta.url).href)};
    for (const [unit, count] of [["de", 8e6], ["i1e", 3e7], ["1:\\xff", 4e6], ["le", 1e7]]) {
      const bytes = Buffer.alloc(unit.length * count + 2, unit, "latin1");
      bytes.copyWithin(1, 0, bytes.length - 2);
      bytes[0] = 0x6c;
      bytes[bytes.length - 1] = 0x65;
      try { decode(bytes); console.log("decoded"); } catch (error) { console.log(error.code); }
    }
    const unique = Buffer.alloc(12e6 * 10 + 2, "l");
    for (let i = 0; i < 12e6; i++) unique.write("8:" + (1e7 + i), 1 + i * 10, "latin1");
    unique[unique.length - 1] = 0x65;
    try { decode(unique); console.log("decoded"); } catch (error) { console.log(error.code); }`;
  const output = execFileSync(
    process.execPath,
    ["--max-old-space-size=200", "--input-type=module", "-e", script],
    {
      encoding: "utf8",
    },
  );
  assert.deepEqual(output.trim().split("\n"), new Array(5).fill("not-bencode"));
});

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { encode } from "../../src/bencode/encode.ts";
import type { Bvalue } from "../../src/bencode/types.ts";
import { AlamodeError } from "../../src/errors.ts";
import { hashTree } from "../../src/store/hash.ts";
import { seal } from "../../src/store/seal.ts";
import { decodeTree, encodeTree, treeDigest } from "../../src/store/tree.ts";
import type { Tree, TreeEntry } from "../../src/store/types.ts";
import { build, scratch, type Thing } from "./scratch.ts";

const goldenFile = new URL("../golden/trees.json", import.meta.url);

/** Trees whose digests never change; `""` stands for a lone file. */
const fixed: Readonly<Record<string, Readonly<Record<string, Thing>>>> = {
  "empty folder": {},
  "lone empty file": { "": "" },
  "lone file": { "": "hello\n" },
  "lone executable": { "": { run: "#!/bin/sh\n" } },
  "folders, links, executables": {
    "a.txt": "a",
    "bin/tool": { run: "#!/bin/sh\necho hi\n" },
    "bin/alias": { link: "tool" },
    "bin/none": null,
    dangling: { link: "not/there" },
    "out-of-order-0": "0",
    "out-of-order/1": "1",
    "10": "ten",
    "9": "nine",
    ["__proto__"]: "an ordinary name",
  },
  "names of all kinds": {
    "😀.txt": "beyond U+FFFF",
    "\uFF5E.txt": "below, but after the surrogates in UTF-16",
    "line\nbreak": "newline",
    "\uFFFD": "the replacement character itself",
    "\u00E9": "composed",
    "e\u0301": "decomposed",
    " ": "space",
    "%2F": "percent",
  },
  "bytes that are not text": { bytes: Uint8Array.of(0xff, 0xfe, 0x00) },
};

test("the digests of fixed trees never change", async (t) => {
  const found: Record<string, { encoded: string; digest: string }> = {};
  for (const [name, things] of Object.entries(fixed)) {
    const dir = scratch(t);
    const path = `${dir}/OUTPUT`;
    if ("" in things) build(dir, { OUTPUT: things[""]! });
    else build(path, things);
    const sealed = await seal(path, {});
    assert.equal((await hashTree(path)).digest, sealed.digest, name);
    assert.deepEqual(decodeTree(sealed.encoded), sealed.tree, name);
    found[name] = { encoded: Buffer.from(sealed.encoded).toString("utf8"), digest: sealed.digest };
  }
  if (process.env["UPDATE_GOLDEN"]) {
    writeFileSync(goldenFile, `${JSON.stringify(found, null, 2)}\n`);
    return t.skip("rewrote test/golden/trees.json");
  }
  assert.deepEqual(found, JSON.parse(readFileSync(goldenFile, "utf8")));
});

const sha256 = "0".repeat(64);
const file = { executable: 0, sha256, size: 0 };

test("what no tree can be is not decoded", () => {
  const wrong: Readonly<Record<string, Bvalue>> = {
    "not a map": [],
    "an entry that is text": { a: "x" },
    "no kind": { a: {} },
    "two kinds": { a: { folder: 1, link: "x" } },
    "folder: 0": { a: { folder: 0 } },
    "empty link": { a: { link: "" } },
    "link with NUL": { a: { link: "a\0b" } },
    "missing size": { a: { executable: 0, sha256 } },
    "negative size": { a: { ...file, size: -1 } },
    "size beyond 2^53": { a: { ...file, size: 2n ** 60n } },
    "executable 2": { a: { ...file, executable: 2 } },
    "short digest": { a: { ...file, sha256: "00" } },
    "upper case digest": { a: { ...file, sha256: "A".repeat(64) } },
    "extra key": { a: { ...file, mode: 1 } },
    "absolute path": { "/a": file },
    "path that leaves": { "../a": file },
    "path with .": { "./a": file },
    "path with empty name": { "a/": file },
    "path with NUL": { "a\0": file },
    "no entry for its folder": { "a/b": file },
    "a file as folder": { a: file, "a/b": file },
    "lone folder": { "": { folder: 1 } },
    "lone file with company": { "": file, a: file },
  };
  for (const [what, value] of Object.entries(wrong)) {
    assert.throws(() => decodeTree(encode(value)), { code: "bad-tree" }, what);
  }
});

const name = fc.string({ unit: "binary", minLength: 1, maxLength: 8 }).filter((text) => {
  return text.isWellFormed() && !/[/\0]/.test(text) && text !== "." && text !== "..";
});
const leaf: fc.Arbitrary<TreeEntry> = fc.oneof(
  fc.record(
    {
      kind: fc.constant("file" as const),
      size: fc.maxSafeNat(),
      sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
      executable: fc.boolean(),
    },
    { noNullPrototype: true },
  ),
  fc.constant({ kind: "folder" as const }),
  name.map((target) => ({ kind: "link" as const, target })),
);
const trees: fc.Arbitrary<Tree> = fc
  .array(fc.tuple(fc.array(name, { minLength: 1, maxLength: 3 }), leaf))
  .map((list) => {
    const tree = new Map<string, TreeEntry>();
    for (const [names, entry] of list) {
      for (let depth = 1; depth < names.length; depth++)
        tree.set(names.slice(0, depth).join("/"), { kind: "folder" });
      if (!tree.has(names.join("/"))) tree.set(names.join("/"), entry);
    }
    return tree;
  });

test("decoding undoes encoding, whatever the order of insertion", () => {
  fc.assert(
    fc.property(trees, (tree) => {
      const encoded = encodeTree(tree);
      const again = decodeTree(encoded);
      assert.deepEqual(new Map([...again].toSorted()), new Map([...tree].toSorted()));
      assert.deepEqual(encodeTree(new Map([...tree].toReversed())), encoded);
      assert.equal(treeDigest(encodeTree(again)), treeDigest(encoded));
    }),
  );
});

test("a damaged encoding decodes to something that encodes to it, or is refused", () => {
  fc.assert(
    fc.property(trees, fc.nat(), fc.integer({ min: 0, max: 255 }), (tree, at, byte) => {
      const bytes = Uint8Array.from(encodeTree(tree));
      bytes[at % bytes.length] = byte;
      let decoded: Tree;
      try {
        decoded = decodeTree(bytes);
      } catch (error) {
        return assert.ok(error instanceof AlamodeError, String(error));
      }
      assert.deepEqual(encodeTree(decoded), bytes);
    }),
  );
});

// How trees and files are told to differ.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { firstDifference, treeDifferences } from "../../src/engine/verify-compare.ts";
import type { Tree, TreeEntry } from "../../src/store/types.ts";
import { scratch } from "./rig.ts";

const entry: fc.Arbitrary<TreeEntry> = fc.oneof(
  fc.record({
    kind: fc.constant("file" as const),
    size: fc.nat(1),
    sha256: fc.constantFrom("a".repeat(64), "b".repeat(64)),
    executable: fc.boolean(),
  }),
  fc.constant({ kind: "folder" as const }),
  fc.record({ kind: fc.constant("link" as const), target: fc.constantFrom("x", "y") }),
);
const tree: fc.Arbitrary<Tree> = fc
  .dictionary(fc.constantFrom("a", "b", "c", "d"), entry)
  .map((entries) => new Map(Object.entries(entries)));

test("trees differ in exactly the paths whose entries do", () => {
  fc.assert(
    fc.property(tree, tree, (recorded, found) => {
      const told = treeDifferences(recorded, found).map(({ kind, path }) => `${kind} ${path}`);
      const paths = [...new Set([...recorded.keys(), ...found.keys()])].sort();
      const expected = paths.flatMap((path) => {
        const [was, is] = [recorded.get(path), found.get(path)];
        if (was === undefined) return `added ${path}`;
        if (is === undefined) return `missing ${path}`;
        return JSON.stringify(Object.entries(was).sort()) === JSON.stringify(Object.entries(is).sort())
          ? []
          : `changed ${path}`;
      });
      assert.deepEqual(told, expected);
    }),
  );
});

test("a file where a folder was, at the top, is one difference", () => {
  const file: Tree = new Map([["", { kind: "file", size: 1, sha256: "a".repeat(64), executable: false }]]);
  const folder: Tree = new Map([
    ["a", { kind: "folder" }],
    ["b", { kind: "folder" }],
  ]);
  assert.deepEqual(treeDifferences(file, folder), [
    { kind: "changed", path: "", how: "is a folder, was a file", content: false },
  ]);
  assert.equal(treeDifferences(folder, file).length, 1);
  assert.deepEqual(treeDifferences(new Map(), new Map()), []);
});

test("the first other byte is found, whatever the lengths, also beyond a mebibyte", async (t) => {
  const dir = scratch(t);
  const [a, b] = [join(dir, "a"), join(dir, "b")] as const;
  const compare = (one: Uint8Array, other: Uint8Array) => {
    writeFileSync(a, one);
    writeFileSync(b, other);
    return firstDifference(a, b);
  };
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ max: 1 }), fc.uint8Array({ max: 1 }), async (one, other) => {
      const first = await compare(one, other);
      const offset = [...one, -1].findIndex((byte, i) => byte !== ([...other, -1][i] ?? -2));
      if (Buffer.compare(one, other) === 0) return assert.equal(first, undefined);
      const from = Math.max(0, offset - 8);
      const around = (bytes: Uint8Array) => Buffer.from(bytes.subarray(from, offset + 8)).toString("hex");
      assert.deepEqual(first, { offset, from, recorded: around(one), found: around(other) });
    }),
    { numRuns: 60 },
  );
  const large = Buffer.alloc(2 * 2 ** 20 + 5, "x");
  assert.equal(await compare(large, large), undefined);
  for (const at of [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 3, large.length - 1]) {
    const other = Buffer.from(large);
    other[at] = 0;
    assert.equal((await compare(large, other))?.offset, at);
    assert.equal((await compare(large, large.subarray(0, at)))?.offset, at);
  }
});

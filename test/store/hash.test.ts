// Large files are hashed by threads, some at a time; what comes of it is the same as of small ones.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { hash } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { hashEntries, hashFile, hashTree } from "../../src/store/hash.ts";
import { Needles } from "../../src/store/needles.ts";
import { Turn } from "../../src/store/turn.ts";
import { scratch } from "./scratch.ts";

const MIB = 1024 * 1024;
const LARGE = 9 * MIB;

/** A file of zeros but for some texts, each at its place. */
function fileOf(path: string, size: number, texts: Readonly<Record<number, string>> = {}): string {
  const fd = openSync(path, "w");
  ftruncateSync(fd, size);
  for (const [at, text] of Object.entries(texts)) writeSync(fd, text, Number(at));
  closeSync(fd);
  return path;
}

const sha256 = (path: string) => hash("sha256", readFileSync(path));

test("files of every size have the digest of their bytes", async (t) => {
  const dir = scratch(t);
  for (const size of [0, 1, 65_535, 65_536, MIB, MIB + 1, 3 * MIB, 8 * MIB, 8 * MIB + 1, LARGE + 7]) {
    const file = fileOf(join(dir, String(size)), size, size > 0 ? { 0: "x", [size - 1]: "y" } : {});
    const content = await hashFile(file, size);
    assert.deepEqual(content, { sha256: sha256(file), size, found: new Set() }, String(size));
  }
});

test("needles are found in large files, across the borders of what is read at once too", async (t) => {
  const file = fileOf(join(scratch(t), "file"), LARGE, {
    [MIB - 3]: "needle one",
    [8 * MIB - 1]: "needle two",
    [LARGE - 12]: "needle three",
  });
  const needles = new Needles(["needle one", "needle two", "needle three", "needle four"]);
  const { found, sha256: digest } = await hashFile(file, LARGE, needles);
  assert.deepEqual([...found].sort(), [0, 1, 2]);
  assert.equal(digest, sha256(file));
});

test("a tree has its files in order, however long each took", async (t) => {
  const dir = scratch(t);
  mkdirSync(join(dir, "sub"));
  const sizes = { a: LARGE * 2, b: 3, "sub/c": LARGE, "sub/d": 2 * MIB, z: 1 };
  for (const [path, size] of Object.entries(sizes)) fileOf(join(dir, path), size, { 0: path });
  const { tree, sizeBytes, files } = await hashTree(dir);
  assert.deepEqual([...tree.keys()], ["a", "b", "sub", "sub/c", "sub/d", "z"]);
  assert.deepEqual([sizeBytes, files], [LARGE * 3 + 2 * MIB + 4, 5]);
  for (const path of Object.keys(sizes)) {
    const entry = tree.get(path);
    assert.ok(entry?.kind === "file" && entry.sha256 === sha256(join(dir, path)), path);
  }
});

test("a needle is told of the first file that has it, however long that takes to read", async (t) => {
  const dir = scratch(t);
  fileOf(join(dir, "a"), LARGE, { [LARGE - 6]: "needle" });
  writeFileSync(join(dir, "b"), "needle");
  const listed = ["a", "b"].map((path) => ({ path, kind: "file" as const }));
  const look = (place: string) => ({ size: statSync(place).size, executable: false });
  const options = { look, turn: new Turn(), needles: new Needles(["needle"]) };
  assert.deepEqual((await hashEntries(dir, listed, options)).needlesIn, new Map([[0, "a"]]));
});

test("a large file that is not there, changes, or is no longer wanted fails as a small one does, and nothing else stands still", async (t) => {
  const dir = scratch(t);
  const file = fileOf(join(dir, "file"), LARGE);
  await assert.rejects(Promise.resolve(hashFile(join(dir, "none"), LARGE)), {
    code: "ENOENT",
    syscall: "open",
  });
  const reason = new Error("not wanted");
  await assert.rejects(Promise.resolve(hashFile(file, LARGE, undefined, AbortSignal.abort(reason))), reason);
  const ends = new AbortController();
  const huge = hashFile(fileOf(join(dir, "huge"), 2 ** 36), 2 ** 36, undefined, ends.signal);
  setImmediate(() => ends.abort(reason));
  await assert.rejects(Promise.resolve(huge), reason);

  writeFileSync(join(dir, "small"), "x");
  const listed = ["file", "small"].map((path) => ({ path, kind: "file" as const }));
  const look = () => ({ size: LARGE - 1, executable: false });
  await assert.rejects(hashEntries(dir, listed, { look, turn: new Turn() }), { code: "bad-output" });
  assert.equal((await hashTree(file)).sizeBytes, LARGE);
});

const HASH_MODULE = pathToFileURL(join(import.meta.dirname, "../../src/store/hash.ts")).href;

/** What a process prints that hashes the file alone, with `flags` for Node.js, and started by `under`. */
function hashedApart(file: string, flags: readonly string[], under: readonly string[] = []): string {
  const code = `import { hashFile } from "${HASH_MODULE}"; console.log((await hashFile(process.argv[1], ${LARGE})).sha256);`;
  const node = [process.execPath, ...flags, "--input-type=module", "-e", code, file];
  const [program, ...args] = [...under, ...node];
  const { stdout, stderr } = spawnSync(program!, args, { encoding: "utf8" });
  return stdout.trim() || stderr;
}

test("where no thread can be started, a large file is hashed all the same", (t) => {
  const file = fileOf(join(scratch(t), "file"), LARGE, { [LARGE - 1]: "x" });
  assert.equal(hashedApart(file, ["--permission", "--allow-fs-read=*"]), sha256(file));
});

test("where addresses are limited no thread is started, which would end the process", {
  skip: process.platform !== "linux",
}, (t) => {
  const file = fileOf(join(scratch(t), "file"), LARGE, { [LARGE - 1]: "x" });
  const limited = ["/bin/sh", "-c", 'ulimit -v 2200000; exec "$@"', "sh"];
  assert.equal(hashedApart(file, [], limited), sha256(file));
});

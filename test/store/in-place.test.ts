import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { OutputId } from "../../src/plan/types.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import { hashTree } from "../../src/store/hash.ts";
import type { Store } from "../../src/store/types.ts";
import { scratch } from "./scratch.ts";

const output = "ab".repeat(32) as OutputId;
const underLease = { taken: [], mayMoveAside: true };

/** A store, and beside it a folder that is not its own. */
async function fresh(t: TestContext): Promise<{ store: Store; outputs: string; data: string }> {
  const dir = scratch(t);
  const store = await openFolderStore(join(dir, "store"));
  t.after(() => store.close());
  const data = join(dir, "data");
  mkdirSync(join(data, "sub"), { recursive: true });
  writeFileSync(join(data, "a"), "one");
  writeFileSync(join(data, "sub/b"), "two");
  return { store, outputs: join(dir, "store/outputs"), data };
}

const digests = (files: readonly string[]) =>
  files.map((file) => createHash("sha256").update(readFileSync(file)).digest("hex"));

test("a tree in place is the tree that a copy of it would be, whatever its modes", async (t) => {
  const { store, data } = await fresh(t);
  const plain = await hashTree(data);
  chmodSync(join(data, "a"), 0o777);
  const sealed = await store.sealInPlace(data, digests);
  assert.equal(sealed.digest, plain.digest);
  assert.equal(lstatSync(join(data, "a")).mode & 0o777, 0o777, "nothing of it was changed");

  const { location, stamps } = await store.commit(output, sealed, underLease);
  assert.equal(location, `ab/${output}.${sealed.digest.slice(0, 16)}.place`);
  assert.equal((await store.stage(location, sealed.digest)).path, data);
  assert.deepEqual(await store.present([location]), [true]);
  assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
  chmodSync(join(data, "a"), 0o644);
  assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
  assert.equal((await store.rehash(location))!.digest, plain.digest);
});

test("an edit, an added file and a lost folder are seen", async (t) => {
  const { store, data } = await fresh(t);
  const sealed = await store.sealInPlace(data, digests);
  const { location, stamps } = await store.commit(output, sealed, underLease);
  writeFileSync(join(data, "sub/b"), "more");
  const edited = await store.check(location, { ...sealed, stamps });
  assert.deepEqual([edited.kind, edited.kind === "damaged" && edited.path], ["damaged", "sub/b"]);
  writeFileSync(join(data, "c"), "new");
  const added = await store.check(location, { ...sealed, stamps });
  assert.deepEqual([added.kind, added.kind === "damaged" && added.path], ["damaged", "c"]);
  assert.notEqual((await store.rehash(location))!.digest, sealed.digest);
  renameSync(data, `${data}.away`);
  assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "missing" });
  assert.deepEqual(await store.present([location]), [false]);
  assert.equal(await store.rehash(location), undefined);
  await assert.rejects(async () => store.stage(location, sealed.digest), { code: "output-missing" });
});

test("a lone file can stay in place; links cannot", async (t) => {
  const { store, data } = await fresh(t);
  const sealed = await store.sealInPlace(join(data, "a"), digests);
  const { location, stamps } = await store.commit(output, sealed, underLease);
  assert.equal(readFileSync((await store.stage(location, sealed.digest)).path, "utf8"), "one");
  assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
  symlinkSync("../a", join(data, "sub/link"));
  await assert.rejects(store.sealInPlace(data, digests), { code: "bad-output", message: /sub\/link/ });
});

test("what has moved is found at its new place; what lies at the location otherwise is left alone", async (t) => {
  const { store, outputs, data } = await fresh(t);
  const first = await store.commit(output, await store.sealInPlace(data, digests), underLease);
  const usual = join(outputs, "ab", output);
  assert.equal(readlinkSync(usual), `../${first.location}`);
  renameSync(data, `${data}.moved`);
  const moved = await store.sealInPlace(`${data}.moved`, digests);
  const second = await store.commit(output, moved, underLease);
  assert.equal(second.location, first.location);
  assert.equal((await store.stage(second.location, moved.digest)).path, `${data}.moved`);

  const other = "cd".repeat(32) as OutputId;
  mkdirSync(join(outputs, "cd", `${other}.${moved.digest.slice(0, 16)}.place`), { recursive: true });
  await assert.rejects(store.commit(other, moved, underLease), { code: "location-occupied" });
});

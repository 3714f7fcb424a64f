// What every kind of store keeps to. Each driver's tests call this with a way to open it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { AlamodeError } from "../../src/errors.ts";
import type { Location, SealedTree, Store, TreeDigest } from "../../src/store/types.ts";
import { build, outputId, scratch, type Thing } from "./scratch.ts";

/** The digest of no tree. */
const noTree = "0".repeat(64) as TreeDigest;
const nothingTaken = { taken: [], mayMoveAside: false };

/** `open` gives a fresh store that may use the folder `dir`, or the one opened there before. */
export function storeContract(name: string, open: (dir: string) => Promise<Store>): void {
  const inStore = (what: string, body: (store: Store, dir: string) => Promise<void>) =>
    test(`${name}: ${what}`, async (t) => {
      const dir = scratch(t);
      const store = await open(dir);
      try {
        await body(store, dir);
      } finally {
        await store.close();
      }
    });

  inStore("a folder comes back as it was committed", async (store) => {
    const things = {
      "a.txt": "one",
      "sub/b": "two",
      "sub/empty": null,
      "to-b": { link: "sub/b" },
      tool: { run: "#!" },
    };
    const sealed = await sealedFrom(store, things);
    const { location, stamps } = await store.commit(outputId("a"), sealed, nothingTaken);
    const { path } = await store.stage(location, sealed.digest);
    assert.equal(readFileSync(`${path}/to-b`, "utf8"), "two");
    assert.deepEqual(readdirSync(`${path}/sub/empty`), []);
    assert.equal(statSync(`${path}/tool`).mode & 0o777, 0o555);
    assert.equal(statSync(`${path}/a.txt`).mode & 0o777, 0o444);
    assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
    assert.equal((await store.rehash(location))?.digest, sealed.digest);
  });

  inStore("a lone file, an empty file and an empty folder come back too", async (store) => {
    for (const [digit, content] of [
      ["a", "text"],
      ["b", ""],
      ["c", null],
    ] as const) {
      const sealed = await store.seal(lone(store, digit, content), {});
      const { location, stamps } = await store.commit(outputId(digit), sealed, nothingTaken);
      const { path } = await store.stage(location, sealed.digest);
      if (content === null) assert.deepEqual(readdirSync(path), []);
      else assert.equal(readFileSync(path, "utf8"), content);
      assert.deepEqual(await store.check(location, { ...sealed, stamps }), { kind: "intact" });
      assert.equal((await store.rehash(location))?.digest, sealed.digest);
    }
  });

  inStore("what nobody committed is not present, cannot be staged, has no digest", async (store) => {
    const nowhere = `aa/${outputId("a")}.${"0".repeat(16)}` as Location;
    assert.deepEqual(await store.present([nowhere]), [false]);
    assert.equal(await store.rehash(nowhere), undefined);
    assert.equal(await store.moveAside(nowhere), undefined);
    await assert.rejects(async () => store.stage(nowhere, noTree), { code: "output-missing" });
    const sealed = await sealedFrom(store, { a: "1" });
    assert.deepEqual(await store.check(nowhere, { ...sealed, stamps: sealed.stamps }), { kind: "missing" });
    const { location } = await store.commit(outputId("b"), sealed, nothingTaken);
    assert.deepEqual(await store.present([nowhere, location, nowhere]), [false, true, false]);
  });

  inStore("a second, different tree of an output goes beside the first", async (store) => {
    const sealedFirst = await sealedFrom(store, { a: "1" });
    const first = await store.commit(outputId("a"), sealedFirst, nothingTaken);
    const taken = { taken: [first.location], mayMoveAside: true };
    const sealed = await sealedFrom(store, { a: "2" }, "second");
    const second = await store.commit(outputId("a"), sealed, taken);
    assert.notEqual(second.location, first.location);
    assert.ok(second.location.endsWith(`.${sealed.digest.slice(0, 16)}`), second.location);
    assert.equal(await read(store, first.location, sealedFirst), "1");
    assert.equal(await read(store, second.location, sealed), "2");
  });

  inStore("a tree that lies at its suffixed location already is taken as it is", async (store) => {
    for (const [digit, content] of [
      ["a", { a: "1" }],
      ["b", "file"],
      ["c", null],
    ] as const) {
      const commit = async (slot: string) => {
        const path =
          content !== null && typeof content === "object"
            ? put(store, slot, content)
            : lone(store, slot, content);
        const sealed = await store.seal(path, {});
        const taken = [`${digit}${digit}/${outputId(digit)}` as Location];
        return { sealed, ...(await store.commit(outputId(digit), sealed, { taken, mayMoveAside: false })) };
      };
      const first = await commit(`${digit}1`);
      const second = await commit(`${digit}2`);
      assert.equal(second.location, first.location);
      // Both makers' stamps hold: nothing of the first was touched.
      assert.deepEqual(await store.check(first.location, { ...first.sealed, stamps: first.stamps }), {
        kind: "intact",
      });
      assert.deepEqual(await store.check(second.location, { ...second.sealed, stamps: second.stamps }), {
        kind: "intact",
      });
    }
  });

  inStore("rubbish is in the way of nothing, and takes nothing away", async (store) => {
    const output = outputId("a");
    const rubbish = await store.commit(output, await sealedFrom(store, { a: "rubbish" }), nothingTaken);
    const second = await sealedFrom(store, { a: "2" }, "second");
    const beside = await store.commit(output, second, nothingTaken);
    assert.notEqual(beside.location, rubbish.location);
    const third = await sealedFrom(store, { a: "3" }, "third");
    const instead = await store.commit(output, third, { taken: [beside.location], mayMoveAside: true });
    assert.notEqual(instead.location, beside.location);
    assert.equal((await store.rehash(instead.location))?.digest, third.digest);
    assert.equal((await store.rehash(beside.location))?.digest, second.digest);
  });

  inStore("what was moved aside is no longer at its location", async (store) => {
    const { location } = await store.commit(outputId("a"), await sealedFrom(store, { a: "1" }), nothingTaken);
    assert.equal(typeof (await store.moveAside(location)), "string");
    assert.deepEqual(await store.present([location]), [false]);
  });

  inStore("a location that leads elsewhere is refused", async (store) => {
    for (const location of ["../../etc", "aa/../../x", "/etc", ""] as Location[]) {
      await assert.rejects(async () => store.stage(location, noTree), { code: "bad-location" });
    }
  });

  inStore("a source is kept by its content", async (store, dir) => {
    const file = `${dir}/code.py`;
    writeFileSync(file, "print(1)\n");
    const sha256 = createHash("sha256").update("print(1)\n").digest("hex");
    assert.equal(await store.source(sha256), undefined);
    await store.keepSource(sha256, file);
    utimesSync(file, 1, 1);
    await store.keepSource(sha256, file);
    assert.equal(readFileSync((await store.source(sha256))!, "utf8"), "print(1)\n");

    const other = createHash("sha256").update("print(2)\n").digest("hex");
    await assert.rejects(store.keepSource(other, file), (error: AlamodeError) => {
      assert.equal(error.code, "source-changed");
      assert.equal(error.facts["now"], sha256);
      return true;
    });
    assert.equal(await store.source(other), undefined);
    await assert.rejects(store.keepSource("../x", file), { code: "bad-source" });
  });

  inStore(
    "a source may be given as bytes, and what is derived from it is kept beside it, once",
    async (store) => {
      const content = Buffer.from("code");
      const sha256 = createHash("sha256").update(content).digest("hex");
      await store.keepSource(sha256, content);
      assert.equal(readFileSync((await store.source(sha256))!, "utf8"), "code");
      await assert.rejects(store.keepSource("0".repeat(64), content), { code: "source-changed" });

      const name = `${sha256}.linux-x64.made`;
      assert.equal(await store.derived(name), undefined);
      await store.keepDerived(name, Buffer.from("first"));
      await store.keepDerived(name, Buffer.from("second"));
      assert.equal(readFileSync((await store.derived(name))!, "utf8"), "first");
      for (const wrong of [sha256, `${sha256}/../x`, `x.${sha256}`])
        await assert.rejects(store.keepDerived(wrong, content), { code: "bad-source" });
    },
  );

  inStore("sealing ends when it is called off", async (store) => {
    const path = put(store, "slot", { a: "1" });
    const off = new AbortController();
    off.abort(new Error("called off"));
    await assert.rejects(store.seal(path, {}, off.signal), /called off/);
  });

  inStore("sync returns", async (store) => store.sync());

  inStore("the same store can be opened again and twice", async (store, dir) => {
    const sealed = await sealedFrom(store, { a: "1" });
    const { location } = await store.commit(outputId("a"), sealed, nothingTaken);
    const again = await open(dir);
    assert.deepEqual(await again.present([location]), [true]);
    assert.deepEqual([again.url, again.id], [store.url, store.id]);
    await again.close();
  });
}

function put(store: Store, slot: string, things: Readonly<Record<string, Thing>>): string {
  return build(`${store.scratchDir}/${slot}/OUTPUT`, things);
}

/** A lone file with that content, or an empty folder for null. */
function lone(store: Store, slot: string, content: string | null): string {
  if (content === null) return put(store, slot, {});
  mkdirSync(`${store.scratchDir}/${slot}`, { recursive: true });
  writeFileSync(`${store.scratchDir}/${slot}/OUTPUT`, content);
  return `${store.scratchDir}/${slot}/OUTPUT`;
}

/** Text of the file `a` of a tree. */
async function read(store: Store, location: Location, { digest }: SealedTree): Promise<string> {
  using staged = await store.stage(location, digest);
  return readFileSync(`${staged.path}/a`, "utf8");
}

function sealedFrom(
  store: Store,
  things: Readonly<Record<string, Thing>>,
  slot = "slot",
): Promise<SealedTree> {
  return store.seal(put(store, slot, things), {});
}

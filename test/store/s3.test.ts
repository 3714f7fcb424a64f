// The S3 store against a real server, Ceph's gateway: the contract, two machines, and a network that fails.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { AlamodeError } from "../../src/errors.ts";
import type { S3Patience } from "../../src/plan/s3-client.ts";
import { openS3Store } from "../../src/store/s3.ts";
import type { Location, SealedTree, Store } from "../../src/store/types.ts";
import { type Ceph, startCeph, whyNoCeph } from "../ceph.ts";
import { storeContract } from "./contract.ts";
import { startFaultyProxy, type Trouble } from "./faulty-proxy.ts";
import { build, outputId, scratch, type Thing } from "./scratch.ts";

const skip = whyNoCeph();
const bucket = "stores";
const nothingTaken = { taken: [], mayMoveAside: false };
/** Of no kind that a lone object could say by itself. */
const things = {
  "a ü%+.txt": "one",
  "sub/b": "two",
  "sub/empty": null,
  "to-b": { link: "sub/b" },
  tool: { run: "#!" },
  none: "",
};
let ceph: Ceph;
let client: S3Client;

before(async () => {
  if (skip !== undefined) return;
  ceph = await startCeph();
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: ceph.accessKeyId,
    AWS_SECRET_ACCESS_KEY: ceph.secretAccessKey,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  });
  client = new S3Client({ endpoint: ceph.endpoint, region: "us-east-1", forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
});
after(async () => {
  client?.destroy();
  await ceph?.stop();
});

interface Machine {
  readonly prefix: string;
  readonly endpoint?: string;
  readonly patience?: S3Patience;
  readonly capBytes?: number;
}

/** A store as a machine of its own sees it: with a scratch area and a cache that no other has. */
async function machine(
  t: TestContext,
  { prefix, endpoint = ceph.endpoint, patience, capBytes = 2 ** 30 }: Machine,
): Promise<Store> {
  const dir = scratch(t);
  const store = await openS3Store(`s3://${bucket}/${prefix}?endpoint=${encodeURIComponent(endpoint)}`, {
    dir,
    cache: { dir: `${dir}/cache`, capBytes },
    ...(patience === undefined ? {} : { patience }),
  });
  t.after(() => store.close());
  return store;
}

function seal(store: Store, made: Readonly<Record<string, Thing>>, slot = "slot"): Promise<SealedTree> {
  return store.seal(build(`${store.scratchDir}/${slot}/OUTPUT`, made), {});
}

async function keysBelow(prefix: string): Promise<string[]> {
  const { Contents = [] } = await client.send(
    new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}/` }),
  );
  return Contents.map(({ Key }) => Key!.slice(prefix.length + 1));
}

const withCeph = (what: string, body: (t: TestContext, prefix: string) => Promise<void>) =>
  test(what, { skip: skip ?? false }, (t) => body(t, randomBytes(6).toString("hex")));

if (skip === undefined) {
  storeContract("s3", (dir) =>
    openS3Store(`s3://${bucket}${dir}?endpoint=${encodeURIComponent(ceph.endpoint)}`, {
      dir: `${dir}/local`,
      cache: { dir: `${dir}/cache`, capBytes: 2 ** 30 },
    }),
  );
}

withCeph(
  "another machine gets just the tree that was made, and the objects are where the format says",
  async (t, prefix) => {
    const [one, other] = [await machine(t, { prefix }), await machine(t, { prefix })];
    const sealed = await seal(one, { ...things, large: randomBytes(20_000_000) });
    const { location } = await one.commit(outputId("a"), sealed, nothingTaken);
    assert.deepEqual([other.id, await other.present([location])], [one.id, [true]]);
    assert.equal(await other.here(location, sealed.digest), undefined);
    using staged = await other.stage(location, sealed.digest);
    assert.equal(readFileSync(`${staged.path}/to-b`, "utf8"), "two");
    assert.deepEqual(readdirSync(`${staged.path}/sub/empty`), []);
    assert.deepEqual(
      [statSync(`${staged.path}/tool`).mode & 0o777, statSync(`${staged.path}/none`).mode & 0o777],
      [0o555, 0o444],
    );
    assert.deepEqual(
      readFileSync(`${staged.path}/large`),
      readFileSync(`${(await one.here(location, sealed.digest))!}/large`),
    );
    assert.equal(await other.here(location, sealed.digest), staged.path);
    assert.equal((await other.rehash(location))?.digest, sealed.digest);
    assert.deepEqual(
      (await keysBelow(prefix)).filter((key) => key !== "id"),
      [
        ...["a ü%+.txt", "large", "none", "sub/b", "tool"].map((path) => `outputs/${location}/${path}`),
        `trees/${location}`,
      ],
    );
    assert.ok(one.place(location).endsWith(`/${prefix}/outputs/${location}`));
  },
);

withCeph("what was never finished is no output, and is finished by who makes it again", async (t, prefix) => {
  let broken = true;
  const proxy = await startFaultyProxy(t, ceph.endpoint, (request) =>
    broken && request.startsWith("PUT") && request.includes("/trees/")
      ? { kind: "answer", status: 403, code: "AccessDenied" }
      : undefined,
  );
  const store = await machine(t, { prefix, endpoint: proxy.endpoint });
  await assert.rejects(store.commit(outputId("a"), await seal(store, things), nothingTaken), {
    code: "store-unusable",
  });
  const sealed = await seal(store, things, "again");
  const location = `aa/${outputId("a")}.${sealed.digest.slice(0, 16)}` as Location;
  assert.ok((await keysBelow(prefix)).some((key) => key.startsWith(`outputs/${location}/`)));
  assert.deepEqual(await store.present([location]), [false]);
  await assert.rejects(async () => store.stage(location, sealed.digest), { code: "output-missing" });
  broken = false;
  assert.equal((await store.commit(outputId("a"), sealed, nothingTaken)).location, location);
  assert.deepEqual(await store.present([location]), [true]);
});

withCeph("bytes that were changed or removed in the bucket are never staged", async (t, prefix) => {
  const store = await machine(t, { prefix });
  const sealed = await seal(store, things);
  const { location } = await store.commit(outputId("a"), sealed, nothingTaken);
  const Key = `${prefix}/outputs/${location}/sub/b`;
  await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "too" }));
  const other = await machine(t, { prefix });
  await assert.rejects(async () => other.stage(location, sealed.digest), { code: "output-damaged" });
  assert.notEqual((await other.rehash(location))?.digest, sealed.digest);
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  await assert.rejects(async () => other.stage(location, sealed.digest), { code: "output-damaged" });
  // Made again it is as it was.
  await store.commit(outputId("a"), await seal(store, things, "again"), nothingTaken);
  using staged = await other.stage(location, sealed.digest);
  assert.equal(readFileSync(`${staged.path}/sub/b`, "utf8"), "two");
  await client.send(
    new PutObjectCommand({ Bucket: bucket, Key: `${prefix}/outputs/${location}/more`, Body: "+" }),
  );
  assert.notEqual((await store.rehash(location))?.digest, sealed.digest, "what was added counts too");
});

withCeph(
  "of thousands of locations one asks by listing, a few of the ones that are there by themselves",
  async (t, prefix) => {
    const store = await machine(t, { prefix });
    const locationOf = (n: number) => {
      const output = n
        .toString(16)
        .padStart(8, "0")
        .padStart(64, n % 2 ? "a" : "b");
      return `${output.slice(0, 2)}/${output}.${"0".repeat(16)}` as Location;
    };
    const there = [3, 500, 1001, 1900];
    for (const n of there) {
      await client.send(
        new PutObjectCommand({ Bucket: bucket, Key: `${prefix}/trees/${locationOf(n)}`, Body: "de" }),
      );
    }
    const numbers = Array.from({ length: 2000 }, (_, n) => n);
    const present = await store.present(numbers.map(locationOf));
    assert.deepEqual(
      numbers.filter((n) => present[n]),
      there,
    );
  },
);

withCeph("a network that fails in every way costs time and nothing else", async (t, prefix) => {
  const ways: readonly Trouble[] = [
    { kind: "answer", status: 503, code: "SlowDown" },
    { kind: "reset" },
    { kind: "lost answer" },
    { kind: "cut off" },
    { kind: "answer", status: 500, code: "InternalError" },
    { kind: "slow", pieceBytes: 100_000 },
  ];
  const stall: Trouble = { kind: "stall" };
  let next = 0;
  // Whatever is asked fails twice, each time otherwise.
  const proxy = await startFaultyProxy(t, ceph.endpoint, (_, before) =>
    before < 2 ? (next++ % 19 === 0 ? stall : ways[next % ways.length]) : undefined,
  );
  const patience = { idleMs: 3_000 };
  const [one, other] = [
    await machine(t, { prefix, endpoint: proxy.endpoint, patience }),
    await machine(t, { prefix, endpoint: proxy.endpoint, patience }),
  ];
  const sealed = await seal(one, { ...things, large: randomBytes(17_000_000) });
  const { location } = await one.commit(outputId("a"), sealed, nothingTaken);
  await one.appendReceipt("0123456789abcdef", { output: outputId("a") });
  assert.deepEqual(await other.present([location]), [true]);
  (await other.stage(location, sealed.digest))[Symbol.dispose]();
  assert.equal((await other.rehash(location))?.digest, sealed.digest);
  assert.ok(next >= 20, `${next} troubles`); // so each kind came
});

withCeph(
  "a server that stays away is told of once, in our words, with no secret in them",
  async (t, prefix) => {
    let away = false;
    const proxy = await startFaultyProxy(t, ceph.endpoint, () =>
      away ? { kind: "answer", status: 503, code: "SlowDown" } : undefined,
    );
    const store = await machine(t, { prefix, endpoint: proxy.endpoint, patience: { attempts: 3 } });
    const sealed = await seal(store, { a: "1" });
    const asked = proxy.requests.length;
    away = true;
    await assert.rejects(store.commit(outputId("a"), sealed, nothingTaken), (error: AlamodeError) => {
      assert.deepEqual([error.code, error.transient], ["store-unreachable", true]);
      assert.match(error.message, /503 SlowDown/);
      assert.ok(
        !JSON.stringify([error.message, error.hint, error.facts, store.url]).includes(ceph.secretAccessKey),
      );
      return true;
    });
    assert.equal(proxy.requests.length - asked, 3);
    const off = new AbortController();
    off.abort(new Error("called off"));
    await assert.rejects(
      store.commit(outputId("b"), await seal(store, { a: "2" }, "other"), nothingTaken, off.signal),
      /called off/,
    );
  },
);

withCeph(
  "a copy that a step changes is told, and fetched anew; what is in the bucket is as it was",
  async (t, prefix) => {
    const maker = await machine(t, { prefix });
    const sealed = await seal(maker, { a: "1" });
    const { location, stamps } = await maker.commit(outputId("a"), sealed, nothingTaken);
    const store = await machine(t, { prefix });
    const noted = { ...sealed, stamps };
    {
      using staged = await store.stage(location, sealed.digest);
      assert.deepEqual(await store.check(location, noted), { kind: "intact" });
      chmodSync(`${staged.path}/a`, 0o644);
      writeFileSync(`${staged.path}/a`, "2");
      const check = await store.check(location, noted);
      assert.deepEqual([check.kind, "copy" in check && check.copy], ["damaged", true]);
    }
    assert.deepEqual(await store.check(location, noted), { kind: "intact" });
    using again = await store.stage(location, sealed.digest);
    assert.equal(readFileSync(`${again.path}/a`, "utf8"), "1");
  },
);

withCeph("data in place is led to, on machines that have it", async (t, prefix) => {
  const store = await machine(t, { prefix });
  const data = `${scratch(t)}/data`;
  writeFileSync(data, "1");
  const sealed = await store.sealInPlace(data, () => [seal1]);
  const { location, stamps } = await store.commit(outputId("a"), sealed, nothingTaken);
  assert.match(location, /\.place$/);
  const other = await machine(t, { prefix });
  assert.equal((await other.stage(location, sealed.digest)).path, data);
  assert.deepEqual(await other.check(location, { ...sealed, stamps }), { kind: "intact" });
  assert.equal((await other.rehash(location))?.digest, sealed.digest);
  writeFileSync(data, "more");
  assert.equal((await other.check(location, { ...sealed, stamps })).kind, "damaged");
  assert.ok(existsSync(data));
});
/** sha256 of "1". */
const seal1 = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";

withCeph("logs and sources that one machine keeps are read on another", async (t, prefix) => {
  const [one, other] = [await machine(t, { prefix }), await machine(t, { prefix })];
  writeFileSync(`${one.logDir}/r-1.log`, "said\n");
  await one.keepLog("r-1.log");
  assert.equal(readFileSync((await other.log("r-1.log"))!, "utf8"), "said\n");
  assert.equal(await other.log("r-2.log"), undefined);
  await one.keepSource(seal1, Buffer.from("1"));
  await one.keepDerived(`${seal1}.mjs`, Buffer.from("made"));
  assert.equal(readFileSync((await other.source(seal1))!, "utf8"), "1");
  assert.equal(readFileSync((await other.derived(`${seal1}.mjs`))!, "utf8"), "made");
  // What a plan that was saved from code left on one machine.
  const two = createHash("sha256").update("2").digest("hex");
  build(`${join(one.logDir, "..")}/sources/${two.slice(0, 2)}`, { [two]: "2" });
  assert.equal(await other.source(two), undefined);
  assert.equal(readFileSync((await one.source(two))!, "utf8"), "2");
  assert.equal(readFileSync((await other.source(two))!, "utf8"), "2");
});

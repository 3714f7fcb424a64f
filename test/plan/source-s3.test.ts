// What S3 calls an object, as a spec says it: against a server of a few lines that gives what the real one in
// test/engine/source-s3.test.ts does not, checksums and faults above all.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { hash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import fc from "fast-check";
import { Dag } from "../../src/plan/dag.ts";
import { parseS3Digest, s3Digest, s3DigestText } from "../../src/plan/source-s3.ts";
import { source } from "../../src/plan/source-task.ts";
import { openRig, planOf } from "../engine/rig.ts";

before(() => {
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: "test-access",
    AWS_SECRET_ACCESS_KEY: "test-secret",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  });
});

const sha256 = (text: string) => hash("sha256", text);
const base64 = (text: string) => hash("sha256", text, "base64");

/** A server on this machine that answers as told; its endpoint. */
async function serve(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What `source` says of an object whose headers are these. */
async function digestOf(t: TestContext, headers: Readonly<Record<string, string>>): Promise<string> {
  const endpoint = await serve(t, (_, response) => response.writeHead(200, headers).end());
  return (await source("s3://bucket/key", { endpoint })).source[""]!;
}

test("a version names it before a checksum does, and that before an ETag", async (t) => {
  const etag = '"5d41402abc4b2a76b9719d911017c592"';
  const checksum = { "x-amz-checksum-sha256": base64("hello") };
  const byEtag = "s3-etag:5d41402abc4b2a76b9719d911017c592:s3://bucket/key";
  assert.equal(await digestOf(t, { etag }), byEtag);
  assert.equal(await digestOf(t, { etag, ...checksum }), sha256("hello"));
  assert.equal(
    await digestOf(t, { etag, ...checksum, "x-amz-version-id": "3/L4+kq t" }),
    "s3-version:3%2FL4%2Bkq%20t:s3://bucket/key",
  );
  assert.equal(
    await digestOf(t, { etag, "x-amz-version-id": "null" }),
    byEtag,
    "what is written without a version is overwritten under the same name",
  );
  const parts = { "x-amz-checksum-sha256": `${base64("hello")}-2`, "x-amz-checksum-type": "COMPOSITE" };
  assert.equal(await digestOf(t, { etag, ...parts }), byEtag, "a checksum of checksums is not of the bytes");
  assert.equal(await digestOf(t, { etag, ...checksum, "x-amz-checksum-type": "COMPOSITE" }), byEtag);
  for (const headers of [{}, { etag: 'W/"1"' }]) {
    await assert.rejects(digestOf(t, headers), { code: "fetch-failed", message: /gives no name/ });
  }
});

test("one that is known by its sha256 is held against that, wherever it comes from", async (t) => {
  const rig = await openRig(t);
  let content = "hello";
  const endpoint = await serve(t, (request, response) => {
    if (request.method === "HEAD")
      response.writeHead(200, { "x-amz-checksum-sha256": base64(content) }).end();
    else response.end(content);
  });
  const plan = async () => {
    const spec = await source("s3://bucket/key", { endpoint });
    return { ...planOf({ raw: [spec] }), meta: { places: { raw: { url: "s3://bucket/key", endpoint } } } };
  };
  const first = await plan();
  assert.deepEqual({ ...(first.tasks["raw"]!["source"] as object) }, { "": sha256("hello") });
  content = "other";
  const told = await rig.run(first);
  assert.equal(told.failures[0]!.failure.kind, "source-changed");
  assert.match(told.failures[0]!.failure.message, /\(s3:\/\/bucket\/key\) has other content/);
  const second = await plan();
  assert.equal((await rig.run(second)).status, "done");
  assert.equal(await rig.text(second, "raw"), "other");
});

test("a server that is busy, or breaks off, is told and tried again; the client tries some of that itself", async (t) => {
  const rig = await openRig(t);
  const etag = `"${hash("md5", "content")}"`;
  let busy = 1;
  let torn = 1;
  const endpoint = await serve(t, (request, response) => {
    if (request.method === "HEAD") response.writeHead(200, { etag }).end();
    else if (busy-- > 0) response.writeHead(503).end();
    else if (torn-- > 0) {
      response.writeHead(200, { etag, "content-length": "7" });
      response.write("cont", () => response.destroy());
    } else response.writeHead(200, { etag, "content-length": "7" }).end("content");
  });
  const spec = await source("s3://bucket/key", { endpoint });
  const places = { raw: { url: "s3://bucket/key", endpoint } };
  const plan = planOf({ raw: [spec] });
  const options = { raw: { retries: 1, backoff: "1ms" } };
  const told = await rig.run({ ...plan, meta: { ...plan.meta, places, options } });
  assert.equal(told.status, "done");
  assert.deepEqual(
    told.of("task.failed").map(({ failure }) => failure.kind),
    ["source-unavailable"],
  );
  assert.equal(await rig.text(plan, "raw"), "content");

  busy = 100;
  const failed = await rig.run({ ...planOf({ raw: [{ ...spec, sha: "2" }] }), meta: { places } });
  assert.equal(failed.failures[0]!.failure.message, "s3://bucket/key: the server answered 503");
});

test("a fetch ends with its run, and at its timeout", async (t) => {
  const rig = await openRig(t);
  const stop = new AbortController();
  let onGet = () => {};
  const endpoint = await serve(t, (request, response) => {
    response.writeHead(200, { etag: '"1"' });
    if (request.method === "HEAD") return void response.end();
    response.write("the beginning");
    onGet();
  });
  const spec = await source("s3://bucket/key", { endpoint });
  const places = { raw: { url: "s3://bucket/key", endpoint } };
  const plan = (options: { timeout: string } | { retries: number }) => ({
    ...planOf({ raw: [spec] }),
    meta: { places, options: { raw: options } },
  });
  const late = await rig.run(plan({ timeout: "200ms" }));
  assert.equal(late.failures[0]!.failure.kind, "timeout");
  onGet = () => stop.abort();
  assert.equal((await rig.run(plan({ retries: 0 }), { signal: stop.signal })).status, "interrupted");
});

test("what cannot be meant is refused before anything is asked", async () => {
  const refused = (message: RegExp, ...given: Parameters<typeof source>) =>
    assert.rejects(async () => source(...given), { code: "bad-url", message });
  await refused(/names neither an object nor a folder/, "s3://bucket");
  await refused(/names neither/, "s3://key:secret@bucket/key");
  await refused(/names neither/, "s3:///key");
  await refused(/a source by itself/, "s3://bucket/a", "s3://bucket/b");
  await refused(/a source by itself/, "data", "s3://bucket/b");
  await refused(/and not in place/, "s3://bucket/a", { inPlace: true });
  const at = (endpoint: string) =>
    assert.rejects(source("s3://bucket/key", { endpoint }), {
      code: "bad-url",
      message: /without a password/,
    });
  await at("localhost:7480");
  await at("http://key:secret@127.0.0.1/");
});

test("a forgotten await is told as one", async () => {
  const pending = Promise.resolve({}) as never;
  assert.throws(() => new Dag().task("raw", pending), {
    code: "not-encodable",
    hint: /write await before it/,
  });
});

test("what a spec says of an object can be read back, and is never taken for a sha256", () => {
  const name = fc.string({ unit: "binary", minLength: 1 }).filter((text) => text.isWellFormed());
  const bucket = fc.constantFrom("b", "My_old.bucket-1");
  fc.assert(
    fc.property(name, bucket, name, fc.boolean(), (called, bucket, key, isVersion) => {
      const names = { sha256: undefined, versionId: undefined, etag: undefined };
      const text = s3Digest({ bucket, key }, { ...names, [isVersion ? "versionId" : "etag"]: called });
      const by = isVersion ? "version" : "etag";
      assert.deepEqual(parseS3Digest(text), { by, name: called, bucket, key });
      assert.equal(s3DigestText(text), `s3://${bucket}/${key} by ${by} ${called}`);
    }),
  );
  for (const text of [
    sha256(""),
    "s3-etag:1:s3://bucket",
    "s3-etag::s3://b/k",
    "s3-etag:%:s3://b/k",
    "s3-md5:1:s3://b/k",
  ])
    assert.equal(parseS3Digest(text), undefined);
});

test("the client is loaded by the first source in S3, and by nothing else", () => {
  const script = (last: string) => `
    import { createRequire } from "node:module";
    import { Dag, source } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
    new Dag().task("raw", source(${JSON.stringify(import.meta.filename)})).spec;
    ${last}
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    console.log(loaded.some((file) => file.includes("client-s3")));`;
  const said = (last: string) =>
    spawnSync(process.execPath, ["--input-type=module", "--eval", script(last)], { encoding: "utf8" });
  assert.equal(said("").stdout, "false\n", said("").stderr);
  const used = `await source("s3://bucket/key", { endpoint: "http://127.0.0.1:9" }).catch(() => {});`;
  assert.equal(said(used).stdout, "true\n");
});

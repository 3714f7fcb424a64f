// Source tasks through whole runs: what is in the store is what the ID says, whatever happened to the data meanwhile.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { openSandbox } from "../../src/engine/sandbox/open.ts";
import { Dag } from "../../src/plan/dag.ts";
import { loadPlan } from "../../src/plan/load.ts";
import { type SourceSpec, source } from "../../src/plan/source-task.ts";
import { setSourceBase } from "../../src/plan/sources.ts";
import type { Options, Plan } from "../../src/plan/types.ts";
import { openRig, outputOf, planOf, type Rig } from "./rig.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** Files below the rig's folder, in which paths start from now on. */
function build(rig: Rig, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(rig.dir, path)), { recursive: true });
    writeFileSync(join(rig.dir, path), content);
  }
  setSourceBase(rig.dir);
}

/** One source `raw`, and a task that tells what it finds in it. */
function reading(raw: SourceSpec, options: Options = {}): Plan {
  const dag = new Dag();
  const command = "(cd -P inputs; ls -RL raw | sort; find -L raw -type f | sort | xargs cat) > $OUTPUT";
  dag.task("read", { command }).after(dag.task("raw", raw, options));
  return dag.encode();
}

async function failureOf(rig: Rig, plan: Plan) {
  const told = await rig.run(plan);
  assert.equal(told.status, "failed");
  assert.equal(told.failures[0]!.task, "raw");
  return told.failures[0]!.failure;
}

test("data is a task: an edit changes its ID and what follows, another time or mode does not", async (t) => {
  const rig = await openRig(t);
  build(rig, { "data/a.csv": "a", "data/deep/b.csv": "b", "data/c.txt": "c" });
  chmodSync(join(rig.dir, "data/a.csv"), 0o755);
  const plan = () => reading(source("data/**/*.csv"));
  const first = plan();
  assert.deepEqual(
    { ...(first.tasks["raw"]!["source"] as object) },
    { "a.csv": sha256("a"), "deep/b.csv": sha256("b") },
  );
  assert.deepEqual((await rig.run(first)).ranTasks, ["raw", "read"]);
  assert.match(await rig.text(first, "read"), /a\.csv\n(.*\n)*ab$/);
  const raw = await rig.place(first, "raw");
  assert.equal(statSync(join(raw, "a.csv")).mode & 0o777, 0o444);

  utimesSync(join(rig.dir, "data/a.csv"), 1, 1);
  chmodSync(join(rig.dir, "data/a.csv"), 0o644);
  assert.deepEqual((await rig.run(plan())).counts.ran, 0);
  renameSync(join(rig.dir, "data"), join(rig.dir, "moved"));
  assert.equal(
    (await rig.run(reading(source("moved/**/*.csv")))).counts.ran,
    0,
    "where it lies is not hashed",
  );

  writeFileSync(join(rig.dir, "moved/a.csv"), "A");
  const edited = reading(source("moved/**/*.csv"));
  assert.deepEqual((await rig.run(edited)).ranTasks, ["raw", "read"]);
  assert.match(await rig.text(edited, "read"), /Ab$/);
  assert.match(await rig.text(first, "read"), /ab$/, "what was made before is still there");
});

test("what is in the store does not change when the file is edited in place", async (t) => {
  const rig = await openRig(t);
  build(rig, { "raw.csv": "first" });
  const plan = reading(source("raw.csv"));
  await rig.run(plan, { goals: ["raw"] });
  appendFileSync(join(rig.dir, "raw.csv"), " and more");
  assert.equal(await rig.text(plan, "raw"), "first");
  assert.deepEqual((await rig.run(plan)).ranTasks, ["read"]);
});

test("a file that is edited between planning and running fails as source-changed, and nothing is recorded", async (t) => {
  const rig = await openRig(t);
  build(rig, { "data/a.csv": "a", "data/b.csv": "b" });
  const plan = reading(source("data"));
  const { mtime } = statSync(join(rig.dir, "data/b.csv"));
  writeFileSync(join(rig.dir, "data/b.csv"), "B");
  utimesSync(join(rig.dir, "data/b.csv"), mtime, mtime);
  const failure = await failureOf(rig, plan);
  assert.equal(failure.kind, "source-changed");
  assert.match(failure.message, /^"b\.csv" of source "raw" \(.*data\/b\.csv\) has other content since/);
  assert.equal(failure.scratch, undefined, "data is not kept a second time");
  assert.equal((await rig.record.successes([outputOf(plan, "raw")])).size, 0);

  writeFileSync(join(rig.dir, "data/b.csv"), "b");
  assert.equal((await rig.run(plan)).status, "done", "as it was planned after all");
});

test("a file that is gone by then is told by its path", async (t) => {
  const rig = await openRig(t);
  build(rig, { "data/a.csv": "soon gone" });
  const plan = reading(source("data/*"));
  rmSync(join(rig.dir, "data"), { recursive: true });
  const failure = await failureOf(rig, plan);
  assert.equal(failure.kind, "source-unavailable");
  assert.match(failure.message, /data\/a\.csv is no longer there$/);
});

test("a plan file keeps the data that it names; without it, that is told", async (t) => {
  const rig = await openRig(t);
  build(rig, { "raw.csv": "kept" });
  const dag = new Dag();
  dag.task("raw", source("raw.csv"));
  const file = join(rig.dir, "plan.dag");
  const env = process.env["ALAMODE_STORE"];
  process.env["ALAMODE_STORE"] = rig.storeDir;
  t.after(() => {
    if (env === undefined) delete process.env["ALAMODE_STORE"];
    else process.env["ALAMODE_STORE"] = env;
  });
  await dag.save(file);
  writeFileSync(join(rig.dir, "raw.csv"), "another by now");
  const plan = await loadPlan(file);
  assert.deepEqual({ ...plan.meta }, {}, "where it lies on this machine is nobody else's matter");
  assert.equal((await rig.run(plan)).status, "done");
  assert.equal(await rig.text(plan, "raw"), "kept");

  const unknown = planOf({ raw: [{ source: { "": sha256("never seen") } }] });
  const failure = await failureOf(rig, unknown);
  assert.equal(failure.kind, "source-unavailable");
  assert.match(failure.message, /is not among the store's sources/);
});

test("a spec that is no data is refused before anything runs", async (t) => {
  const rig = await openRig(t);
  const bad = async (spec: Parameters<Dag["task"]>[1], message: RegExp) =>
    assert.rejects(rig.run(planOf({ raw: [spec] })), { code: "bad-task", message });
  const digest = sha256("");
  await bad({ source: {} }, /names no data/);
  await bad({ source: { "../a": digest } }, /must be a path inside/);
  await bad({ source: { "": digest, a: digest } }, /must be a path inside/);
  await bad({ source: { a: "etag" } }, /must be a sha256/);
  await bad({ source: { a: digest }, command: "ls" }, /spec\.command: and spec\.source/);
  await assert.rejects(rig.run(planOf({ a: "echo > $OUTPUT", raw: [{ source: { b: digest } }, "a"] })), {
    code: "bad-task",
    message: /depends on nothing/,
  });
});

test("in place: never copied, read by its own path, and as good an input as any", async (t) => {
  const rig = await openRig(t);
  build(rig, { "ref/hg38.fa": "ACGT", "ref/index/a.idx": "1" });
  chmodSync(join(rig.dir, "ref/hg38.fa"), 0o777);
  const plan = reading(source(join(rig.dir, "ref"), { inPlace: true }));
  assert.deepEqual((await rig.run(plan)).ranTasks, ["raw", "read"]);
  assert.equal(await rig.place(plan, "raw"), join(rig.dir, "ref"));
  assert.match(await rig.text(plan, "read"), /ACGT1$/);
  const usual = join(rig.storeDir, "outputs", outputOf(plan, "raw").slice(0, 2), outputOf(plan, "raw"));
  assert.ok(lstatSync(usual).isSymbolicLink());
  assert.equal(readFileSync(join(usual, "hg38.fa"), "utf8"), "ACGT");
  assert.equal((await rig.run(plan)).counts.ran, 0);
  assert.equal(statSync(join(rig.dir, "ref/hg38.fa")).mode & 0o777, 0o777, "nothing there was touched");

  // The same data by a copy has the same ID: it is done already.
  assert.equal(outputOf(reading(source("ref")), "raw"), outputOf(plan, "raw"));
});

test("in place: what a task does to it is noticed, and so is an edit before the next step", async (t) => {
  const rig = await openRig(t);
  build(rig, { "ref/a": "a", "ref/b": "b" });
  const ref = join(rig.dir, "ref");
  const dag = new Dag();
  const raw = dag.task("raw", source(ref, { inPlace: true }));
  dag.task("vandal", { command: `echo more >> inputs/raw/a; echo > $OUTPUT` }).after(raw);
  dag.task("late", { command: "cat inputs/raw/a > $OUTPUT" }).after(raw);
  const plan = dag.encode();
  const told = await rig.run(plan, { goals: ["vandal"] });
  assert.match(told.failures[0]!.failure.message, /^changed its input "raw": a had 1 bytes/);
  const late = await rig.run(plan, { goals: ["late"] });
  assert.deepEqual(
    late.failures.map(({ task, failure }) => [task, failure.kind]),
    [["raw", "source-changed"]],
  );
  writeFileSync(join(ref, "a"), "a");
  assert.equal((await rig.run(plan, { goals: ["late"] })).status, "done", "it is again what was planned");
  writeFileSync(join(ref, "c"), "new");
  assert.equal(
    (await rig.run(dag.encode(), { goals: ["vandal"] })).failures[0]!.failure.kind,
    "source-changed",
  );
});

test("in place: where it lies elsewhere on this machine, the ID is the same", async (t) => {
  const rig = await openRig(t);
  build(rig, { "mnt/ref/hg38/a.fa": "ACGT" });
  t.after(() => {
    delete process.env["ALAMODE_PLACES"];
  });
  process.env["ALAMODE_PLACES"] = `/x=/y:/nowhere/ref=${rig.dir}/mnt/ref`;
  const plan = reading(source("/nowhere/ref/hg38", { inPlace: true }));
  assert.deepEqual(plan.meta["places"], {
    __proto__: null,
    raw: { __proto__: null, path: "/nowhere/ref/hg38" },
  });
  assert.equal((await rig.run(plan)).status, "done");
  assert.equal(await rig.place(plan, "raw"), `${rig.dir}/mnt/ref/hg38`);

  delete process.env["ALAMODE_PLACES"];
  assert.throws(() => source("/nowhere/ref/hg38", { inPlace: true }), {
    code: "no-source",
    hint: /ALAMODE_PLACES=\/nowhere\/ref\/hg38=/,
  });
  assert.equal((await rig.run(plan)).counts.ran, 0, "what is done is done");
  renameSync(`${rig.dir}/mnt`, `${rig.dir}/media`);
  process.env["ALAMODE_PLACES"] = `/nowhere/ref=${rig.dir}/media/ref`;
  assert.deepEqual((await rig.run(plan, { goals: ["raw"] })).ranTasks, ["raw"]);
  assert.equal(await rig.place(plan, "raw"), `${rig.dir}/media/ref/hg38`);
});

test("in place: links are refused, for what is behind them could change unseen", async (t) => {
  const rig = await openRig(t);
  build(rig, { "ref/a": "a", "other/b": "b" });
  symlinkSync("../other/b", join(rig.dir, "ref/b"));
  assert.throws(() => source("ref", { inPlace: true }), { code: "source-link" });
  assert.deepEqual(Object.keys(source("ref").source), ["a", "b"], "a copy holds what they lead to");
  symlinkSync("other", join(rig.dir, "current"));
  const plan = reading(source("current", { inPlace: true }));
  await rig.run(plan);
  assert.equal(await rig.place(plan, "raw"), join(rig.dir, "other"));
  assert.equal(readlinkSync(join(rig.dir, "current")), "other");
});

test("data that is had is not had again for the sake of a sandbox", async (t) => {
  const unavailable = await openSandbox("bubblewrap").then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (unavailable !== undefined) return t.skip(unavailable);
  const rig = await openRig(t);
  build(rig, { "data/a": "a", "ref/b": "b" });
  const dag = new Dag();
  const raw = dag.task("raw", source("data"));
  const ref = dag.task("ref", source("ref", { inPlace: true }));
  dag.task("read", { command: "cat inputs/raw/a inputs/ref/b > $OUTPUT" }).after(raw, ref);
  const plan = dag.encode();
  assert.equal((await rig.run(plan)).counts.ran, 3);
  assert.deepEqual((await rig.run(plan, { sandbox: "bubblewrap" })).ranTasks, ["read"]);
  assert.equal(await rig.text(plan, "read"), "ab");
});

/** A server on this machine that answers as told. */
async function serve(
  t: TestContext,
  answer: (path: string, response: ServerResponse) => void,
): Promise<string> {
  const server: Server = createServer((request, response) => answer(request.url!, response));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a URL with its sha256 is fetched when it is needed, and once", async (t) => {
  const rig = await openRig(t);
  let asked = 0;
  const url = await serve(t, (path, response) => {
    asked++;
    if (path === "/old") response.writeHead(302, { location: "/data" }).end();
    else response.end("fetched");
  });
  const plan = reading(source({ url: `${url}/old`, sha256: sha256("fetched") }));
  assert.equal(asked, 0, "nothing is fetched to describe it");
  assert.equal((await rig.run(plan)).status, "done");
  assert.equal(await rig.text(plan, "raw"), "fetched");
  assert.equal(asked, 2, "one redirection, one answer");
  assert.equal((await rig.run(plan)).counts.ran, 0);
  assert.equal(asked, 2);
  const elsewhere = reading(source({ url: `${url}/mirror`, sha256: sha256("fetched") }));
  assert.equal(outputOf(elsewhere, "raw"), outputOf(plan, "raw"), "whence it comes is not hashed");
});

test("what a server does wrong is told, and tried again as often as the options say", async (t) => {
  const rig = await openRig(t);
  let failures = 2;
  const url = await serve(t, (path, response) => {
    if (path === "/busy" && failures-- > 0) response.writeHead(503).end();
    else if (path === "/none") response.writeHead(404).end("no such thing");
    else if (path === "/torn") {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.destroy());
    } else response.end("data");
  });
  const failing = async (path: string, text = "data") =>
    failureOf(rig, reading(source({ url: url + path, sha256: sha256(text) })));
  const none = await failing("/none");
  assert.equal(none.kind, "source-unavailable");
  assert.equal(none.message, `${url}/none: the server answered 404 Not Found`);
  assert.match((await failing("/torn")).message, /\/torn: it broke off after \d bytes/);
  const other = await failing("/other", "expected");
  assert.equal(other.kind, "source-changed");
  assert.match(other.message, /\/other\) has other content/);

  const busy = reading(source({ url: `${url}/busy`, sha256: sha256("data") }), {
    retries: 2,
    backoff: "1ms",
  });
  const told = await rig.run(busy);
  assert.equal(told.status, "done");
  assert.equal(told.of("task.failed").length, 2);
});

test("a URL without a digest is fetched and pinned while the pipeline is described", async (t) => {
  const rig = await openRig(t);
  build(rig, { "package.json": "{}" });
  let content = "one";
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers["if-none-match"]);
    const etag = `"${sha256(content).slice(0, 8)}"`;
    if (request.headers["if-none-match"] === etag) response.writeHead(304).end();
    else response.writeHead(200, { etag }).end(content);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/latest?token=x`;
  const plan = async () => reading(await source({ url }));
  const first = await plan();
  assert.deepEqual({ ...(first.tasks["raw"]!["source"] as object) }, { "": sha256("one") });
  assert.equal(outputOf(await plan(), "raw"), outputOf(first, "raw"));
  assert.deepEqual(
    asked,
    [undefined, `"${sha256("one").slice(0, 8)}"`],
    "the second time only whether it is new",
  );
  content = "two";
  const second = await plan();
  assert.notEqual(outputOf(second, "raw"), outputOf(first, "raw"));
  await new Promise((done) => server.close(done));
  server.closeAllConnections();
  // Pinned means that the server is not needed any more.
  assert.equal((await rig.run(first)).status, "done");
  assert.equal(await rig.text(first, "raw"), "one");
  await assert.rejects(plan(), {
    code: "fetch-failed",
    message: /^http:.*\/latest\?…: /,
    hint: new RegExp(`sha256: '${sha256("two")}'`),
  });
  assert.ok(existsSync(join(rig.dir, ".alamode/sources")));
});

test("a fetch ends with its run, and at its timeout", async (t) => {
  const rig = await openRig(t);
  const stop = new AbortController();
  const url = await serve(t, (path, response) => {
    response.write("the beginning");
    if (path === "/stopped") stop.abort();
  });
  const slow = (path: string, options: Options = {}) =>
    reading(source({ url: url + path, sha256: sha256("all") }), options);
  const told = await rig.run(slow("/stopped"), { signal: stop.signal });
  assert.equal(told.status, "interrupted");
  assert.equal((await failureOf(rig, slow("/late", { timeout: "100ms" }))).kind, "timeout");
});

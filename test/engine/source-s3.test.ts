// Data from S3 through whole runs, against a real server: Ceph, started here. Skipped, with the reason, where there is none.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Dag } from "../../src/plan/dag.ts";
import { loadPlan } from "../../src/plan/load.ts";
import { type SourceSpec, source } from "../../src/plan/source-task.ts";
import type { Options, Plan } from "../../src/plan/types.ts";
import { type Ceph, startCeph, whyNoCeph } from "../ceph.ts";
import { pipeline, project } from "../e2e/project.ts";
import { openRig, outputOf, type Rig } from "./rig.ts";

const why = whyNoCeph();
const withCeph = (name: string, body: (rig: Rig, t: TestContext) => Promise<void>) =>
  test(name, { skip: why ?? false }, async (t) => body(await openRig(t), t));

let ceph: Ceph;
let client: S3Client;
let buckets = 0;

before(async () => {
  if (why !== undefined) return;
  ceph = await startCeph();
  const { endpoint, accessKeyId, secretAccessKey } = ceph;
  const credentials = { accessKeyId, secretAccessKey };
  client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    // Nothing of whoever runs the tests, and nothing beyond this machine.
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
  });
});

after(async () => {
  client?.destroy();
  await ceph?.stop();
});

/** A new bucket with these objects. */
async function bucket(objects: Readonly<Record<string, string>> = {}, { versions = false } = {}) {
  const Bucket = `bucket-${++buckets}`;
  await client.send(new CreateBucketCommand({ Bucket }));
  if (versions) {
    const VersioningConfiguration = { Status: "Enabled" } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  }
  for (const [key, text] of Object.entries(objects)) await put(Bucket, key, text);
  return Bucket;
}

async function put(Bucket: string, Key: string, text: string): Promise<void> {
  await client.send(
    new PutObjectCommand({ Bucket, Key, Body: text, ContentLength: Buffer.byteLength(text) }),
  );
}

/** One source `raw`, and a task that tells what it finds in it. */
function reading(raw: SourceSpec, options: Options = {}): Plan {
  const dag = new Dag();
  const command = "(cd -P inputs; find -L raw -type f | sort | xargs tail -n +1 -v) > $OUTPUT";
  dag.task("read", { command }).after(dag.task("raw", raw, options));
  return dag.encode();
}

async function failureOf(rig: Rig, plan: Plan) {
  const told = await rig.run(plan);
  assert.equal(told.status, "failed");
  assert.equal(told.failures[0]!.task, "raw");
  return told.failures[0]!.failure;
}

/** Sets variables for the time of the test. */
function withEnv(t: TestContext, env: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(env)) {
    const old = process.env[name];
    t.after(() => {
      if (old === undefined) delete process.env[name];
      else process.env[name] = old;
    });
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

withCeph(
  "an object is a task by its ETag: read once, and again only when it is written anew",
  async (rig) => {
    const name = await bucket({ "in/orders 1.csv": "1,2\n" });
    const plan = async () => reading(await source(`s3://${name}/in/orders 1.csv`));
    const first = await plan();
    assert.deepEqual(
      { ...(first.tasks["raw"]!["source"] as object) },
      { "": `s3-etag:${hash("md5", "1,2\n")}:s3://${name}/in/orders 1.csv` },
    );
    assert.deepEqual((await rig.run(first)).ranTasks, ["raw", "read"]);
    assert.equal(await rig.text(first, "raw"), "1,2\n");
    assert.equal(await rig.text(first, "read"), "==> raw <==\n1,2\n");
    const success = (await rig.record.successes([outputOf(first, "raw")])).get(outputOf(first, "raw"))!;
    assert.equal(success.isolation, "data");

    const again = await plan();
    assert.equal(outputOf(again, "raw"), outputOf(first, "raw"));
    assert.equal((await rig.run(again)).counts.ran, 0);

    await put(name, "in/orders 1.csv", "3,4\n");
    const edited = await plan();
    assert.notEqual(outputOf(edited, "raw"), outputOf(first, "raw"));
    assert.deepEqual((await rig.run(edited)).ranTasks, ["raw", "read"]);
    assert.equal(await rig.text(edited, "raw"), "3,4\n");
    assert.equal(await rig.text(first, "raw"), "1,2\n", "what was made before is still there");
  },
);

withCeph(
  "written anew between planning and running, it fails as source-changed; the same bytes do not",
  async (rig) => {
    const name = await bucket({ orders: "old" });
    const plan = reading(await source(`s3://${name}/orders`));
    await put(name, "orders", "new");
    const failure = await failureOf(rig, plan);
    assert.equal(failure.kind, "source-changed");
    assert.equal(
      failure.message,
      `source "raw" (s3://${name}/orders) has other content since the pipeline was described`,
    );
    await client.send(new DeleteObjectCommand({ Bucket: name, Key: "orders" }));
    const gone = await failureOf(rig, plan);
    assert.equal(gone.kind, "source-changed");
    assert.match(gone.message, /orders\) is gone since the pipeline was described$/);
    assert.equal((await rig.record.successes([outputOf(plan, "raw")])).size, 0);
    await put(name, "orders", "old");
    assert.equal((await rig.run(plan)).status, "done", "an ETag of one part is of the bytes");
  },
);

withCeph(
  "where versions are kept, the one that was planned is read, whatever was written or deleted since",
  async (rig) => {
    const name = await bucket({ orders: "first" }, { versions: true });
    const first = reading(await source(`s3://${name}/orders`));
    const { "": digest } = first.tasks["raw"]!["source"] as Record<string, string>;
    assert.match(digest!, new RegExp(`^s3-version:[^:]+:s3://${name}/orders$`));
    await put(name, "orders", "second");
    const second = reading(await source(`s3://${name}/orders`));
    assert.notEqual(outputOf(second, "raw"), outputOf(first, "raw"));
    await client.send(new DeleteObjectCommand({ Bucket: name, Key: "orders" }));
    assert.equal((await rig.run(first)).status, "done");
    assert.equal(await rig.text(first, "raw"), "first");
    assert.equal((await rig.run(second)).status, "done");
    assert.equal(await rig.text(second, "raw"), "second");
    await assert.rejects(source(`s3://${name}/orders`), { code: "no-source" });

    // The same bytes as a new version: fetched, and nothing after it is made again.
    await put(name, "orders", "second");
    const told = await rig.run(reading(await source(`s3://${name}/orders`)));
    assert.deepEqual(told.ranTasks, ["raw"]);
    assert.equal(told.counts.same, 1);
  },
);

withCeph("a folder is all objects below it; one of them changed is another ID", async (rig) => {
  const objects = { "d/a.csv": "a", "d/deep/b.csv": "b", "d/empty/": "", "da.csv": "not below" };
  const name = await bucket(objects);
  const plan = async () => reading(await source(`s3://${name}/d/`));
  const first = await plan();
  assert.deepEqual(Object.keys(first.tasks["raw"]!["source"] as object), ["a.csv", "deep/b.csv"]);
  assert.equal((await rig.run(first)).status, "done");
  assert.equal(await rig.text(first, "read"), "==> raw/a.csv <==\na\n==> raw/deep/b.csv <==\nb");
  await put(name, "d/deep/b.csv", "B");
  assert.notEqual(outputOf(await plan(), "raw"), outputOf(first, "raw"));
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`m/${i}`, `${i}`]));
  for (const [key, text] of Object.entries(many)) await put(name, key, text);
  const all = reading(await source(`s3://${name}/m/`));
  assert.equal((await rig.run(all, { goals: ["raw"] })).status, "done");
  for (const key of Object.keys(many))
    assert.equal(readFileSync(join(await rig.place(all, "raw"), key.slice(2)), "utf8"), many[key]);
  await put(name, "m/7", "other");
  const late = reading(await source(`s3://${name}/m/`));
  await put(name, "m/7", "another");
  assert.match(
    (await failureOf(rig, late)).message,
    /^"7" of source "raw" \(s3:.*\/m\/7\) has other content/,
  );

  await put(name, "d/a.csv/x", "x");
  await assert.rejects(plan(), { code: "source-clash", message: /"a\.csv" would be a file, and the folder/ });
  await put(name, "up/../x", "x");
  await assert.rejects(source(`s3://${name}/up/`), { code: "source-clash", message: /cannot be a path/ });
  await assert.rejects(source(`s3://${name}/none/`), { code: "no-source", message: /no object below/ });
});

withCeph("what is missing is told as what it is", async (rig, t) => {
  const name = await bucket({ orders: "1" });
  const plan = reading(await source(`s3://${name}/orders`));
  await assert.rejects(source(`s3://${name}/order`), { code: "no-source", message: /no such object/ });
  for (const url of ["s3://no-such-bucket/orders", "s3://no-such-bucket/"] as const)
    await assert.rejects(source(url), { code: "no-source", message: /there is no bucket "no-such-bucket"/ });

  withEnv(t, { AWS_SECRET_ACCESS_KEY: "wrong-secret", AWS_ACCESS_KEY_ID: ceph.accessKeyId });
  await assert.rejects(source(`s3://${name}/orders`), {
    code: "fetch-failed",
    message: `s3://${name}/orders: the server refuses access (403)`,
    hint: /AWS_PROFILE/,
  });
  const refused = await failureOf(rig, plan);
  assert.equal(refused.kind, "source-unavailable");
  assert.match(refused.message, /refuses access \(403 SignatureDoesNotMatch\)$/);

  delete process.env["AWS_SECRET_ACCESS_KEY"];
  delete process.env["AWS_ACCESS_KEY_ID"];
  await assert.rejects(source(`s3://${name}/orders`), {
    code: "fetch-failed",
    message: `s3://${name}/orders: there are no credentials for S3`,
    hint: /AWS_SECRET_ACCESS_KEY/,
  });
  assert.equal((await failureOf(rig, plan)).kind, "source-unavailable");
});

withCeph(
  "which server is meant goes along in the plan file, and changes no ID; credentials are nowhere",
  async (rig, t) => {
    const name = await bucket({ orders: "1" });
    const { endpoint } = ceph;
    const url = `s3://${name}/orders` as const;
    const byEnvironment = reading(await source(url));
    withEnv(t, { AWS_ENDPOINT_URL: undefined, ALAMODE_STORE: rig.storeDir });
    const dag = new Dag();
    dag.task("raw", await source(url, { endpoint, region: "eu-west-1" }));
    const file = join(rig.dir, "plan.dag");
    await dag.save(file);
    const plan = await loadPlan(file);
    assert.equal(outputOf(plan, "raw"), outputOf(byEnvironment, "raw"));
    assert.deepEqual(JSON.parse(JSON.stringify(plan.meta["places"])), {
      raw: { url, endpoint, region: "eu-west-1" },
    });
    assert.equal((await rig.run(plan)).status, "done");
    for (const path of readdirSync(rig.dir, { recursive: true, withFileTypes: true })) {
      if (!path.isFile()) continue;
      const text = readFileSync(join(path.parentPath, path.name), "latin1");
      assert.ok(!text.includes(ceph.secretAccessKey) && !text.includes(ceph.accessKeyId), path.name);
    }
  },
);

withCeph("at the terminal: run, show says by what it is known, and a change is seen", async (_, t) => {
  const kept = await bucket({ orders: "1" }, { versions: true });
  const plain = await bucket({ orders: "2" });
  const here = project(t, {
    "pipeline.ts": `import { source } from "a-la-mode";\n${pipeline(`
const kept = dag.task("kept", await source("s3://${kept}/orders"));
const plain = dag.task("plain", await source("s3://${plain}/orders"));
dag.task("sum", { command: "cat inputs/kept inputs/plain > $OUTPUT" }).after(kept, plain);
`)}`,
  });
  assert.match(await here.done(["run"]), /3 tasks: 3 ran/);
  assert.match(await here.done(["run"]), /3 tasks: 3 reused/);
  assert.match(
    await here.done(["show", "kept"]),
    new RegExp(`^ {2}source +s3://${kept}/orders by version \\S+$`, "m"),
  );
  assert.match(
    await here.done(["show", "plain"]),
    new RegExp(`^ {2}source +s3://${plain}/orders by etag c81e728d\\S+$`, "m"),
  );
  await put(plain, "orders", "3");
  assert.match(await here.done(["status"]), /plain +spec changed: source/);
  assert.match(await here.done(["run"]), /3 tasks: 2 ran, 1 reused/);
  assert.match(await here.done(["verify"]), /1 same/);
});

withCeph(
  "a server that is down is told as such, and tried again as often as the options say",
  async (rig) => {
    const name = await bucket({ orders: "1" });
    const raw = await source(`s3://${name}/orders`);
    await ceph.stopGateway();
    await assert.rejects(source(`s3://${name}/orders`), {
      code: "fetch-failed",
      message: `s3://${name}/orders: the server refuses connections`,
      transient: true,
    });
    const told = await rig.run(reading(raw, { retries: 2, backoff: "1ms" }));
    assert.equal(told.status, "failed");
    const failures = told.of("task.failed");
    assert.equal(failures.length, 3);
    assert.equal(told.failures[0]!.failure.kind, "source-unavailable");
    assert.equal(told.failures[0]!.failure.message, `s3://${name}/orders: the server refuses connections`);
  },
);

// A team's store in S3, through the command line: two machines, stores mixed by pattern, and results that travel.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { type Ceph, startCeph, whyNoCeph } from "../ceph.ts";
import { startFaultyProxy } from "../store/faulty-proxy.ts";
import { jsonLines, type Project, pipeline, project, ranIn } from "./project.ts";

const skip = whyNoCeph() ?? false;
let ceph: Ceph;

before(async () => {
  if (skip !== false) return;
  ceph = await startCeph();
  const { accessKeyId, secretAccessKey, endpoint } = ceph;
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  await client.send(new CreateBucketCommand({ Bucket: "team" }));
  client.destroy();
});
after(async () => {
  await ceph?.stop();
});

const described = pipeline(`
const raw = dag.task("raw", { command: "mkdir -p $OUTPUT/empty; seq 3 > $OUTPUT/numbers; ln -s numbers $OUTPUT/link" });
const sum = dag.task("sum", { command: "sh add.sh inputs/raw/link > $OUTPUT; echo added", files: files("add.sh") }).after(raw);
dag.task("report", { command: "cat inputs/sum > $OUTPUT", produces: "report.txt" }).after(sum);`);
const code = "awk '{ s += $1 } END { print s }' $1\n";

interface Team {
  readonly store: string;
  readonly env: NodeJS.ProcessEnv;
  /** A project folder with a cache and a scratch area of its own, as on another machine. */
  machine(files?: Readonly<Record<string, string>>): Project;
}

function team(t: TestContext, prefix: string): Team {
  return {
    store: `s3://team/${prefix}?endpoint=${encodeURIComponent(ceph.endpoint)}`,
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: ceph.accessKeyId,
      AWS_SECRET_ACCESS_KEY: ceph.secretAccessKey,
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    },
    machine: (files = {}) => project(t, { "pipeline.ts": described, "add.sh": code, ...files }),
  };
}

test("a store that answers no requests is waited for, and told of", { skip }, async (t) => {
  let isAway = false;
  const proxy = await startFaultyProxy(t, ceph.endpoint, () =>
    isAway ? { kind: "answer", status: 503, code: "SlowDown" } : undefined,
  );
  const { env, machine } = team(t, "away");
  const here = machine();
  const store = `s3://team/away?endpoint=${encodeURIComponent(proxy.endpoint)}`;
  await here.done(["run", "raw", "--store", store], { env });
  isAway = true;
  const status = here.start(["status", "--store", store], { env });
  await status.prints(/! the store s3:\/\/team\/away\/ cannot be reached: the server answered 503/);
  isAway = false;
  const { code, stderr } = await status.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /is there again/);
});

test("what one machine made, another reuses, reads, verifies, and carries on from", { skip }, async (t) => {
  const { store, env, machine } = team(t, "shared");
  const [one, other] = [machine(), machine()];
  const places = ["--store", store, "--record", join(one.dir, "record.db")];
  const made = await one.done(["run", ...places], { env });
  assert.match(made, /report → s3:\/\/team\/shared\/outputs\/\w\w\/\w{64}\.\w{16}\/report\.txt\n/);
  await one.done(["plan", "-o", join(other.dir, "team.dag"), ...places], { env });

  const reused = jsonLines(await other.done(["run", "--json", ...places], { env })).at(-1)!;
  assert.deepEqual([reused["ran"], reused["reused"]], [0, 3]);
  assert.equal(await other.done(["log", "sum", ...places], { env }), "added\n");
  await other.done(["get", "report", "mine.txt", ...places], { env });
  assert.equal(other.read("mine.txt"), "6\n");
  const path = (await other.done(["path", "raw", ...places], { env })).trim();
  assert.equal(readFileSync(join(path, "link"), "utf8"), "1\n2\n3\n");
  assert.ok(path.startsWith(join(other.dir, ".alamode/cache/")), path);
  const shown = JSON.parse(await other.done(["show", "sum", "--json", ...places], { env }));
  assert.equal(shown.store, store);
  assert.match(shown.place, /^s3:\/\/team\/shared\/outputs\//);
  await other.done(["verify", "--stored", ...places], { env });
  await other.done(["verify", ...places], { env });

  // Only a plan file: code and inputs come from the store.
  const third = project(t);
  const step = ["exec", "-f", join(other.dir, "team.dag"), "sum", "--json", ...places];
  assert.deepEqual(ranIn(await third.done(step, { env })), []);
  other.write("pipeline.ts", described.replace("seq 3", "seq 4"));
  assert.deepEqual(ranIn(await other.done(["run", "--json", ...places], { env })), ["raw", "report", "sum"]);
  assert.equal(readFileSync((await one.done(["path", "report", ...places], { env })).trim(), "utf8"), "6\n");
});

test("outputs go to the stores that the configuration says, and say where they are", { skip }, async (t) => {
  const { store, env, machine } = team(t, "mixed");
  const here = machine({
    "alamode.config.ts": `export default { stores: { team: ${JSON.stringify(store)} }, options: { "r*": { store: "team" } } };\n`,
  });
  await here.done(["run"], { env });
  const listed = jsonLines(await here.done(["ls", "--json"], { env }));
  const storeOf = new Map(listed.map(({ task, store: name }) => [task, String(name)]));
  assert.deepEqual([storeOf.get("raw"), storeOf.get("report")], ["team", "team"]);
  assert.match(storeOf.get("sum")!, /^file:\/\/.*\.alamode$/);
  assert.match(await here.done(["ls"], { env }), /^raw .* team$/m);
  assert.equal(jsonLines(await here.done(["run", "--json"], { env })).at(-1)!["reused"], 3);
  const { code: exit, stderr } = await here.alamode(["run", "--store", "elsewhere", "-f", "pipeline.ts"], {
    env,
  });
  assert.equal(exit, 0, stderr);
});

test("killed while an output is sent, it is made again, whole, by the next run", { skip }, async (t) => {
  const { env, machine } = team(t, "killed");
  let sending: (() => void) | undefined;
  const isSending = new Promise<void>((resolve) => {
    sending = resolve;
  });
  const proxy = await startFaultyProxy(t, ceph.endpoint, (request) => {
    if (sending === undefined || !/^PUT .*\/trees\//.test(request)) return undefined;
    sending();
    sending = undefined;
    return { kind: "stall" };
  });
  const here = machine();
  const args = [
    "run",
    "--json",
    "--store",
    `s3://team/killed?endpoint=${encodeURIComponent(proxy.endpoint)}`,
  ];
  const run = here.start([...args, "raw"], { env });
  await isSending;
  run.child.kill("SIGKILL");
  await run.ended;
  assert.deepEqual(ranIn(await here.done(args, { env })), ["raw", "report", "sum"]);
  assert.deepEqual(ranIn(await here.done(args, { env })), []);
  await here.done(["verify", "--stored", ...args.slice(2)], { env });
});

test("a laptop's results go to the team, and the team's to a laptop; what failed is said", {
  skip,
}, async (t) => {
  const { store, env, machine } = team(t, "pushed");
  const laptop = machine();
  await laptop.done(["run"]);
  const record = join(laptop.dir, "team.db");
  const push = ["push", "--to", store, "--to-record", record, "--json"];
  const kinds = async (args: readonly string[], from = laptop) =>
    jsonLines(await from.done(args, { env })).map(({ kind }) => kind);
  assert.deepEqual(await kinds([...push, "raw"]), ["copied"]);
  assert.deepEqual(await kinds(push), ["there", "copied", "copied"]);
  assert.deepEqual(await kinds(push), ["there", "there", "there"]);

  const colleague = machine();
  const places = ["--store", store, "--record", record];
  assert.equal(jsonLines(await colleague.done(["run", "--json", ...places], { env })).at(-1)!["reused"], 3);
  assert.equal(await colleague.done(["log", "sum", ...places], { env }), "added\n");
  assert.deepEqual(
    await kinds(["pull", "report", "--from", store, "--from-record", record, "--json"], colleague),
    ["copied"],
  );
  assert.deepEqual(ranIn(await colleague.done(["run", "--json"])), [], "without any network");
  assert.ok(existsSync((await colleague.done(["path", "report"])).trim()));

  const unnamed = await laptop.alamode(["push", "--to", store], { env });
  assert.equal(unnamed.code, 2);
  assert.match(unnamed.stderr, /does not name[\s\S]*stores: \{ team:[\s\S]*--to-record/);
  const refused = await laptop.alamode(push, { env: { ...env, AWS_SECRET_ACCESS_KEY: "not-the-secret" } });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /refuses access \(403/);
  assert.ok(!refused.stderr.includes("not-the-secret"));
  const left = await machine().alamode(["push", "--to", store, "--to-record", record], { env });
  assert.equal(left.code, 1);
  assert.match(left.stdout, /raw {2}left: it is not made/);
});

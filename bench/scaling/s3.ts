// Requests to S3 for each output: made, read on another machine, and found to be there.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { Dag } from "../../src/plan/dag.ts";
import { startCeph } from "../../test/ceph.ts";
import { cli } from "../../test/cli-runner.ts";
import { startFaultyProxy } from "../../test/store/faulty-proxy.ts";

const OUTPUTS = 40;

export interface S3Row {
  readonly what: string;
  /** Requests for each output, by method; a GET that lists is LIST. */
  readonly perOutput: Readonly<Record<string, number>>;
}

export async function* measureS3(): AsyncGenerator<S3Row> {
  const ceph = await startCeph();
  const ended: (() => unknown)[] = [];
  const dir = mkdtempSync(join(tmpdir(), "alamode-scaling-"));
  try {
    const proxy = await startFaultyProxy(
      { after: (end) => void ended.push(end as () => unknown) },
      ceph.endpoint,
      () => undefined,
    );
    const env = {
      AWS_ACCESS_KEY_ID: ceph.accessKeyId,
      AWS_SECRET_ACCESS_KEY: ceph.secretAccessKey,
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    };
    const { endpoint, accessKeyId, secretAccessKey } = ceph;
    const credentials = { accessKeyId, secretAccessKey };
    const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
    await client.send(new CreateBucketCommand({ Bucket: "scaling" }));
    client.destroy();
    for (const [shape, command] of [
      ["one file", 'echo "$N" > "$OUTPUT"'],
      [
        "a folder of ten files",
        'mkdir "$OUTPUT"; for i in 0 1 2 3 4 5 6 7 8 9; do echo "$N $i" > "$OUTPUT/$i"; done',
      ],
    ] as const) {
      const plans = ["made", "read"].map((which) => {
        const dag = new Dag({ name: "s3" });
        const made = Array.from({ length: OUTPUTS }, (_, n) =>
          dag.task(`make-${n}`, { command, env: { N: `${shape} ${n}` } }),
        );
        if (which === "read") dag.task("read", { command: ': > "$OUTPUT"' }).after(...made);
        const file = join(dir, `${which}.dag`);
        writeFileSync(file, dag.bencode());
        return file;
      });
      const store = `s3://scaling/${shape.replaceAll(" ", "-")}?endpoint=${encodeURIComponent(proxy.endpoint)}`;
      const record = join(dir, `${shape}.db`);
      const run = async (what: string, machine: string, plan: string): Promise<S3Row> => {
        const before = proxy.requests.length;
        const here = { ...env, ALAMODE_CACHE: join(dir, machine) };
        const { code, stderr } = await cli(["run", "-f", plan, "--store", store, "--record", record], {
          cwd: dir,
          env: here,
          hangMs: 600_000,
        });
        if (code !== 0) throw new Error(`exit ${code}\n${stderr.slice(-2000)}`);
        return { what: `${shape}: ${what}`, perOutput: count(proxy.requests.slice(before)) };
      };
      yield await run("made", "one", plans[0]!);
      yield await run("looked for, when nothing is due", "one", plans[0]!);
      yield await run("read by one task on another machine", "another", plans[1]!);
    }
  } finally {
    for (const end of ended) await end();
    await ceph.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

function count(requests: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const request of requests) {
    const [method = "", path = ""] = request.split(" ");
    const name = method === "GET" && path.includes("list-type=2") ? "LIST" : method;
    counts[name] = (counts[name] ?? 0) + 1 / OUTPUTS;
  }
  return Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, Number(n.toFixed(2))]));
}

// What a plan costs in round trips and bytes: to note it, when nothing is due, when all of it is, and when all but its first
// task was made before under other names.
import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import pg from "pg";
import { encode } from "../../src/bencode/encode.ts";
import { resolvedKeyOf } from "../../src/engine/resolved-key.ts";
import { Dag } from "../../src/plan/dag.ts";
import type { Plan } from "../../src/plan/types.ts";
import { openPostgresRecord } from "../../src/record/postgres.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import type { TreeDigest } from "../../src/store/types.ts";
import { cli } from "../../test/cli-runner.ts";
import { startPostgres } from "../../test/postgres.ts";
import { type Counted, startCountingProxy } from "./counting-proxy.ts";

const SIZES = [1000, 10_000, 100_000];
const LAYERS = 10;
const SHA256_OF_NOTHING = hash("sha256", "");
const TREE = encode({ "": { executable: 0, sha256: SHA256_OF_NOTHING, size: 0 } });
const DIGEST = hash("sha256", TREE) as TreeDigest;
const NO_COUNTS = { ran: 0, same: 0, reused: 0, failed: 0, notStarted: 0 };

export interface QueryRow extends Counted {
  readonly what: string;
  readonly tasks: number;
  readonly seconds: number;
}

export async function* measureQueries(sizes: readonly number[]): AsyncGenerator<QueryRow> {
  const server = await startPostgres();
  const proxy = await startCountingProxy(server.port);
  try {
    for (const tasks of sizes.length > 0 ? sizes : SIZES) {
      const dir = mkdtempSync(join(tmpdir(), "alamode-scaling-"));
      const url = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres?schema=queries_${tasks}`;
      const seen = async (what: string, act: () => Promise<unknown>): Promise<QueryRow> => {
        proxy.take();
        const startedMs = performance.now();
        await act();
        return { what, tasks, seconds: (performance.now() - startedMs) / 1000, ...proxy.take() };
      };
      const alamode = async (plan: string, expected: number, ...args: string[]) => {
        const places = ["-f", plan, "--store", join(dir, "store"), "--record", url(proxy.port)];
        const { code, stderr, stdout } = await cli([...args, ...places], { cwd: dir, hangMs: 1_200_000 });
        if (code !== expected)
          throw new Error(
            `alamode ${args.join(" ")}: exit ${code}\n${stderr.slice(-2000)}${stdout.slice(-500)}`,
          );
      };
      try {
        const first = layered(tasks, "");
        const [before, after] = [join(dir, "before.dag"), join(dir, "after.dag")];
        writeFileSync(before, first.bencode());
        writeFileSync(after, layered(tasks, " # a comment").bencode());
        const plan = first.encode();
        const record = await openPostgresRecord(url(server.port));
        await record.close(); // the schema is made
        const failing = join(dir, "failing.dag");
        writeFileSync(failing, layered(tasks, "; exit 1").bencode());
        yield await seen("a new plan, all of it due, whose first task fails (run)", () =>
          alamode(failing, 1, "run"),
        );
        yield await seen("all of it due (status, which tells why of each)", () =>
          alamode(before, 0, "status"),
        );
        const store = await openFolderStore(join(dir, "store"));
        yield await seen("the plan is noted", () => note(plan, url(proxy.port)));
        await pretend(plan, url(server.port), store.id, join(dir, "store"));
        await store.close();
        yield await seen("one goal, and nothing is due (run)", () => alamode(before, 0, "run"));
        yield await seen("every task a goal, and nothing is due (run)", () => alamode(before, 0, "run", "*"));
        yield await seen(`all but one are aliases, in ${LAYERS} layers (run, of a new plan)`, () =>
          alamode(after, 0, "run"),
        );
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    }
  } finally {
    proxy.close();
    server.stop();
  }
}

/** So many tasks in ten layers, each on one of the layer before; the first task above all, one goal below. All make an empty file. */
function layered(tasks: number, more: string): Dag {
  const dag = new Dag({ name: "layered" });
  const command = ': > "$OUTPUT"';
  const root = dag.task("root", { command: command + more });
  const width = (tasks - 2) / LAYERS;
  let above = [root];
  for (let layer = 0; layer < LAYERS; layer++) {
    const count = Math.round((layer + 1) * width) - Math.round(layer * width);
    above = Array.from({ length: count }, (_, i) =>
      dag.task(`task-${layer}-${i}`, { command: `${command} # ${i}` }).after(above[i % above.length]!),
    );
  }
  dag.task("goal", { command }).after(...above);
  return dag;
}

async function note(plan: Plan, url: string): Promise<void> {
  const record = await openPostgresRecord(url);
  const planDigest = hash("sha256", encode({ ...plan }));
  const { id } = await record.startRun({
    pipeline: "layered",
    params: {},
    plan,
    planDigest,
    goals: ["goal"],
    note: "",
    host: "elsewhere",
    user: "me",
    version: "0",
  });
  await record.finishRun(id, "done", NO_COUNTS);
  await record.close();
}

/** Writes what the record and the store would hold if each task had been executed once: all lie at one location. */
async function pretend(plan: Plan, url: string, storeId: string, store: string): Promise<void> {
  const client = new pg.Client({ connectionString: url.replace(/\?.*/, "") });
  await client.connect();
  await client.query(`SET search_path = ${new URL(url).searchParams.get("schema")}`);
  const location = `${DIGEST.slice(0, 2)}/${DIGEST}`;
  const place = join(store, "outputs", location);
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, "", { mode: 0o444 });
  await client.query("INSERT INTO trees (digest, bytes) VALUES ($1, $2)", [Buffer.from(DIGEST, "hex"), TREE]);
  const tasks = Object.values(plan.tasks);
  const names = Object.keys(plan.tasks);
  for (let at = 0; at < tasks.length; at += 10_000) {
    const some = tasks.slice(at, at + 10_000);
    const inputs = some.flatMap((task) =>
      Object.entries(task.inputs).map(([name, input]) => [task.output, name, input] as const),
    );
    const key = (task: (typeof tasks)[number]) =>
      resolvedKeyOf(task, Object.fromEntries(Object.keys(task.inputs).map((name) => [name, DIGEST])));
    const bytes = (all: readonly string[]) => all.map((one) => Buffer.from(one, "hex"));
    await client.query(
      `WITH asked AS (
         SELECT o.id AS output_id, a.key, a.task, a.n
         FROM unnest($1::bytea[], $2::bytea[], $6::text[]) WITH ORDINALITY AS a (output, key, task, n)
         JOIN outputs o ON o.output = a.output
       ), executed AS (
         INSERT INTO executions (run_id, n, output_id, task, attempt, started_at, outcome, host, executor, isolation, path)
         SELECT (SELECT max(id) FROM runs), $3 + n, output_id, task, 1, 0, 'success', 'elsewhere', 'local', 'none', '' FROM asked
         RETURNING id, output_id
       ), made AS (
         INSERT INTO successes (output_id, execution_id, tree_id, resolved_key, location, store, isolation, state, stale, settled,
           host, boot, made_at, size_bytes, files, made_stale, stamps)
         SELECT a.output_id, e.id, (SELECT id FROM trees), a.key, $4, $5, 'none', 'current', 0, 1, 'elsewhere', '', 0, 0, 1, 0, ''
         FROM asked a JOIN executed e ON e.output_id = a.output_id RETURNING id, output_id
       ) INSERT INTO standing (output_id, success_id) SELECT output_id, id FROM made`,
      [
        bytes(some.map(({ output }) => output)),
        bytes(some.map(key)),
        at,
        location,
        storeId,
        names.slice(at, at + 10_000),
      ],
    );
    await client.query(
      `INSERT INTO success_inputs (success_id, name, input_output_id, tree_id)
       SELECT s.id, a.name, i.id, s.tree_id FROM unnest($1::bytea[], $2::text[], $3::bytea[]) AS a (output, name, input)
       JOIN outputs o ON o.output = a.output JOIN successes s ON s.output_id = o.id JOIN outputs i ON i.output = a.input`,
      [
        bytes(inputs.map(([output]) => output)),
        inputs.map(([, name]) => name),
        bytes(inputs.map(([, , input]) => input)),
      ],
    );
  }
  await client.query("ANALYZE");
  await client.end();
}

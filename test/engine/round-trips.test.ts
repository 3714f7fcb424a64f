// What a shared record is asked while it is decided what is due: few questions, however many tasks there are. Counted on the wire.
import assert from "node:assert/strict";
import { mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type CountingProxy, startCountingProxy } from "../../bench/scaling/counting-proxy.ts";
import { demandsOf } from "../../src/engine/demands.ts";
import { decideNow, type FactSource } from "../../src/engine/facts.ts";
import { thisHost } from "../../src/engine/host.ts";
import { ConfiguredOptions } from "../../src/engine/options.ts";
import { resolvedKeyOf } from "../../src/engine/resolved-key.ts";
import { Sandboxes } from "../../src/engine/sandbox/sandboxes.ts";
import { status } from "../../src/engine/status.ts";
import { Dag } from "../../src/plan/dag.ts";
import { graphOf } from "../../src/plan/graph.ts";
import type { Plan } from "../../src/plan/types.ts";
import { openPostgresRecord } from "../../src/record/postgres.ts";
import type { RecordDb } from "../../src/record/types.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import { storesOf } from "../../src/store/stores.ts";
import type { Location, Store } from "../../src/store/types.ts";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { Maker, type Reads, treeOf } from "../record/maker.ts";
import { scratch } from "./rig.ts";

/** A connection that was idle for long is opened anew, which is a round trip too. */
const RECONNECTED = 4;

const skip = whyNoPostgres() ?? false;
let server: Postgres;
let proxy: CountingProxy;

before(async () => {
  if (skip) return;
  server = await startPostgres();
  proxy = await startCountingProxy(server.port);
});

after(() => {
  proxy?.close();
  server?.stop();
});

interface Counting {
  readonly record: RecordDb;
  readonly store: Store;
  /** Round trips that `act` takes. */
  count(act: () => Promise<unknown>): Promise<number>;
}

/** A record of its own behind the proxy, and a store. */
async function withCounted(
  t: Parameters<typeof scratch>[0],
  schema: string,
  body: (counting: Counting) => Promise<number>,
): Promise<number> {
  const store = await openFolderStore(scratch(t));
  const record = await openPostgresRecord(
    `postgres://postgres@127.0.0.1:${proxy.port}/postgres?schema=${schema}`,
  );
  const count = async (act: () => Promise<unknown>) => {
    proxy.take();
    await act();
    return proxy.take().roundTrips;
  };
  try {
    return await body({ record, store, count });
  } finally {
    await record.close();
    await store.close();
  }
}

/** Three layers of so many tasks in all, below one that is above all, and above a goal. */
function layered(tasks: number, comment = ""): Plan {
  const dag = new Dag({ name: "layered" });
  const root = dag.task("root", { command: `echo root > $OUTPUT${comment}` });
  const all = Array.from({ length: tasks }, (_, i) => {
    const task = dag.task(`task-${i}`, { command: `echo ${i} > $OUTPUT` });
    const above = i - Math.ceil(tasks / 3);
    return task.after(above < 0 ? root : dag.tasks[`task-${above}`]!);
  });
  dag.task("goal", { command: "true" }).after(...all);
  return dag.encode();
}

test("status of due tasks asks as much of two hundred as of two thousand", { skip }, async (t) => {
  const asked = (tasks: number) =>
    withCounted(t, `due_${tasks}`, async ({ record, store, count }) => {
      const plan = layered(tasks);
      const maker = await Maker.start(record, plan); // so that there is a run to compare with, a failure and a success that is lost
      const root = (await maker.make("root", "1")).success;
      await maker.fail(await maker.take("task-0"), { kind: "exit", message: "exit 1" });
      await record.mark([(await maker.make("task-1", "1")).success.id, root.id], "lost");
      return count(async () => {
        const { due } = await status(plan, { record, store, pipeline: "pipeline" });
        assert.equal(due.length, tasks + 2);
        const reasons = new Map(due.map(({ task, reasons }) => [task, reasons.at(-1)?.kind]));
        assert.equal(reasons.get("task-0"), "failed");
        assert.equal(reasons.get("task-1"), "lost");
        assert.equal(reasons.get("task-2"), "input");
      });
    });
  const [few, many] = [await asked(200), await asked(2000)];
  assert.ok(many <= few + RECONNECTED, `${few} for 200, ${many} for 2,000`);
  assert.ok(few <= 20, `${few} for 200`);
});

test("aliases, and what is found to be lost, are written in as few round trips for three hundred tasks as for thirty", {
  skip,
}, async (t) => {
  const asked = { alias: new Map<number, number>(), lost: new Map<number, number>() };
  for (const tasks of [30, 300]) {
    await withCounted(t, `same_${tasks}`, async ({ record, store, count }) => {
      const location = `00/${"0".repeat(64)}` as Location;
      const place = fileURLToPath(`${store.url}/outputs/${location}`);
      mkdirSync(dirname(place), { recursive: true });
      writeFileSync(place, "");
      const make = (maker: Maker, names: readonly string[]) =>
        Promise.all(
          names.map(async (name) => {
            const { inputs } = maker.plan.tasks[name]!;
            const reads: Reads = Object.fromEntries(
              Object.entries(inputs).map(([input, output]) => [input, { output, treeDigest: treeOf("") }]),
            );
            const resolvedKey = resolvedKeyOf(
              maker.plan.tasks[name]!,
              Object.fromEntries(Object.keys(inputs).map((input) => [input, treeOf("")])),
            );
            const claim = await maker.take(name, { resolvedKey });
            const request = maker.commitRequest(claim, "", reads);
            await record.commit({ ...request, location, store: store.id, resolvedKey });
          }),
        );
      const before = layered(tasks);
      const maker = await Maker.start(record, before);
      const order = [...graphOf(before).order].map((node) => graphOf(before).names(node)[0]!);
      await make(maker, order);
      await record.settle(store.id, "here", "boot-1", await record.lastSuccess());
      const plan = layered(tasks, " # a comment");
      await make(await Maker.start(record, plan), ["root"]);
      await record.settle(store.id, "here", "boot-1", await record.lastSuccess());
      const source = await sourceOf(plan, record, store);
      const graph = graphOf(plan);
      const goal = [graph.nodeOf("goal")];
      asked.alias.set(
        tasks,
        await count(async () => {
          const { same, due } = await decideNow(plan, graph, goal, source);
          assert.deepEqual([same.length, due.size], [tasks + 1, 0]);
        }),
      );
      const made = await record.successes(Object.values(plan.tasks).map(({ output }) => output));
      assert.equal(
        made
          .values()
          .filter(({ stale, state }) => !stale && state === "current")
          .toArray().length,
        tasks + 2,
      );
      unlinkSync(place);
      asked.lost.set(
        tasks,
        await count(async () => {
          assert.equal((await decideNow(plan, graph, goal, source)).due.size, tasks + 2);
        }),
      );
      assert.equal((await record.successes(Object.values(plan.tasks).map(({ output }) => output))).size, 0);
      return 0;
    });
  }
  for (const counts of Object.values(asked)) {
    const [few, many] = [counts.get(30)!, counts.get(300)!];
    assert.ok(many <= few + RECONNECTED, `${few} for 30, ${many} for 300`);
    assert.ok(few <= 40, `${few} for 30`);
  }
});

async function sourceOf(plan: Plan, record: RecordDb, store: Store): Promise<FactSource> {
  const graph = graphOf(plan);
  const sandboxes = await new Sandboxes(new ConfiguredOptions(undefined), {}).open(plan, graph);
  const demands = await demandsOf(plan, graph, sandboxes, record);
  return { record, stores: storesOf(store), host: thisHost(), mark: true, demands };
}

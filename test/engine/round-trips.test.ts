// What a shared record is asked while it is decided what is due: few questions, however many tasks there are. Counted on the wire.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type CountingProxy, startCountingProxy } from "../../bench/scaling/counting-proxy.ts";
import { status } from "../../src/engine/status.ts";
import { Dag } from "../../src/plan/dag.ts";
import type { Plan } from "../../src/plan/types.ts";
import { openPostgresRecord } from "../../src/record/postgres.ts";
import type { RecordDb } from "../../src/record/types.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import type { Store } from "../../src/store/types.ts";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { Maker } from "../record/maker.ts";
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

/** Three layers of so many tasks in all, and a goal below them. */
function layered(tasks: number): Plan {
  const dag = new Dag({ name: "layered" });
  const all = Array.from({ length: tasks }, (_, i) => {
    const task = dag.task(`task-${i}`, { command: `echo ${i} > $OUTPUT` });
    const above = i - Math.ceil(tasks / 3);
    return above < 0 ? task : task.after(dag.tasks[`task-${above}`]!);
  });
  dag.task("goal", { command: "true" }).after(...all);
  return dag.encode();
}

test("status of due tasks asks as much of two hundred as of two thousand", { skip }, async (t) => {
  const asked = (tasks: number) =>
    withCounted(t, `due_${tasks}`, async ({ record, store, count }) => {
      const plan = layered(tasks);
      const maker = await Maker.start(record, plan); // so that there is a run to compare with, a failure and a success that is lost
      await maker.fail(await maker.take("task-0"), { kind: "exit", message: "exit 1" });
      await record.mark([(await maker.make("task-1", "1")).success.id], "lost");
      return count(async () => {
        const { due } = await status(plan, { record, store, pipeline: "pipeline" });
        assert.equal(due.length, tasks + 1);
        const reasons = new Map(due.map(({ task, reasons }) => [task, reasons[0]?.kind]));
        assert.equal(reasons.get("task-0"), "failed");
        assert.equal(reasons.get("task-1"), "lost");
        assert.equal(reasons.get("task-2"), "unfinished");
      });
    });
  const [few, many] = [await asked(200), await asked(2000)];
  assert.ok(many <= few + RECONNECTED, `${few} for 200, ${many} for 2,000`);
  assert.ok(few <= 20, `${few} for 200`);
});

// One process of steps.ts: the record's part of so many steps, eight at once, without commands or files.
import { once } from "node:events";
import { openPostgresRecord } from "../../src/record/postgres.ts";
import { Maker, planOf } from "../../test/record/maker.ts";

const AT_ONCE = 8;

const [url, n, steps] = process.argv.slice(2);
const record = await openPostgresRecord(url!);
const names = Array.from({ length: Number(steps) }, (_, i) => `task-${n}-${i}`);
const maker = await Maker.start(record, planOf(Object.fromEntries(names.map((name) => [name, []]))));
process.send!("ready");
await once(process, "message");
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const claim = await maker.take(name);
      await record.locations(maker.output(name), "folder");
      await maker.commit(claim, name, {});
    }
  }),
);
await record.finishRun(maker.run.id, "done", { ran: 0, same: 0, reused: 0, failed: 0, notStarted: 0 });
await record.close();
process.disconnect?.();

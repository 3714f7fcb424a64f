// Where the time of small steps goes: a cold run in this process, on a store and a record whose calls are timed.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/engine/run.ts";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import { dagOf } from "../contenders/alamode.ts";
import { workload } from "../workload.ts";
import type { Micro, MicroRow } from "./types.ts";

const TASKS = 2000;

export const phases: Micro = async (dir) => {
  mkdirSync(dir, { recursive: true });
  const took = new Map<string, number>();
  const timed = <T extends object>(target: T, prefix: string): T =>
    new Proxy(target, {
      get(of, name) {
        const value = Reflect.get(of, name, of);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          const startedMs = performance.now();
          const done = value.apply(of, args);
          const note = () => {
            const key = `${prefix}.${String(name)}`;
            took.set(key, (took.get(key) ?? 0) + performance.now() - startedMs);
          };
          if (done instanceof Promise) return done.finally(note);
          note();
          return done;
        };
      },
    });
  const store = timed(await openFolderStore(join(dir, "store")), "store");
  const record = timed(await openSqliteRecord(join(dir, "record.db")), "record");
  const plan = dagOf(workload("layered", TASKS)).encode();
  const before = process.cpuUsage();
  const startedMs = performance.now();
  const result = await run(plan, { store, record });
  const wallMs = performance.now() - startedMs;
  const cpu = process.cpuUsage(before);
  await record.close();
  await store.close();
  if (result.status !== "done") throw new Error(`the run ${result.status}`);
  const each = (what: string, ms: number): MicroRow => ({
    what,
    value: (ms * 1000) / TASKS,
    unit: "µs a step",
  });
  return [
    each("wall, 2 at once", wallMs),
    each("processor time of our own process", (cpu.user + cpu.system) / 1000),
    ...[...took].sort(([, a], [, b]) => b - a).map(([call, ms]) => each(call, ms)),
  ].filter(({ value }) => value >= 0.5);
};

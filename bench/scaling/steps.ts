// Steps per second through one PostgreSQL: by processes that do nothing but claim and commit, and by whole engines.
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Dag } from "../../src/plan/dag.ts";
import { cliEnv, cliMain } from "../../test/cli-runner.ts";
import { type Postgres, startPostgres } from "../../test/postgres.ts";
import { startCountingProxy } from "./counting-proxy.ts";

const PROCESSES = [1, 4, 16];
/** Steps of one measurement, over all processes. */
const RECORD_STEPS = 3200;
const ENGINE_STEPS = 800;
const worker = fileURLToPath(new URL("step-worker.ts", import.meta.url));

export interface StepRow {
  readonly what: "record" | "engine";
  readonly processes: number;
  readonly stepsPerSecond: number;
  /** Processor time of the server for each step, in ms: what other programs on the machine do changes it least. */
  readonly serverCpuMs: number;
  /** What each step takes over the connection. */
  readonly roundTrips: number;
  readonly bytes: number;
}

/** With a sync for each commit, as a server has it that is to be trusted. */
export async function* measureSteps(): AsyncGenerator<StepRow> {
  const server = await startPostgres({ durable: true });
  const proxy = await startCountingProxy(server.port);
  const dir = mkdtempSync(join(tmpdir(), "alamode-scaling-"));
  try {
    for (const what of ["record", "engine"] as const) {
      for (const processes of PROCESSES) {
        const all = what === "record" ? RECORD_STEPS : ENGINE_STEPS;
        const url = `postgres://postgres@127.0.0.1:${proxy.port}/postgres?schema=${what}_${processes}`;
        const beforeMs = await serverCpuMs(server);
        proxy.take();
        const seconds =
          what === "record"
            ? await ofWorkers(url, processes, all / processes)
            : await ofEngines(url, join(dir, `${processes}`), processes, all / processes);
        const { roundTrips, bytesSent, bytesReceived } = proxy.take();
        yield {
          what,
          processes,
          stepsPerSecond: Math.round(all / seconds),
          serverCpuMs: Number((((await serverCpuMs(server)) - beforeMs) / all).toFixed(2)),
          roundTrips: Number((roundTrips / all).toFixed(1)),
          bytes: Math.round((bytesSent + bytesReceived) / all),
        };
      }
    }
  } finally {
    proxy.close();
    server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Processor time that the server's connections have used so far, once all of them have ended. */
async function serverCpuMs(server: Postgres): Promise<number> {
  while (
    server.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'").trim() !== "1"
  )
    await delay(20);
  const pid = server.sql("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)").trim();
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // utime, stime, and both of the children that it has waited for, in hundredths of a second
  const [, , , , , , , , , , , ...times] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return times.slice(0, 4).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

/** Seconds from the moment when all may begin until the last has ended. */
async function ofWorkers(url: string, processes: number, steps: number): Promise<number> {
  const workers = [];
  for (let n = 0; n < processes; n++) {
    const child = fork(worker, [url, String(n), String(steps)]);
    await once(child, "message"); // one after the other: they make the schema
    workers.push(child);
  }
  const startedMs = performance.now();
  await Promise.all(
    workers.map(async (child) => {
      child.send("go");
      const [code] = await once(child, "exit");
      if (code !== 0) throw new Error(`a worker ended with exit code ${code}`);
    }),
  );
  return (performance.now() - startedMs) / 1000;
}

/** Whole runs, from the start of their processes, each of a plan and with a store of its own. */
async function ofEngines(url: string, dir: string, processes: number, steps: number): Promise<number> {
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: processes }, async (_, n) => {
      const dag = new Dag({ name: `steps-${n}` });
      for (let i = 0; i < steps; i++) dag.task(`task-${n}-${i}`, { command: `: > "$OUTPUT" # ${n} ${i}` });
      const plan = `${dir}-${n}.dag`;
      writeFileSync(plan, dag.bencode());
      const args = [cliMain, "run", "-f", plan, "--store", `${dir}-${n}`, "--record", url];
      const child = spawn(process.execPath, args, { env: cliEnv(), stdio: ["ignore", "ignore", "inherit"] });
      const [code] = await once(child, "exit");
      if (code !== 0) throw new Error(`an engine ended with exit code ${code}`);
    }),
  );
  return (performance.now() - startedMs) / 1000;
}

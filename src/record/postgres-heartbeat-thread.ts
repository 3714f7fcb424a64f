// The thread of postgres-heartbeat.ts: moves on, by the database's clock, until when the runs of this process live. It has a
// connection of its own, which it opens again whenever it is lost; nothing is ever told or asked from here.
import { setTimeout as delay } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import pg from "pg";
import type { HeartbeatRuns } from "./postgres-heartbeat.ts";
import { postgresPlace } from "./postgres-url.ts";

/** How many times a lease is renewed before it would expire. */
const BEATS_PER_LEASE = 6;

const place = postgresPlace(workerData as string);
const pauseMs = place.leaseMs / BEATS_PER_LEASE;
let runs: readonly string[] = [];
let client: pg.Client | undefined;

parentPort!.on("message", (told: HeartbeatRuns) => {
  runs = told.runs;
});

async function beat(): Promise<void> {
  if (client === undefined) {
    const fresh = new pg.Client({
      ...place.config,
      connectionTimeoutMillis: Math.min(pauseMs * 2, 10_000),
      query_timeout: pauseMs * 2, // an answer that does not come is asked for on another connection
      application_name: "alamode heartbeat",
    });
    fresh.on("error", () => drop(fresh));
    await fresh.connect();
    client = fresh;
  }
  await client.query(
    "UPDATE live SET until = clock_timestamp() + lease FROM runs r WHERE r.id = live.run_id AND r.run = ANY($1::text[])",
    [runs],
  );
}

function drop(which: pg.Client | undefined): void {
  if (which === undefined) return;
  if (client === which) client = undefined;
  which.end().catch(() => {});
}

for (;;) {
  let pause = pauseMs;
  if (runs.length > 0) {
    try {
      await beat();
    } catch {
      drop(client);
      pause /= 4;
    }
  }
  await delay(pause);
}

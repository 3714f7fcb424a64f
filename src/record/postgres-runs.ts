// Runs in a shared record: beginning, ending, which of them live, and what they came to.
import { randomBytes } from "node:crypto";
import { encode } from "../bencode/encode.ts";
import type { PostgresConnection, Session } from "./postgres-connection.ts";
import type { Heartbeat } from "./postgres-heartbeat.ts";
import { notePlan } from "./postgres-plans.ts";
import { noteSlot } from "./postgres-slots.ts";
import { type RunRow, runByKey, runOf, SELECT_RUN } from "./run-rows.ts";
import type { Millis, RecordDb, Run, RunCounts, RunId, StartRun } from "./types.ts";

type RunCalls = Pick<RecordDb, "startRun" | "finishRun" | "isLive" | "runs" | "run" | "lastRun">;

export function runCalls(db: PostgresConnection, now: () => Millis, heartbeat: Heartbeat): RunCalls {
  return {
    async startRun(request) {
      const run = randomBytes(8).toString("hex");
      const planId = await notePlan(db, request.planDigest, request.plan);
      await db.transaction((session) => startRun(session, run, planId, now(), db.place.leaseMs, request));
      heartbeat.start(run);
      return (await selectRuns(db, "WHERE r.run = ?", run))[0]!;
    },
    async finishRun(run, status, counts) {
      await db.transaction((session) => finishRun(session, now(), run, status, counts));
      await heartbeat.stop(run);
    },
    async isLive(run, agoMs = 0) {
      const row = await db.row<{ lives: boolean }>(
        `SELECT lives(r.id) OR until > clock_timestamp() - ? * interval '1 ms' AS lives
         FROM runs r JOIN live l ON l.run_id = r.id WHERE run = ?`,
        agoMs,
        run,
      );
      return row?.lives ?? false;
    },
    runs: (limit) => selectRuns(db, "ORDER BY r.id DESC LIMIT ?", limit),
    run: (key) => runByKey(key, (rest, value) => selectRuns(db, rest, value)),
    async lastRun(pipeline) {
      return (await selectRuns(db, "WHERE r.pipeline = ? ORDER BY r.id DESC LIMIT 1", pipeline))[0];
    },
  };
}

async function startRun(
  session: Session,
  run: RunId,
  planId: number,
  startedAt: Millis,
  leaseMs: number,
  request: StartRun,
): Promise<void> {
  const [begun] = await session.rows("SELECT 1 FROM runs WHERE run = ?", run);
  if (begun !== undefined) return; // the answer was lost
  const [row] = await session.rows<{ id: number }>(
    `INSERT INTO runs (run, pipeline, plan_id, params, goals, started_at, status, note, host, "user", pid, version)
     VALUES (?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?) RETURNING id`,
    run,
    request.pipeline,
    planId,
    encode(request.params),
    encode(request.goals),
    startedAt,
    request.note,
    request.host,
    request.user,
    process.pid,
    request.version,
  );
  await session.rows(
    "INSERT INTO live (run_id, until, lease) SELECT ?, clock_timestamp() + l, l FROM make_interval(secs => ?) AS l",
    row!.id,
    leaseMs / 1000,
  );
  if (request.scheduled !== undefined) await noteSlot(session, request.pipeline, request.scheduled, row!.id);
}

async function finishRun(
  session: Session,
  endedAt: Millis,
  run: RunId,
  status: "done" | "failed" | "interrupted",
  counts: RunCounts,
): Promise<void> {
  const [row] = await session.rows<{ id: number }>(
    `UPDATE runs SET status = ?, ended_at = ?, ran = ?, same = ?, reused = ?, failed = ?, not_started = ?
     WHERE run = ? AND status = 'running' RETURNING id`,
    status,
    endedAt,
    counts.ran,
    counts.same,
    counts.reused,
    counts.failed,
    counts.notStarted,
    run,
  );
  if (row === undefined) return;
  await session.rows(
    `UPDATE executions SET outcome = 'failure', ended_at = ?, failure_kind = 'interrupted', failure_message = 'the run ended'
     WHERE outcome = 'running' AND run_id = ?`,
    endedAt,
    row.id,
  );
  await session.rows(
    `WITH ended AS (
       DELETE FROM leases l USING executions e WHERE e.id = l.execution_id AND e.run_id = ? RETURNING l.awaited, e.n
     ) SELECT pg_notify('alamode_ended', ? || '-' || n) FROM ended WHERE awaited`,
    row.id,
    run,
  );
  await session.rows("DELETE FROM live WHERE run_id = ?", row.id);
}

/**
 * Rows, some of them of runs that have not ended (`lives` is false of those that never will). Both are read in one statement,
 * so a run that ends at this moment is not taken for dead.
 */
async function selectRuns(db: PostgresConnection, rest: string, value: string | number): Promise<Run[]> {
  const rows = await db.rows<RunRow & { lives: boolean }>(
    `SELECT *, lives(id) FROM (${SELECT_RUN} ${rest}) AS found ORDER BY id DESC`,
    value,
  );
  return rows.map((row) => runOf(row, row.status === "running" && !row.lives));
}

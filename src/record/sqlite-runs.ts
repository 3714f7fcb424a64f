// Runs in the embedded record: beginning, ending, which of them live, and what they came to.
import { randomBytes } from "node:crypto";
import { encode } from "../bencode/encode.ts";
import { holdLock } from "../process-lock.ts";
import { forgetUnborn } from "./live.ts";
import { type RunRow, runByKey, runOf, SELECT_RUN } from "./run-rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { recordError } from "./sqlite-errors.ts";
import { liveFolder, readWithDead, runLives } from "./sqlite-live.ts";
import { notePlan } from "./sqlite-plans.ts";
import { noteSlot } from "./sqlite-slots.ts";
import type { Millis, RecordDb, Run, RunCounts, RunId, StartRun } from "./types.ts";

type RunCalls = Pick<RecordDb, "startRun" | "finishRun" | "isLive" | "runs" | "run" | "lastRun">;

/** `held` is filled with what gives back the lock of each run begun here and not yet ended. */
export function runCalls(db: SqliteConnection, now: () => Millis, held: Map<RunId, () => void>): RunCalls {
  return {
    startRun: (request) => startRun(db, now, held, request),
    async finishRun(run, status, counts) {
      await db.write(() => finishRun(db, now(), run, status, counts));
      held.get(run)?.(); // after the row: who sees neither lock nor end must take the run for killed
      held.delete(run);
    },
    isLive: async (run) => runLives(db, run),
    runs: (limit) => selectRuns(db, "ORDER BY r.id DESC LIMIT ?", limit),
    run: (key) => runByKey(key, (rest, value) => selectRuns(db, rest, value)),
    async lastRun(pipeline) {
      return (await selectRuns(db, "WHERE r.pipeline = ? ORDER BY r.id DESC LIMIT 1", pipeline))[0];
    },
  };
}

async function startRun(
  db: SqliteConnection,
  now: () => Millis,
  held: Map<RunId, () => void>,
  request: StartRun,
): Promise<Run> {
  const run = randomBytes(8).toString("hex");
  let giveBack = () => {};
  try {
    await db.write(() => {
      const dir = liveFolder(db);
      forgetUnborn(dir, (known) => db.get("SELECT 1 FROM runs WHERE run = ?", known) !== undefined);
      giveBack(); // of a try before this one
      giveBack = holdLock(dir, run);
      const { id } = db.get<{ id: number }>(
        `INSERT INTO runs (run, pipeline, plan_id, params, goals, started_at, status, note, host, user, pid, version)
         VALUES (?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?) RETURNING id`,
        run,
        request.pipeline,
        notePlan(db, request.planDigest, request.plan, request.former),
        encode(request.params),
        encode(request.goals),
        now(),
        request.note,
        request.host,
        request.user,
        process.pid,
        request.version,
      )!;
      if (request.scheduled !== undefined) noteSlot(db, request.pipeline, request.scheduled, id);
    });
  } catch (error) {
    giveBack();
    throw recordError(error, db.file);
  }
  held.set(run, giveBack);
  return (await selectRuns(db, "WHERE r.run = ?", run))[0]!;
}

function finishRun(
  db: SqliteConnection,
  endedAt: Millis,
  run: RunId,
  status: "done" | "failed" | "interrupted",
  counts: RunCounts,
): void {
  const ended = db.run(
    `UPDATE runs SET status = ?, ended_at = ?, ran = ?, same = ?, reused = ?, failed = ?, not_started = ?
     WHERE run = ? AND status = 'running'`,
    status,
    endedAt,
    counts.ran,
    counts.same,
    counts.reused,
    counts.failed,
    counts.notStarted,
    run,
  );
  if (ended === 0) return;
  const { id } = db.get<{ id: number }>("SELECT id FROM runs WHERE run = ?", run)!;
  db.run(
    `UPDATE executions SET outcome = 'failure', ended_at = ?, failure_kind = 'interrupted', failure_message = 'the run ended'
     WHERE run_id = ? AND outcome = 'running'`,
    endedAt,
    id,
  );
  const itsOwn = "(SELECT 1 FROM executions e WHERE e.id = leases.execution_id AND e.run_id = ?)";
  db.run(`DELETE FROM leases WHERE EXISTS ${itsOwn}`, id);
}

async function selectRuns(db: SqliteConnection, rest: string, value: string | number): Promise<Run[]> {
  const read = () => db.all<RunRow>(`${SELECT_RUN} ${rest}`, value);
  const { rows, isDead } = await readWithDead(db, read, (row) => row.status === "running");
  return rows.map((row) => runOf(row, isDead(row)));
}

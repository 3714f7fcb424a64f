// Runs in the embedded record: beginning, ending, which of them live, and what they came to.
import { randomBytes } from "node:crypto";
import { decode } from "../bencode/decode.ts";
import { encode } from "../bencode/encode.ts";
import { forgetUnborn, holdLive } from "./live.ts";
import { hex } from "./rows.ts";
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
    async run(key) {
      if (!/^[0-9a-f]+$/.test(key)) return undefined;
      const [exact] = await selectRuns(db, "WHERE r.run = ?", key);
      if (exact !== undefined) return exact;
      const number = /^[0-9]{1,15}$/.test(key) ? Number(key) : 0;
      const [numbered] = await selectRuns(db, "WHERE r.id = ?", number);
      if (numbered !== undefined) return numbered;
      if (key.length < 4) return undefined; // a number that is none yet, rather than the beginning of some id
      const found = await selectRuns(db, "WHERE r.run LIKE ? LIMIT 2", `${key}%`);
      return found.length === 1 ? found[0] : undefined;
    },
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
      giveBack = holdLive(dir, run);
      const { id } = db.get<{ id: number }>(
        `INSERT INTO runs (run, pipeline, plan_id, params, goals, started_at, status, note, host, user, pid, version)
         VALUES (?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?) RETURNING id`,
        run,
        request.pipeline,
        notePlan(db, request.planDigest, request.plan),
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
  const executions = "(SELECT e.id FROM executions e JOIN runs r ON r.id = e.run_id WHERE r.run = ?)";
  db.run(
    `UPDATE executions SET outcome = 'failure', ended_at = ?, failure_kind = 'interrupted', failure_message = 'the run ended'
     WHERE outcome = 'running' AND id IN ${executions}`,
    endedAt,
    run,
  );
  db.run(`DELETE FROM leases WHERE execution_id IN ${executions}`, run);
}

interface RunRow {
  readonly id: number;
  readonly run: string;
  readonly pipeline: string;
  readonly digest: Uint8Array;
  readonly params: Uint8Array;
  readonly series: string | null;
  readonly starts_at: number | null;
  readonly goals: Uint8Array;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly status: Run["status"];
  readonly ran: number;
  readonly same: number;
  readonly reused: number;
  readonly failed: number;
  readonly not_started: number;
  readonly note: string;
  readonly host: string;
  readonly user: string;
  readonly pid: number;
  readonly version: string;
}

/** Runs that have not ended are counted by their executions; what they reused is not known. */
async function selectRuns(db: SqliteConnection, rest: string, value: string | number): Promise<Run[]> {
  const outputsWith = (outcome: string) =>
    `(SELECT count(DISTINCT e.output_id) FROM executions e WHERE e.run_id = r.id AND e.outcome = '${outcome}')`;
  const sql = `
    SELECT r.id, r.run, r.pipeline, p.digest, r.params, s.series, s.starts_at, r.goals, r.started_at, r.ended_at, r.status,
      coalesce(r.ran, ${outputsWith("success")}) AS ran, coalesce(r.same, 0) AS same, coalesce(r.reused, 0) AS reused,
      coalesce(r.failed, (
        SELECT count(DISTINCT e.output_id) FROM executions e WHERE e.run_id = r.id AND e.outcome = 'failure' AND NOT EXISTS (
          SELECT 1 FROM executions l WHERE l.run_id = e.run_id AND l.output_id = e.output_id AND l.outcome <> 'failure')
      )) AS failed,
      coalesce(r.not_started, 0) AS not_started, r.note, r.host, r.user, r.pid, r.version
    FROM runs r JOIN plans p ON p.id = r.plan_id LEFT JOIN schedule_slots s ON s.run_id = r.id ${rest}`;
  const read = () => db.all<RunRow>(sql, value);
  const { rows, isDead } = await readWithDead(db, read, (row) => row.status === "running");
  return rows.map((row) => runOf(row, isDead(row)));
}

function runOf(row: RunRow, dead: boolean): Run {
  return {
    id: row.run,
    number: row.id,
    pipeline: row.pipeline,
    params: decode(row.params) as Run["params"],
    ...(row.series !== null && { scheduled: { series: row.series, startsAt: row.starts_at! } }),
    planDigest: hex(row.digest),
    goals: decode(row.goals) as string[],
    startedAt: row.started_at,
    ...(row.ended_at !== null && { endedAt: row.ended_at }),
    status: dead ? "abandoned" : row.status,
    counts: {
      ran: row.ran,
      same: row.same,
      reused: row.reused,
      failed: row.failed,
      notStarted: row.not_started,
    },
    note: row.note,
    host: row.host,
    user: row.user,
    pid: row.pid,
    version: row.version,
  };
}

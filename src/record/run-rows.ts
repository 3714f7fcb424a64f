// Rows of runs as the values of types.ts.
import { decode } from "../bencode/decode.ts";
import { hex } from "./rows.ts";
import type { Run } from "./types.ts";

function outputsWith(outcome: string): string {
  return `(SELECT count(DISTINCT e.output_id) FROM executions e WHERE e.run_id = r.id AND e.outcome = '${outcome}')`;
}

/** To be completed with WHERE and ORDER BY. Runs that have not ended are counted by their executions; what they reused is not known. */
export const SELECT_RUN = `
  SELECT r.id, r.run, r.pipeline, p.digest, r.params, s.series, s.starts_at, r.goals, r.started_at, r.ended_at, r.status,
    coalesce(r.ran, ${outputsWith("success")}) AS ran, coalesce(r.same, 0) AS same, coalesce(r.reused, 0) AS reused,
    coalesce(r.failed, (
      SELECT count(DISTINCT e.output_id) FROM executions e WHERE e.run_id = r.id AND e.outcome = 'failure' AND NOT EXISTS (
        SELECT 1 FROM executions l WHERE l.run_id = e.run_id AND l.output_id = e.output_id AND l.outcome <> 'failure')
    )) AS failed,
    coalesce(r.not_started, 0) AS not_started, r.note, r.host, r.user, r.pid, r.version
  FROM runs r JOIN plans p ON p.id = r.plan_id LEFT JOIN schedule_slots s ON s.run_id = r.id`;

export interface RunRow {
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

/** `dead`: it has not ended, and never will. */
export function runOf(row: RunRow, dead: boolean): Run {
  let goals: string[] | undefined;
  return {
    id: row.run,
    number: row.id,
    pipeline: row.pipeline,
    params: decode(row.params) as Run["params"],
    ...(row.series !== null && { scheduled: { series: row.series, startsAt: row.starts_at! } }),
    planDigest: hex(row.digest),
    // Looked at by few, and as many as a plan has: decoded for those who do.
    get goals() {
      goals ??= decode(row.goals) as string[];
      return goals;
    },
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

/** As `RecordDb.run` says. `select` completes SELECT_RUN. */
export async function runByKey(
  key: string,
  select: (rest: string, value: string | number) => Promise<Run[]>,
): Promise<Run | undefined> {
  if (!/^[0-9a-f]+$/.test(key)) return undefined;
  const [exact] = await select("WHERE r.run = ?", key);
  if (exact !== undefined) return exact;
  const number = /^[0-9]{1,15}$/.test(key) ? Number(key) : 0;
  const [numbered] = await select("WHERE r.id = ?", number);
  if (numbered !== undefined) return numbered;
  if (key.length < 4) return undefined; // a number that is none yet, rather than the beginning of some id
  const found = await select("WHERE r.run LIKE ? LIMIT 2", `${key}%`);
  return found.length === 1 ? found[0] : undefined;
}

// Leases in a shared record: what the functions `claim` and `commit_successes` answer, as the values of types.ts.
import { randomBytes } from "node:crypto";
import { encode } from "../bencode/encode.ts";
import type { OutputId } from "../plan/types.ts";
import type { TreeDigest } from "../store/types.ts";
import { leaseLost, ofNoRun } from "./errors.ts";
import { failureValues, SET_FAILURE } from "./failure-values.ts";
import { Gathered } from "./gathered.ts";
import { JSONB, jsonOf, type PostgresConnection } from "./postgres-connection.ts";
import { executionById } from "./postgres-executions.ts";
import { successById } from "./postgres-successes.ts";
import { bytesOf, hex, splitExecution } from "./rows.ts";
import type { Claim, ClaimRequest, CommitRequest, Committed, Holder, Millis, RecordDb } from "./types.ts";

/** How many commits become one transaction at most, and how many bytes of trees and stamps they bring. */
const MOST_COMMITS = 64;

type LeaseCalls = Pick<RecordDb, "claim" | "commit" | "fail">;

export function leaseCalls(db: PostgresConnection, now: () => Millis): LeaseCalls {
  const commits = new Gathered<CommitRequest, Committed | undefined>(MOST_COMMITS, (requests) =>
    commit(db, requests),
  );
  return {
    claim: (request) => claim(db, now(), request),
    async commit(request, mayWait) {
      const committed = await commits.ask(request, mayWait);
      if (committed === undefined) throw leaseLost(request);
      return committed;
    },
    async fail(token, execution, failure, end) {
      const { run, n } = splitExecution(execution);
      // Told before, or taken over since, it changes nothing.
      await db.rows(
        `WITH held AS (
           DELETE FROM leases l USING executions e, runs r
           WHERE l.token = ? AND e.id = l.execution_id AND r.id = e.run_id AND r.run = ? AND e.n = ?
           RETURNING e.id, l.awaited
         ), told AS (
           UPDATE executions e SET outcome = 'failure', ${SET_FAILURE}
           FROM held WHERE e.id = held.id
         ) SELECT pg_notify('alamode_ended', ?) FROM held WHERE awaited`,
        token,
        run,
        n,
        ...failureValues(failure, end),
        execution,
      );
    },
  };
}

interface ClaimRow {
  readonly outdated: readonly Uint8Array[] | null;
  readonly kind: Exclude<Claim["kind"], "outdated"> | "no run";
  readonly id: number | null;
  readonly token: string;
  readonly started_at: number;
  readonly run: string | null;
  readonly n: number;
  readonly task: string;
  readonly host: string;
  readonly pid: number;
  readonly since: number;
  readonly slot: string;
}

/** Where an input is outdated nothing is claimed: of what is limited to no rows the server calls nothing. */
const CLAIM = `
  SELECT o.outdated, c.* FROM (
    SELECT array_agg(asked.output) AS outdated FROM unnest(?::bytea[], ?::bytea[]) AS asked (output, digest)
    WHERE NOT EXISTS (
      SELECT 1 FROM outputs i JOIN standing n ON n.output_id = i.id JOIN successes s ON s.id = n.success_id JOIN trees t ON t.id = s.tree_id
      WHERE i.output = asked.output AND t.digest = asked.digest AND s.state = 'current' AND s.stale = 0)
  ) AS o LEFT JOIN LATERAL (
    SELECT * FROM claim(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) LIMIT CASE WHEN o.outdated IS NULL THEN 1 ELSE 0 END
  ) AS c ON true`;

async function isHeld(db: PostgresConnection, run: string, n: number): Promise<boolean> {
  const sql = `SELECT 1 FROM leases l JOIN executions e ON e.id = l.execution_id JOIN runs r ON r.id = e.run_id
    WHERE r.run = ? AND e.n = ?`;
  return (await db.row(sql, run, n)) !== undefined;
}

async function claim(db: PostgresConnection, startedAt: Millis, request: ClaimRequest): Promise<Claim> {
  const { run, n } = splitExecution(request.execution);
  const awaited = request.waitedFor === undefined ? undefined : splitExecution(request.waitedFor);
  const row = (await db.row<ClaimRow>(
    CLAIM,
    request.inputs.map(({ output }) => bytesOf(output)),
    request.inputs.map(({ treeDigest }) => bytesOf(treeDigest)),
    bytesOf(request.output),
    bytesOf(request.resolvedKey),
    run === request.run ? run : "",
    n,
    request.task,
    request.attempt,
    request.slot,
    request.executor,
    request.isolation,
    request.path,
    request.force ?? false,
    awaited?.run ?? null,
    awaited?.n ?? null,
    randomBytes(16).toString("hex"),
    startedAt,
  ))!;
  if (row.outdated !== null) {
    // Of one who asks again, since the answer was lost, the lease is held: nobody else would ever let go of it.
    if (await isHeld(db, run, n)) return claim(db, startedAt, { ...request, inputs: [] });
    return { kind: "outdated", outputs: row.outdated.map((output) => hex(output) as OutputId) };
  }
  switch (row.kind) {
    case "claimed":
      return {
        kind: "claimed",
        token: row.token,
        startedAt: row.started_at,
        ...(row.run !== null && { after: holderOf(row, row.run) }),
      };
    case "held":
      return { kind: "held", holder: holderOf(row, row.run!) };
    case "done":
      return { kind: "done", success: await successById(db, row.id!) };
    case "failed":
      return { kind: "failed", execution: await executionById(db, row.id!) };
    case "same":
      return { kind: "same" };
    case "no run":
      throw ofNoRun(request.execution);
    default:
      return row.kind satisfies never;
  }
}

function holderOf({ n, task, host, pid, since, slot }: ClaimRow, run: string): Holder {
  return { run, execution: `${run}-${n}`, task, host, pid, since, slot };
}

interface CommitRow {
  readonly n: number;
  readonly lost: boolean;
  readonly id: number;
  readonly state: Committed["success"]["state"];
  readonly stale: number;
  readonly settled: number;
  readonly made_stale: number;
  readonly differs: Uint8Array | null;
}

/** One transaction for all. Undefined for each whose lease is lost. */
async function commit(
  db: PostgresConnection,
  requests: readonly CommitRequest[],
): Promise<(Committed | undefined)[]> {
  const rows = await db.rows<CommitRow>(
    `SELECT * FROM commit_successes(${JSONB}, ?, ?) ORDER BY n`,
    jsonOf(requests.map(commitJson)),
    requests.map(({ tree }) => tree),
    requests.map(({ stamps }) => stamps),
  );
  return requests.map((request, i) => committedOf(request, rows[i]!));
}

function commitJson(request: CommitRequest) {
  const { run, n } = splitExecution(request.execution);
  const read: Record<string, string> = Object.create(null);
  for (const [name, input] of Object.entries(request.inputs)) read[name] = input.treeDigest;
  return {
    run,
    n,
    token: request.token,
    output: request.output,
    digest: request.treeDigest,
    key: request.resolvedKey,
    location: request.location,
    store: request.store,
    isolation: request.isolation,
    host: request.host,
    boot: request.boot,
    ended: request.endedAt,
    size: request.sizeBytes,
    files: request.files,
    inputs: inputsJson(request.inputs),
    read: hex(encode(read)),
    rss: request.resources.maxRssBytes ?? null,
    user_ms: request.resources.userMs ?? null,
    system_ms: request.resources.systemMs ?? null,
    log: request.log ?? null,
  };
}

function inputsJson(inputs: CommitRequest["inputs"]): string[][] {
  return Object.entries(inputs).map(([name, { output, treeDigest }]) => [name, output, treeDigest]);
}

function committedOf(request: CommitRequest, row: CommitRow): Committed | undefined {
  if (row.lost) return undefined;
  return {
    success: {
      id: row.id,
      output: request.output,
      execution: request.execution,
      treeDigest: request.treeDigest,
      location: request.location,
      store: request.store,
      isolation: request.isolation,
      state: row.state,
      stale: row.stale === 1,
      settled: row.settled === 1,
      host: request.host,
      boot: request.boot,
      madeAt: request.endedAt,
      sizeBytes: request.sizeBytes,
      files: request.files,
    },
    ...(row.differs !== null && { differsFrom: hex(row.differs) as TreeDigest }),
    madeStale: row.made_stale,
  };
}

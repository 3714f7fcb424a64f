// Rows of the record's tables as the values of types.ts, and the small conversions that go with them.
import { hash } from "node:crypto";
import { decode } from "../bencode/decode.ts";
import type { BnormalMap } from "../bencode/types.ts";
import type { OutputId } from "../plan/types.ts";
import type { Location, TreeDigest } from "../store/types.ts";
import type { Execution, Failure, FailureKind, Success, SuccessState } from "./types.ts";

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

export function bytesOf(hexDigits: string): Uint8Array {
  return Buffer.from(hexDigits, "hex");
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

/** A column that holds a bencoded map. */
export function decodeMap(bytes: Uint8Array): BnormalMap {
  return decode(bytes) as BnormalMap;
}

/** Run and count of an execution's name, `<run>-<n>`. */
export function splitExecution(execution: string): { run: string; n: number } {
  const match = /^(.+)-([1-9][0-9]*)$/.exec(execution);
  if (match === null)
    throw new Error(`execution "${execution}" is not named <run>-<n>. This is a bug; please report it.`);
  return { run: match[1]!, n: Number(match[2]) };
}

/** To be completed with WHERE, and ORDER BY s.id. */
export const SELECT_SUCCESS = `
  SELECT s.id, s.alias_of, o.output, r.run, e.n, t.digest, s.location, s.store, s.isolation, s.state, s.stale, s.settled, s.host, s.boot,
    s.made_at, s.size_bytes, s.files
  FROM successes s JOIN outputs o ON o.id = s.output_id JOIN trees t ON t.id = s.tree_id
    JOIN executions e ON e.id = s.execution_id JOIN runs r ON r.id = e.run_id`;

export interface SuccessRow {
  readonly id: number;
  readonly alias_of: number | null;
  readonly output: Uint8Array;
  readonly run: string;
  readonly n: number;
  readonly digest: Uint8Array;
  readonly location: string;
  readonly store: string;
  readonly isolation: string;
  readonly state: SuccessState;
  readonly stale: number;
  readonly settled: number;
  readonly host: string;
  readonly boot: string;
  readonly made_at: number;
  readonly size_bytes: number;
  readonly files: number;
}

export function successOf(row: SuccessRow): Success {
  return {
    id: row.id,
    ...(row.alias_of !== null && { aliasOf: row.alias_of }),
    output: hex(row.output) as OutputId,
    execution: `${row.run}-${row.n}`,
    treeDigest: hex(row.digest) as TreeDigest,
    location: row.location as Location,
    store: row.store,
    isolation: row.isolation,
    state: row.state,
    stale: row.stale === 1,
    settled: row.settled === 1,
    host: row.host,
    boot: row.boot,
    madeAt: row.made_at,
    sizeBytes: row.size_bytes,
    files: row.files,
  };
}

/** To be completed with WHERE, and ORDER BY e.id. */
export const SELECT_EXECUTION = `
  SELECT e.n, e.task, e.attempt, e.started_at, e.ended_at, e.outcome, e.failure_kind, e.failure_message, e.failure_hint,
    e.exit_code, e.signal, e.host, e.executor, e.isolation, e.path, e.inputs, e.max_rss_bytes, e.user_ms, e.system_ms, e.log,
    e.scratch, r.id AS run_number, r.run, r.user, o.output
  FROM executions e JOIN runs r ON r.id = e.run_id JOIN outputs o ON o.id = e.output_id`;

export interface ExecutionRow {
  readonly n: number;
  readonly task: string;
  readonly attempt: number;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly outcome: Execution["outcome"];
  readonly failure_kind: FailureKind | null;
  readonly failure_message: string | null;
  readonly failure_hint: string | null;
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly host: string;
  readonly executor: string;
  readonly isolation: string;
  readonly path: string;
  readonly inputs: Uint8Array | null;
  readonly max_rss_bytes: number | null;
  readonly user_ms: number | null;
  readonly system_ms: number | null;
  readonly log: string | null;
  readonly scratch: string | null;
  readonly run_number: number;
  readonly run: string;
  readonly user: string;
  readonly output: Uint8Array;
}

export function executionOf(row: ExecutionRow): Execution {
  return {
    id: `${row.run}-${row.n}`,
    run: row.run,
    runNumber: row.run_number,
    output: hex(row.output) as OutputId,
    task: row.task,
    attempt: row.attempt,
    startedAt: row.started_at,
    ...(row.ended_at !== null && { endedAt: row.ended_at }),
    outcome: row.outcome,
    ...(row.failure_kind !== null && { failure: failureOf(row, row.failure_kind) }),
    host: row.host,
    user: row.user,
    executor: row.executor,
    isolation: row.isolation,
    path: row.path,
    inputs: (row.inputs === null ? Object.create(null) : decodeMap(row.inputs)) as Execution["inputs"],
    resources: {
      ...(row.max_rss_bytes !== null && { maxRssBytes: row.max_rss_bytes }),
      ...(row.user_ms !== null && { userMs: row.user_ms }),
      ...(row.system_ms !== null && { systemMs: row.system_ms }),
    },
    ...(row.log !== null && { log: row.log }),
    ...(row.scratch !== null && { scratch: row.scratch }),
  };
}

/** How an execution is told whose run was killed, though nobody has taken its lease over yet. */
export const ABANDONED = {
  outcome: "failure",
  failure: { kind: "abandoned", message: "its engine died" },
} as const satisfies Pick<Execution, "outcome" | "failure">;

export function failureOf(
  row: Pick<ExecutionRow, "failure_message" | "failure_hint" | "exit_code" | "signal">,
  kind: FailureKind,
): Failure {
  return {
    kind,
    message: row.failure_message ?? "",
    ...(row.failure_hint !== null && { hint: row.failure_hint }),
    ...(row.exit_code !== null && { exitCode: row.exit_code }),
    ...(row.signal !== null && { signal: row.signal }),
  };
}

// Successes that travel from one record to another, with the run and the execution that made them; and the SQL for it, which both
// kinds of record have in common.
import { encode } from "../bencode/encode.ts";
import type { TreeDigest } from "../store/types.ts";
import { bytesOf, hex, splitExecution } from "./rows.ts";
import type { CommitRequest, Execution, Run } from "./types.ts";

/** What a success was made of: with its execution, what another record needs to have it too. */
export interface Origin {
  readonly resolvedKey: string;
  readonly inputs: CommitRequest["inputs"];
}

/** An execution of another record. Its plan must have been noted here. */
export interface Adoption {
  readonly run: Run;
  readonly execution: Execution;
  readonly resolvedKey: string;
  /** For the lease under which its success is committed. */
  readonly token: string;
}

/** The part of a record by which successes travel between records and stores. */
export interface AdoptionCalls {
  /** What a success was made of. Of an alias: what its own inputs are. */
  origin(success: number): Promise<Origin>;
  /** Notes trees that inputs had, whose own successes may not be here. */
  noteTrees(trees: ReadonlyMap<TreeDigest, Uint8Array>): Promise<void>;
  /**
   * Takes in the run and the execution of another record and gives the token the lease to `commit` its success; false where another has
   * one for that output. What was taken in before is left as it is.
   */
  adopt(adoption: Adoption): Promise<boolean>;
  /** The bytes of an original lie elsewhere now, and safely: for all that rest on it too. */
  relocate(
    success: number,
    to: Pick<CommitRequest, "store" | "location" | "stamps" | "host" | "boot">,
  ): Promise<void>;
}

type Parameter = string | number | Uint8Array | null;
type Statement = readonly [sql: string, ...values: Parameter[]];

/** In one transaction; what was written before is left as it is. After it the lease is ours, if nobody has one. */
export function adoptionStatements({ run, execution, resolvedKey, token }: Adoption): Statement[] {
  const { n } = splitExecution(execution.id);
  const output = bytesOf(execution.output);
  const theExecution =
    "(SELECT e.id FROM executions e JOIN runs r ON r.id = e.run_id WHERE r.run = ? AND e.n = ?)";
  const { ran, same, reused, failed, notStarted } = run.counts;
  return [
    ["INSERT INTO outputs (output) VALUES (?) ON CONFLICT (output) DO NOTHING", output],
    [
      `INSERT INTO runs (run, pipeline, plan_id, params, goals, started_at, ended_at, status, ran, same, reused, failed, not_started,
         note, host, "user", pid, version)
       VALUES (?, ?, (SELECT id FROM plans WHERE digest = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (run) DO NOTHING`,
      run.id,
      run.pipeline,
      bytesOf(run.planDigest),
      encode(run.params),
      encode([...run.goals]),
      run.startedAt,
      run.endedAt ?? execution.endedAt ?? run.startedAt,
      run.status === "done" || run.status === "failed" ? run.status : "interrupted",
      ran,
      same,
      reused,
      failed,
      notStarted,
      run.note,
      run.host,
      run.user,
      run.pid,
      run.version,
    ],
    [
      `INSERT INTO executions (run_id, n, output_id, task, attempt, started_at, outcome, host, executor, isolation, path)
       VALUES ((SELECT id FROM runs WHERE run = ?), ?, (SELECT id FROM outputs WHERE output = ?), ?, ?, ?, 'running', ?, ?, ?, ?)
       ON CONFLICT (run_id, n) DO NOTHING`,
      run.id,
      n,
      output,
      execution.task,
      execution.attempt,
      execution.startedAt,
      execution.host,
      execution.executor,
      execution.isolation,
      execution.path,
    ],
    [`DELETE FROM leases WHERE execution_id = ${theExecution}`, run.id, n], // of a call that was cut off
    [
      `INSERT INTO leases (output_id, execution_id, resolved_key, token, slot)
       VALUES ((SELECT id FROM outputs WHERE output = ?), ${theExecution}, ?, ?, '') ON CONFLICT DO NOTHING`,
      output,
      run.id,
      n,
      bytesOf(resolvedKey),
      token,
    ],
  ];
}

export const NOTE_TREE = "INSERT INTO trees (digest, bytes) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING";
export const LEASE_OF_TOKEN = "SELECT 1 AS ours FROM leases WHERE token = ?";
export const SELECT_KEY = "SELECT resolved_key FROM successes WHERE id = ?";
export const SELECT_INPUTS = `
  SELECT i.name, o.output, t.digest FROM success_inputs i JOIN outputs o ON o.id = i.input_output_id JOIN trees t ON t.id = i.tree_id
  WHERE i.success_id = ? ORDER BY i.name`;
/** Of a success and all that rest on it. */
export const RELOCATE = `
  UPDATE successes SET store = ?, location = ?, stamps = ?, host = ?, boot = ?, settled = 1 WHERE id = ? OR alias_of = ?`;

export interface InputRow {
  readonly name: string;
  readonly output: Uint8Array;
  readonly digest: Uint8Array;
}

export function originOf(key: Uint8Array, rows: readonly InputRow[]): Origin {
  const inputs: Record<string, Origin["inputs"][string]> = Object.create(null);
  for (const { name, output, digest } of rows) {
    inputs[name] = { output: hex(output), treeDigest: hex(digest) } as Origin["inputs"][string];
  }
  return { resolvedKey: hex(key), inputs };
}

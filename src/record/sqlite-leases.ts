// Leases in the embedded record: who makes an output now, taking over from the dead, and executions that fail.
import { randomBytes } from "node:crypto";
import type { OutputId } from "../plan/types.ts";
import { ofNoRun } from "./errors.ts";
import { NOT_THE_TASKS } from "./failure-kinds.ts";
import { failureValues, SET_FAILURE } from "./failure-values.ts";
import { isolationSuffices } from "./isolation.ts";
import { bytesOf, type ExecutionRow, executionOf, SELECT_EXECUTION, splitExecution } from "./rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { runLives } from "./sqlite-live.ts";
import { noteOutput, outputRow } from "./sqlite-plans.ts";
import { candidatesOf, currentSuccess } from "./sqlite-successes.ts";
import type {
  Claim,
  ClaimRequest,
  Execution,
  ExecutionId,
  Failure,
  Holder,
  Millis,
  RecordDb,
} from "./types.ts";

const TOKENS = randomBytes(12).toString("hex");
let tokens = 0;

/** Nobody else's, ever: random for this process, and counted. */
function nextToken(): string {
  return `${TOKENS}${(++tokens).toString(16).padStart(8, "0")}`;
}

const STILL_CURRENT = "SELECT 1 FROM successes WHERE id = ? AND state = 'current' AND stale = 0";

type LeaseCalls = Pick<RecordDb, "claim" | "fail">;

export function leaseCalls(db: SqliteConnection, now: () => Millis): LeaseCalls {
  return {
    async claim(request, needed) {
      if (request.waitedFor !== undefined) {
        // Those who wait ask often, and most often nothing has changed: that needs no turn at writing.
        const answer = await db.read(() => answerWithoutLease(db, request, findLeases(db, request)));
        if (answer !== undefined) return answer;
      }
      const claimed = (): Claim => {
        const leases = findLeases(db, request);
        return (
          answerWithoutLease(db, request, leases) ??
          madeSince(db, request) ??
          takeLease(db, now(), request, leases)
        );
      };
      return db.write(claimed, needed);
    },
    fail: (token, execution, failure, end) => db.write(() => fail(db, token, execution, failure, end)),
  };
}

/** Database id of an execution. */
export function executionRow(db: SqliteConnection, execution: ExecutionId): number | undefined {
  const { run, n } = splitExecution(execution);
  const sql = "SELECT e.id FROM executions e JOIN runs r ON r.id = e.run_id WHERE r.run = ? AND e.n = ?";
  return db.get<{ id: number }>(sql, run, n)?.id;
}

/** Most often each still is what it was; a look at its row tells that. Else another with the same bytes may stand in its place. */
function outdatedInputs(db: SqliteConnection, { inputs }: ClaimRequest): Claim | undefined {
  const outputs: OutputId[] = [];
  for (const { id, output, treeDigest } of inputs) {
    if (db.get(STILL_CURRENT, id) !== undefined) continue;
    const now = currentSuccess(db, output);
    if (now === undefined || now.stale || now.treeDigest !== treeDigest) outputs.push(output);
  }
  return outputs.length === 0 ? undefined : { kind: "outdated", outputs };
}

/** The answer, if it is another than that the lease is to be had. `leases` are those that are in the way. */
function answerWithoutLease(
  db: SqliteConnection,
  request: ClaimRequest,
  leases: readonly Lease[],
): Claim | undefined {
  const outdated = outdatedInputs(db, request);
  if (outdated !== undefined) return outdated;
  const awaited = request.waitedFor === undefined ? undefined : findExecution(db, request.waitedFor);
  const success = currentSuccess(db, request.output);
  if (success !== undefined && isolationSuffices(success.isolation, request.isolation)) {
    // Whoever wants it made anew and waited for another to do just that need not do it once more.
    const remade = awaited?.outcome === "success" && !success.stale;
    if (!request.force || remade) return { kind: "done", success };
  }
  if (awaited?.failure !== undefined && !NOT_THE_TASKS.includes(awaited.failure.kind)) {
    return { kind: "failed", execution: awaited };
  }
  const living = leases.find(({ holder }) => runLives(db, holder.run));
  return living && { kind: "held", holder: living.holder };
}

/** Asked here too, because much may have been made since the early cut-off looked. */
function madeSince(db: SqliteConnection, request: ClaimRequest): Claim | undefined {
  if (request.force) return undefined;
  return candidatesOf(db, request.resolvedKey, request.isolation).length > 0 ? { kind: "same" } : undefined;
}

/** In a write transaction in which nothing else answered the request: the leases that are there are dead runs'. */
function takeLease(
  db: SqliteConnection,
  startedAt: Millis,
  request: ClaimRequest,
  leftBehind: readonly Lease[],
): Claim {
  for (const dead of leftBehind) {
    db.run(
      `UPDATE executions SET outcome = 'failure', ended_at = ?, failure_kind = 'abandoned', failure_message = 'its engine died'
       WHERE id = ? AND outcome = 'running'`,
      startedAt,
      dead.executionId,
    );
    db.run("DELETE FROM leases WHERE execution_id = ?", dead.executionId);
  }
  const { run, n } = splitExecution(request.execution);
  const outputId = noteOutput(db, request.output);
  const executionId = db.insertOne(
    INSERT_EXECUTION,
    n,
    outputId,
    request.task,
    request.attempt,
    startedAt,
    request.executor,
    request.isolation,
    request.path,
    run === request.run ? run : "",
  );
  if (executionId === undefined) throw ofNoRun(request.execution);
  const token = nextToken();
  db.run(INSERT_LEASE, outputId, executionId, bytesOf(request.resolvedKey), token, request.slot);
  return {
    kind: "claimed",
    token,
    startedAt,
    ...(leftBehind[0] !== undefined && { after: leftBehind[0].holder }),
  };
}

const INSERT_EXECUTION = `
  INSERT INTO executions (run_id, n, output_id, task, attempt, started_at, outcome, host, executor, isolation, path)
  SELECT id, ?, ?, ?, ?, ?, 'running', host, ?, ?, ? FROM runs WHERE run = ?`;
const INSERT_LEASE =
  "INSERT INTO leases (output_id, execution_id, resolved_key, token, slot) VALUES (?, ?, ?, ?, ?)";

interface Lease {
  readonly executionId: number;
  readonly holder: Holder;
}

interface LeaseRow extends Omit<Holder, "execution"> {
  readonly id: number;
  readonly n: number;
}

const FIND_LEASES = `
  SELECT e.id, r.run, e.n, e.task, e.host, r.pid, e.started_at AS since, l.slot
  FROM leases l JOIN executions e ON e.id = l.execution_id JOIN runs r ON r.id = e.run_id
  WHERE l.output_id = ? OR l.resolved_key = ? ORDER BY l.output_id = ? DESC`;

/** Leases (of this very run too, when plans that its tasks wrote share a task) on the output, first, and on the resolved key under whatever output. */
function findLeases(db: SqliteConnection, request: ClaimRequest): Lease[] {
  const outputId = outputRow(db, request.output) ?? 0;
  return db
    .all<LeaseRow>(FIND_LEASES, outputId, bytesOf(request.resolvedKey), outputId)
    .map(({ id, n, ...rest }) => ({
      executionId: id,
      holder: { ...rest, execution: `${rest.run}-${n}` },
    }));
}

function findExecution(db: SqliteConnection, execution: ExecutionId): Execution | undefined {
  const { run, n } = splitExecution(execution);
  const row = db.get<ExecutionRow>(`${SELECT_EXECUTION} WHERE r.run = ? AND e.n = ?`, run, n);
  return row && executionOf(row);
}

function fail(
  db: SqliteConnection,
  token: string,
  execution: ExecutionId,
  failure: Failure,
  end: Parameters<RecordDb["fail"]>[3],
): void {
  const id = executionRow(db, execution);
  const held =
    id === undefined ? 0 : db.run("DELETE FROM leases WHERE token = ? AND execution_id = ?", token, id);
  if (id === undefined || held === 0) return; // told before, or taken over since
  db.run(
    `UPDATE executions SET outcome = 'failure', ${SET_FAILURE} WHERE id = ?`,
    ...failureValues(failure, end),
    id,
  );
}

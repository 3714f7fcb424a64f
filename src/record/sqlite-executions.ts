// Executions in the embedded record, for people and for estimates.
import type { OutputId } from "../plan/types.ts";
import { DURATIONS_PER_TASK, median } from "./durations.ts";
import { type PastRow, pastOf, SELECT_PAST } from "./past.ts";
import {
  ABANDONED,
  bytesOf,
  type ExecutionRow,
  executionOf,
  hex,
  SELECT_EXECUTION,
  splitExecution,
} from "./rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { readWithDead } from "./sqlite-live.ts";
import type { Execution, ExecutionId, RecordDb } from "./types.ts";

type ExecutionQueries = Pick<
  RecordDb,
  | "executionsOf"
  | "execution"
  | "executionsNamed"
  | "executions"
  | "pasts"
  | "durations"
  | "keptScratch"
  | "forgetScratch"
>;

export function executionQueries(db: SqliteConnection): ExecutionQueries {
  return {
    executionsOf: (run) => selectExecutions(db, "WHERE r.run = ? ORDER BY e.n", [[run]]),
    async execution(id) {
      return (await named(db, [id]))[0];
    },
    async executionsNamed(ids) {
      return new Map((await named(db, ids)).map((execution) => [execution.id, execution]));
    },
    executions: (output) =>
      selectExecutions(db, "WHERE o.output = ? ORDER BY e.id DESC", [[bytesOf(output)]]),
    async pasts(outputs) {
      const read = () => outputs.flatMap((output) => db.all<PastRow>(PAST_OF_OUTPUT, bytesOf(output)));
      const { rows, isDead } = await readWithDead(db, read, ({ outcome }) => outcome === "running");
      return new Map(rows.map((row) => [hex(row.output) as OutputId, pastOf(row, isDead(row))]));
    },
    durations: (tasks) => db.read(() => durations(db, tasks)),
    keptScratch: (output) =>
      db.read(() =>
        db
          .all<{ run: string; n: number; scratch: string }>(
            `SELECT r.run, e.n, e.scratch FROM executions e JOIN runs r ON r.id = e.run_id
               JOIN outputs o ON o.id = e.output_id
             WHERE o.output = ? AND e.scratch IS NOT NULL ORDER BY e.id DESC`,
            bytesOf(output),
          )
          .map((row) => ({ execution: `${row.run}-${row.n}`, scratch: row.scratch })),
      ),
    forgetScratch: (execution) => {
      const { run, n } = splitExecution(execution);
      return db.write(() => {
        const sql =
          "UPDATE executions SET scratch = NULL WHERE n = ? AND run_id = (SELECT id FROM runs WHERE run = ?)";
        db.run(sql, n, run);
      });
    },
  };
}

const PAST_OF_OUTPUT = `${SELECT_PAST} WHERE o.output = ?`;

function named(db: SqliteConnection, ids: readonly ExecutionId[]): Promise<Execution[]> {
  const names = ids.map(splitExecution);
  return selectExecutions(
    db,
    "WHERE r.run = ? AND e.n = ?",
    names.map(({ run, n }) => [run, n]),
  );
}

/** What the query finds for each of `asked`. An execution whose run was killed is told as abandoned. */
async function selectExecutions(
  db: SqliteConnection,
  rest: string,
  asked: readonly (readonly (string | number | Uint8Array)[])[],
): Promise<Execution[]> {
  const sql = `${SELECT_EXECUTION} ${rest}`;
  const read = () => asked.flatMap((values) => db.all<ExecutionRow>(sql, ...values));
  const { rows, isDead } = await readWithDead(db, read, (row) => row.outcome === "running");
  return rows.map((row) => {
    const execution = executionOf(row);
    if (!isDead(row)) return execution;
    return { ...execution, ...ABANDONED };
  });
}

function durations(db: SqliteConnection, tasks: readonly string[]): Map<string, number> {
  const medians = new Map<string, number>();
  for (const task of tasks) {
    const rows = db.all<{ ms: number }>(
      `SELECT ended_at - started_at AS ms FROM executions WHERE task = ? AND outcome = 'success'
       ORDER BY id DESC LIMIT ${DURATIONS_PER_TASK}`,
      task,
    );
    if (rows.length > 0) medians.set(task, median(rows.map((row) => row.ms)));
  }
  return medians;
}

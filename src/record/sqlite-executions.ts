// Executions in the embedded record, for people and for estimates.

import { DURATIONS_PER_TASK, median } from "./durations.ts";
import { bytesOf, type ExecutionRow, executionOf, SELECT_EXECUTION, splitExecution } from "./rows.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { readWithDead } from "./sqlite-live.ts";
import type { Execution, RecordDb } from "./types.ts";

type ExecutionQueries = Pick<
  RecordDb,
  "executionsOf" | "execution" | "executions" | "durations" | "keptScratch" | "forgetScratch"
>;

export function executionQueries(db: SqliteConnection): ExecutionQueries {
  return {
    executionsOf: (run) => selectExecutions(db, "WHERE r.run = ? ORDER BY e.n", run),
    async execution(id) {
      const { run, n } = splitExecution(id);
      return (await selectExecutions(db, "WHERE r.run = ? AND e.n = ?", run, n))[0];
    },
    executions: (output) => selectExecutions(db, "WHERE o.output = ? ORDER BY e.id DESC", bytesOf(output)),
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

/** An execution whose run was killed is told as abandoned, though nobody has taken its lease over yet. */
async function selectExecutions(
  db: SqliteConnection,
  rest: string,
  ...values: (string | number | Uint8Array)[]
): Promise<Execution[]> {
  const read = () => db.all<ExecutionRow>(`${SELECT_EXECUTION} ${rest}`, ...values);
  const { rows, isDead } = await readWithDead(db, read, (row) => row.outcome === "running");
  return rows.map((row) => {
    const execution = executionOf(row);
    if (!isDead(row)) return execution;
    return { ...execution, outcome: "failure", failure: { kind: "abandoned", message: "its engine died" } };
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

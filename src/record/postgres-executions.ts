// Executions in a shared record, for people and for estimates.

import type { OutputId } from "../plan/types.ts";
import { DURATIONS_PER_TASK, median } from "./durations.ts";
import { notThere } from "./errors.ts";
import { type PastRow, pastOf, SELECT_PAST } from "./past.ts";
import type { PostgresConnection, Value } from "./postgres-connection.ts";
import {
  ABANDONED,
  bytesOf,
  type ExecutionRow,
  executionOf,
  hex,
  SELECT_EXECUTION,
  splitExecution,
} from "./rows.ts";
import type { Execution, RecordDb } from "./types.ts";

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

export function executionQueries(db: PostgresConnection): ExecutionQueries {
  return {
    executionsOf: (run) => selectExecutions(db, "WHERE r.run = ?", "n", run),
    async execution(id) {
      const { run, n } = splitExecution(id);
      return (await selectExecutions(db, "WHERE r.run = ? AND e.n = ?", "n", run, n))[0];
    },
    async executionsNamed(ids) {
      const named = ids.map(splitExecution);
      const found = await selectExecutions(
        db,
        "JOIN unnest(?::text[], ?::bigint[]) AS asked (run, n) ON asked.run = r.run AND asked.n = e.n",
        "id",
        named.map(({ run }) => run),
        named.map(({ n }) => n),
      );
      return new Map(found.map((execution) => [execution.id, execution]));
    },
    executions: (output) => selectExecutions(db, "WHERE o.output = ?", "id DESC", bytesOf(output)),
    async pasts(outputs) {
      const rows = await db.rows<PastRow & { dead: boolean }>(
        `${SELECT_PAST.replace("SELECT ", "SELECT e.outcome = 'running' AND NOT lives(e.run_id) AS dead, ")}
         JOIN unnest(?::bytea[]) AS asked ON asked = o.output`,
        outputs.map(bytesOf),
      );
      return new Map(rows.map((row) => [hex(row.output) as OutputId, pastOf(row, row.dead)]));
    },
    async durations(tasks) {
      const rows = await db.rows<{ task: string; ms: number }>(
        `SELECT asked.task, last.ms FROM unnest(?::text[]) AS asked (task) CROSS JOIN LATERAL (
           SELECT e.ended_at - e.started_at AS ms FROM executions e WHERE e.task = asked.task AND e.outcome = 'success'
           ORDER BY e.id DESC LIMIT ${DURATIONS_PER_TASK}) AS last`,
        [...new Set(tasks)],
      );
      const all = Map.groupBy(rows, ({ task }) => task);
      return new Map([...all].map(([task, of]) => [task, median(of.map(({ ms }) => ms))]));
    },
    async keptScratch(output) {
      const rows = await db.rows<{ run: string; n: number; scratch: string }>(
        `SELECT r.run, e.n, e.scratch FROM executions e JOIN runs r ON r.id = e.run_id JOIN outputs o ON o.id = e.output_id
         WHERE o.output = ? AND e.scratch IS NOT NULL ORDER BY e.id DESC`,
        bytesOf(output),
      );
      return rows.map(({ run, n, scratch }) => ({ execution: `${run}-${n}`, scratch }));
    },
    async forgetScratch(execution) {
      const { run, n } = splitExecution(execution);
      const sql =
        "UPDATE executions SET scratch = NULL WHERE n = ? AND run_id = (SELECT id FROM runs WHERE run = ?)";
      await db.rows(sql, n, run);
    },
  };
}

/** As the record has it, whether or not its run lives. */
export async function executionById(db: PostgresConnection, id: number): Promise<Execution> {
  const row = await db.row<ExecutionRow>(`${SELECT_EXECUTION} WHERE e.id = ?`, id);
  if (row === undefined) throw notThere(`execution ${id}`, db.url);
  return executionOf(row);
}

/** An execution whose run was killed is told as abandoned, though nobody has taken its lease over yet. */
async function selectExecutions(
  db: PostgresConnection,
  where: string,
  order: string,
  ...values: Value[]
): Promise<Execution[]> {
  const rows = await db.rows<ExecutionRow & { lives: boolean }>(
    `${SELECT_EXECUTION.replace("SELECT ", "SELECT lives(e.run_id), ")} ${where} ORDER BY e.${order}`,
    ...values,
  );
  return rows.map((row) => {
    const execution = executionOf(row);
    if (row.outcome !== "running" || row.lives) return execution;
    return { ...execution, ...ABANDONED };
  });
}

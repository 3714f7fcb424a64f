// What the record holds, read by plain SQL: apart from the code under test.
import { DatabaseSync } from "node:sqlite";

export interface SuccessRow {
  readonly id: number;
  readonly output: string;
  readonly alias_of: number | null;
  readonly digest: string;
  readonly key: string;
  readonly location: string;
  readonly state: "current" | "lost" | "damaged" | "superseded" | "other";
  readonly stale: number;
  readonly stands: number;
}

export interface InputRow {
  readonly success_id: number;
  readonly name: string;
  readonly output: string;
  readonly digest: string;
}

export interface Rows {
  /** By id. */
  readonly successes: readonly SuccessRow[];
  readonly inputs: readonly InputRow[];
  readonly unfinished: number;
  readonly leases: number;
}

export function rowsOf(file: string): Rows {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const all = <Row>(sql: string) => db.prepare(sql).all() as Row[];
    const one = (sql: string) => all<{ n: number }>(sql)[0]!.n;
    db.exec("BEGIN");
    return {
      successes: all(
        `SELECT s.id, lower(hex(o.output)) AS output, s.alias_of, lower(hex(t.digest)) AS digest,
           lower(hex(s.resolved_key)) AS key, s.location, s.state, s.stale, c.success_id IS NOT NULL AS stands
         FROM successes s JOIN outputs o ON o.id = s.output_id JOIN trees t ON t.id = s.tree_id
           LEFT JOIN standing c ON c.success_id = s.id ORDER BY s.id`,
      ),
      inputs: all(
        `SELECT i.success_id, i.name, lower(hex(o.output)) AS output, lower(hex(t.digest)) AS digest
         FROM success_inputs i JOIN outputs o ON o.id = i.input_output_id JOIN trees t ON t.id = i.tree_id`,
      ),
      unfinished: one("SELECT count(*) AS n FROM executions WHERE outcome = 'running'"),
      leases: one("SELECT count(*) AS n FROM leases"),
    };
  } finally {
    db.close();
  }
}

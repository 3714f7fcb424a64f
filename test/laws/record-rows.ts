// What the record holds, read by plain SQL: apart from the code under test.
import { DatabaseSync } from "node:sqlite";
import type { Postgres } from "../postgres.ts";

export interface SuccessRow {
  readonly id: number;
  readonly output: string;
  readonly alias_of: number | null;
  readonly digest: string;
  readonly key: string;
  readonly location: string;
  readonly state: "current" | "lost" | "damaged" | "superseded" | "other";
  readonly stale: number;
  readonly stands: number | boolean;
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
    db.exec("BEGIN");
    return read(
      (sql) => db.prepare(sql).all(),
      (bytes) => `lower(hex(${bytes}))`,
    );
  } finally {
    db.close();
  }
}

/** The same of a shared record. */
export function sharedRowsOf(server: Postgres, schema: string): Rows {
  const rows = (sql: string) =>
    server
      .sql(`SET search_path = ${schema}; SELECT row_to_json(found) FROM (${sql}) AS found`)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
  return read(rows, (bytes) => `encode(${bytes}, 'hex')`);
}

function read(rows: (sql: string) => unknown[], hex: (bytes: string) => string): Rows {
  const all = <Row>(sql: string) => rows(sql) as Row[];
  const one = (sql: string) => all<{ n: number }>(sql)[0]!.n;
  return {
    successes: all(
      `SELECT s.id, ${hex("o.output")} AS output, s.alias_of, ${hex("t.digest")} AS digest,
         ${hex("s.resolved_key")} AS key, s.location, s.state, s.stale, (c.success_id IS NOT NULL) AS stands
       FROM successes s JOIN outputs o ON o.id = s.output_id JOIN trees t ON t.id = s.tree_id
         LEFT JOIN standing c ON c.success_id = s.id ORDER BY s.id`,
    ),
    inputs: all(
      `SELECT i.success_id, i.name, ${hex("o.output")} AS output, ${hex("t.digest")} AS digest
       FROM success_inputs i JOIN outputs o ON o.id = i.input_output_id JOIN trees t ON t.id = i.tree_id`,
    ),
    unfinished: one("SELECT count(*) AS n FROM executions WHERE outcome = 'running'"),
    leases: one("SELECT count(*) AS n FROM leases"),
  };
}

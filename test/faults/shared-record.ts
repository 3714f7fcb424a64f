// What a shared record holds, read by plain SQL: apart from the code under test.
import type { Postgres } from "../postgres.ts";
import type { Recorded, RecordedSuccess } from "./record-copy.ts";

export interface SharedRecord {
  /** Current successes, by output: location below the store's folder `outputs`. */
  readonly locations: ReadonlyMap<string, string>;
  /** How many executions ended as a success, by output. */
  readonly successful: ReadonlyMap<string, number>;
  readonly successes: number;
  readonly unfinishedExecutions: number;
  readonly leases: number;
  readonly living: number;
  /** Runs that were begun and not ended. */
  readonly unfinishedRuns: number;
}

export function sharedRecord(server: Postgres, schema: string): SharedRecord {
  const rows = (sql: string) =>
    server
      .sql(`SET search_path = ${schema}; ${sql}`)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split("|") as [string, string]);
  const one = (sql: string) => Number(rows(sql)[0]![0]);
  return {
    locations: new Map(
      rows(`SELECT encode(output, 'hex'), location FROM standing t JOIN successes s ON s.id = t.success_id
        JOIN outputs o ON o.id = s.output_id WHERE s.state = 'current' AND s.stale = 0`),
    ),
    successful: new Map(
      rows(`SELECT encode(output, 'hex'), count(*) FROM executions e JOIN outputs o ON o.id = e.output_id
        WHERE outcome = 'success' GROUP BY 1`).map(([output, n]) => [output, Number(n)]),
    ),
    successes: one("SELECT count(*) FROM successes"),
    unfinishedExecutions: one("SELECT count(*) FROM executions WHERE outcome = 'running'"),
    leases: one("SELECT count(*) FROM leases"),
    living: one("SELECT count(*) FROM live"),
    unfinishedRuns: one("SELECT count(*) FROM runs WHERE status = 'running'"),
  };
}

/** The same as `recorded` reads from a record's files. All of it is empty where there is no record yet. */
export function sharedRecorded(server: Postgres, schema: string): Recorded {
  if (server.sql(`SELECT to_regclass('${schema}.standing') IS NULL`) === "t")
    return { runs: [], successes: new Map(), successful: new Map(), unfinishedExecutions: 0, leases: 0 };
  const rows = <Row>(sql: string) =>
    server
      .sql(`SET search_path = ${schema}; SELECT row_to_json(found) FROM (${sql}) AS found`)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Row);
  const successes = rows<RecordedSuccess>(
    `SELECT task, encode(output, 'hex') AS output, location, encode(digest, 'hex') AS "treeDigest"
     FROM successes s JOIN outputs o ON o.id = s.output_id JOIN executions e ON e.id = s.execution_id
     JOIN trees t ON t.id = s.tree_id WHERE s.state = 'current' AND s.stale = 0`,
  );
  const { successful, unfinishedExecutions, leases } = sharedRecord(server, schema);
  return {
    runs: rows<{ run: string }>("SELECT run FROM runs ORDER BY id").map(({ run }) => run),
    successes: new Map(successes.map((success) => [success.output, success])),
    successful,
    unfinishedExecutions,
    leases,
  };
}

// What a record holds, read by plain SQL from a copy of its files: apart from the code under test, and without touching it.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface RecordedSuccess {
  readonly task: string;
  readonly output: string;
  /** Relative to the store's folder `outputs`. */
  readonly location: string;
  readonly treeDigest: string;
}

export interface Recorded {
  readonly runs: readonly string[];
  /** Current ones, by output. */
  readonly successes: ReadonlyMap<string, RecordedSuccess>;
  /** How many executions ended as a success, by output. */
  readonly successful: ReadonlyMap<string, number>;
  readonly unfinishedExecutions: number;
  readonly leases: number;
}

/** All of it is empty where there is no record yet. */
export function recorded(file: string): Recorded {
  const folder = mkdtempSync(join(tmpdir(), "alamode-record-copy-"));
  const copy = join(folder, "record.db");
  try {
    for (const end of ["", "-wal"]) if (existsSync(file + end)) copyFileSync(file + end, copy + end);
    const db = new DatabaseSync(copy);
    try {
      return read(db);
    } finally {
      db.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function read(db: DatabaseSync): Recorded {
  const empty = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()!["n"] === 0;
  const all = <Row>(sql: string) => (empty ? [] : db.prepare(sql).all()) as Row[];
  const one = (sql: string) => all<{ n: number }>(sql)[0]?.n ?? 0;
  const successes = all<RecordedSuccess>(
    `SELECT task, lower(hex(output)) AS output, location, lower(hex(digest)) AS treeDigest
     FROM successes s JOIN outputs o ON o.id = s.output_id JOIN executions e ON e.id = s.execution_id
     JOIN trees t ON t.id = s.tree_id WHERE s.state = 'current' AND s.stale = 0`,
  );
  const successful = all<{ output: string; n: number }>(
    `SELECT lower(hex(output)) AS output, count(*) AS n FROM executions e JOIN outputs o ON o.id = e.output_id
     WHERE outcome = 'success' GROUP BY output`,
  );
  return {
    runs: all<{ run: string }>("SELECT run FROM runs ORDER BY id").map(({ run }) => run),
    successes: new Map(successes.map((success) => [success.output, success])),
    successful: new Map(successful.map(({ output, n }) => [output, n])),
    unfinishedExecutions: one("SELECT count(*) AS n FROM executions WHERE outcome = 'running'"),
    leases: one("SELECT count(*) AS n FROM leases"),
  };
}

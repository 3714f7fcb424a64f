// How the contract's tests, and the processes they start, open a shared record: a schema for each folder, in the server that
// ALAMODE_TEST_POSTGRES names.
import { basename } from "node:path";
import pg from "pg";
import { openPostgresRecord } from "../../src/record/postgres.ts";
import type { RecordDb, RunId } from "../../src/record/types.ts";

export function urlOf(dir: string): string {
  const schema = basename(dir)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "_");
  return `${process.env["ALAMODE_TEST_POSTGRES"]}?schema=${schema}`;
}

export function open(dir: string): Promise<RecordDb> {
  return openPostgresRecord(urlOf(dir));
}

/** Lets the lease of a run run out that no longer renews it, without waiting for that. */
export async function expire(dir: string, run: RunId): Promise<void> {
  const client = new pg.Client(process.env["ALAMODE_TEST_POSTGRES"]);
  await client.connect();
  const schema = new URL(urlOf(dir)).searchParams.get("schema");
  await client.query(
    `DELETE FROM ${schema}.live USING ${schema}.runs r WHERE r.id = live.run_id AND r.run = $1`,
    [run],
  );
  await client.end();
}

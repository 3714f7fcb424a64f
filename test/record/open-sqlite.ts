// How the contract's tests, and the processes they start, open an embedded record that lies in a folder.
import { join } from "node:path";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import type { RecordDb } from "../../src/record/types.ts";

export function open(dir: string): Promise<RecordDb> {
  return openSqliteRecord(join(dir, "record.db"));
}

// Faults of store and record, where the record is a file.
import { join } from "node:path";
import { openSqliteRecord } from "../../src/record/sqlite.ts";
import { faultLaws } from "./fault-laws.ts";
import { rowsOf } from "./record-rows.ts";

const long = process.env["ALAMODE_LONG"] === "1";

faultLaws(
  "sqlite",
  { open: (dir) => openSqliteRecord(join(dir, "record.db")), rows: (dir) => rowsOf(join(dir, "record.db")) },
  (when, times) => (long ? 1 : times > 1 ? 5 : when === "after" ? 2 : 1),
);

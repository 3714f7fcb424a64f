// The laws, where the record is shared: as those of files, and fewer cases, since each step is a round trip.
import { basename } from "node:path";
import { after, before } from "node:test";
import { openPostgresRecord } from "../../src/record/postgres.ts";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { faultLaws } from "./fault-laws.ts";
import { sharedRowsOf } from "./record-rows.ts";

const long = process.env["ALAMODE_LONG"] === "1";
const skip = whyNoPostgres() ?? false;

let server: Postgres;
before(async () => {
  if (!skip) server = await startPostgres();
});
after(() => server?.stop());

const schemaOf = (dir: string) =>
  basename(dir)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "_");

faultLaws(
  "postgres",
  {
    open: (dir) => openPostgresRecord(`${server.url}?schema=${schemaOf(dir)}`),
    rows: (dir) => sharedRowsOf(server, schemaOf(dir)),
  },
  (_, times) => (long ? 1 : times > 1 ? 13 : 7),
  skip,
);

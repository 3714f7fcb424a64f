// The shared record: the contract, on a real server.
import { after, before, test } from "node:test";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { recordContract } from "./contract.ts";

const opener = new URL("./open-postgres.ts", import.meta.url);
const why = whyNoPostgres();

if (why !== undefined) test("postgres", { skip: why }, () => {});
else {
  let server: Postgres;
  before(async () => {
    server = await startPostgres();
    process.env["ALAMODE_TEST_POSTGRES"] = server.url;
  });
  after(() => server.stop());
  recordContract("postgres", opener, { histories: process.env["ALAMODE_LONG"] ? 150 : 20 }); // a round trip for each step
}

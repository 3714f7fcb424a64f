// The same as in kill.test.ts with a shared record: what is killed holds its leases until they run out. ALAMODE_LONG=1 kills 40 times
// in runs of 200 tasks.
import { basename } from "node:path";
import { after, before, test } from "node:test";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { type KeptRecord, seed, survivesKills } from "./kill-history.ts";
import { sharedRecorded } from "./shared-record.ts";

const LONG = Boolean(process.env["ALAMODE_LONG"]);
const [TASKS, KILLS] = LONG ? [200, 40] : [40, 3];
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
const kept: KeptRecord = {
  // Long enough that a busy machine costs nobody its lease, which would have tasks made twice.
  env: ({ dir }) => ({ ALAMODE_RECORD: `${server.url}?schema=${schemaOf(dir)}&lease_seconds=5` }),
  recorded: ({ dir }) => sharedRecorded(server, schemaOf(dir)),
  clearsAtOnce: false,
};

test(
  `runs of ${TASKS} tasks with a shared record survive SIGKILL at ${KILLS} random instants (ALAMODE_SEED=${seed})`,
  {
    skip,
  },
  (t) => survivesKills(t, { kept, tasks: TASKS, kills: KILLS }),
);

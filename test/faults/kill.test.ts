// The engine is killed with SIGKILL at random instants of a run of 200 tasks, and the run asked for again. ALAMODE_LONG=1 kills
// 100 times instead of a dozen.
import { join } from "node:path";
import { test } from "node:test";
import { type KeptRecord, seed, survivesKills } from "./kill-history.ts";
import { recorded } from "./record-copy.ts";

const TASKS = 200;
const KILLS = process.env["ALAMODE_LONG"] ? 100 : 12;
const kept: KeptRecord = {
  env: () => ({}),
  recorded: (here) => recorded(join(here.dir, ".alamode/record.db")),
  clearsAtOnce: true,
};

test(`a run of ${TASKS} tasks survives SIGKILL at ${KILLS} random instants (ALAMODE_SEED=${seed})`, (t) =>
  survivesKills(t, { kept, tasks: TASKS, kills: KILLS }));

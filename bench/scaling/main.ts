// node bench/scaling/main.ts steps|queries|s3 [SIZES…]: measures what docs/SCALING.md tells of, prints it, and notes it in measured.json, from
// which plot.ts draws. Needs the built command; PostgreSQL for the first two, Ceph (and root) for the third.
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { measureQueries } from "./queries.ts";
import { measureS3 } from "./s3.ts";
import { measureSteps } from "./steps.ts";

const MEASURES = { steps: measureSteps, queries: measureQueries, s3: measureS3 };
const file = fileURLToPath(new URL("measured.json", import.meta.url));

const [name = "", ...sizes] = process.argv.slice(2);
if (!(name in MEASURES)) throw new Error(`which of ${Object.keys(MEASURES).join(", ")}?`);
const rows: object[] = [];
for await (const row of MEASURES[name as keyof typeof MEASURES](sizes.map(Number))) {
  console.log(JSON.stringify(row));
  rows.push(row);
}
const machine = { cores: availableParallelism(), load: Number(loadavg()[0]!.toFixed(1)) };
const measured = JSON.parse(readFileSync(file, "utf8"));
writeFileSync(file, `${JSON.stringify({ ...measured, [name]: { machine, rows } }, null, 1)}\n`);

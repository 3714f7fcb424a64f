// One step of plans.ts: `save N FILE` or `load N FILE`. Prints what it took as JSON.
import { statSync } from "node:fs";
import { loadPlan } from "../../src/plan/load.ts";
import { dagOf } from "../contenders/alamode.ts";
import { workload } from "../workload.ts";

const [what, n, file] = process.argv.slice(2) as [string, string, string];
const took: Record<string, number> = {};
let startedMs = performance.now();
const lap = (name: string) => {
  took[name] = performance.now() - startedMs;
  startedMs = performance.now();
};

if (what === "save") {
  const work = workload("layered", Number(n));
  startedMs = performance.now();
  const dag = dagOf(work);
  lap("describeMs");
  await dag.save(file);
  lap("saveMs");
} else {
  const plan = await loadPlan(file);
  lap("loadMs");
  if (Object.keys(plan.tasks).length !== Number(n)) throw new Error("tasks are missing");
  took["fileBytes"] = statSync(file).size;
}
took["peakBytes"] = process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify(took));

// We ourselves, as a user calls us: the built command on a plan file.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Dag } from "../../src/plan/dag.ts";
import { decodePlan } from "../../src/plan/load.ts";
import type { Task } from "../../src/plan/task.ts";
import type { Plan } from "../../src/plan/types.ts";
import { script, type Workload } from "../workload.ts";
import type { Contender } from "./types.ts";

export const MAIN = join(dirname(dirname(import.meta.dirname)), "dist/cli/main.js");

/** The workload as an author would write it. */
export function dagOf(workload: Workload): Dag {
  const dag = new Dag({ name: "bench" });
  const made: Task[] = [];
  for (const task of workload.tasks) {
    const command = script(workload, task, { from: "inputs", to: "$OUTPUT" });
    const added = dag.task(task.name, { command });
    for (const input of task.inputs) added.addDep(made[input]!);
    made.push(added);
  }
  return dag;
}

const plans = new WeakMap<Workload, Plan>();

export const alamode: Contender = {
  name: "alamode",
  most: 1_000_000,
  version: () => JSON.parse(readFileSync(join(dirname(MAIN), "../../package.json"), "utf8")).version,
  describe(workload, dir) {
    mkdirSync(dir, { recursive: true });
    const bytes = dagOf(workload).bencode();
    writeFileSync(join(dir, "bench.dag"), bytes);
    plans.set(workload, decodePlan(bytes));
  },
  argv: (jobs) => [
    process.execPath,
    MAIN,
    "run",
    "-f",
    "bench.dag",
    "--store",
    ".alamode",
    "--jobs",
    String(jobs),
  ],
  env: { ALAMODE_STORE: "", ALAMODE_RECORD: "" },
  output(workload, task, dir) {
    const { output } = plans.get(workload)!.tasks[workload.tasks[task]!.name]!;
    return join(dir, ".alamode/outputs", output.slice(0, 2), output);
  },
};

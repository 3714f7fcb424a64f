// Not a test itself: one phase on a plan of many tasks with 3 dependencies each, in a process of its own, so that its
// peak memory is that phase's. Prints { ms, peakBytes, fileBytes } as JSON. Arguments: phase, file, tasks.
import { statSync } from "node:fs";
import { Dag } from "../../src/plan/dag.ts";
import { bencodePlan } from "../../src/plan/encode.ts";
import { graphOf } from "../../src/plan/graph.ts";
import { loadPlan, verifyPlan } from "../../src/plan/load.ts";
import type { Task } from "../../src/plan/task.ts";

function manyTasks(count: number): Dag {
  const dag = new Dag({ name: "many" });
  const tasks: Task[] = [];
  for (let i = 0; i < count; i++) {
    const task = dag.task(`task-${i}`, {
      command: `python3 step.py --part ${i}`,
      image: "step",
      sha: "1qe34",
    });
    for (const back of [1, 17, 1000]) if (i >= back) task.addDep(tasks[i - back]!);
    tasks.push(task);
  }
  return dag;
}

const [phase = "", file = "", count = ""] = process.argv.slice(2);
const start = performance.now();
const marks: Record<string, number> = {};
const mark = (name: string) => {
  marks[name] = Math.round(performance.now() - start);
};
if (phase === "save") {
  const dag = manyTasks(Number(count));
  mark("described");
  await dag.save(file);
} else if (phase === "encode") {
  const dag = manyTasks(Number(count));
  mark("described");
  dag.encode();
} else if (phase === "load") {
  await loadPlan(file);
} else if (phase === "verify") {
  const plan = await loadPlan(file);
  mark("loaded");
  verifyPlan(plan);
} else if (phase === "graph") {
  const plan = await loadPlan(file);
  mark("loaded");
  graphOf(plan);
} else if (phase === "bencode") {
  const plan = await loadPlan(file);
  mark("loaded");
  bencodePlan(plan);
}
mark("done");
console.log(
  JSON.stringify({
    marks,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    fileBytes: statSync(file, { throwIfNoEntry: false })?.size,
  }),
);

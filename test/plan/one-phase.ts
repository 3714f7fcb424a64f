// Not a test itself: one phase in the life of a plan of many tasks with 3 dependencies each, in a process of its own, so
// that the peak of its memory is that phase's. Arguments: phase, file, tasks. Prints the peak in bytes.
import { Dag } from "../../src/plan/dag.ts";
import { graphOf } from "../../src/plan/graph.ts";
import { loadPlan, verifyPlan } from "../../src/plan/load.ts";
import type { Task } from "../../src/plan/task.ts";

const [phase = "", file = "", count = ""] = process.argv.slice(2);

function manyTasks(): Dag {
  const dag = new Dag({ name: "many" });
  const tasks: Task[] = [];
  for (let i = 0; i < Number(count); i++) {
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

if (phase === "save") await manyTasks().save(file);
else if (phase === "encode") manyTasks().encode();
else if (phase === "load") await loadPlan(file);
else if (phase === "verify") verifyPlan(await loadPlan(file));
else if (phase === "graph") graphOf(await loadPlan(file));
else throw new Error(`no phase ${phase}`);
console.log(process.resourceUsage().maxRSS * 1024);

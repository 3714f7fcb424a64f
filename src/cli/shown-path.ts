// What people would open of an output.
import { join } from "node:path";
import type { PlanTask } from "../plan/types.ts";

/** Of a task with `produces: 'plot.png'` that file; else the output itself. `path` is where the output lies. */
export function shownPath(path: string, task: PlanTask): string {
  const { produces } = task;
  return typeof produces === "string" ? join(path, produces) : path;
}

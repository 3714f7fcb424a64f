// From the arguments of a command to tasks of the plan.
import { existsSync } from "node:fs";
import { AlamodeError } from "../errors.ts";
import { selectTasks } from "../plan/select.ts";
import type { Plan, PlanTask } from "../plan/types.ts";

/** Task names or patterns to names. Undefined for none: the goals of the pipeline. Throws `unknown-task`, `file-not-task`. */
export function selectedGoals(
  plan: Plan,
  patterns: readonly string[],
  command: string,
): string[] | undefined {
  if (patterns.length === 0) return undefined;
  for (const pattern of patterns) {
    refuseFile(plan, pattern, command);
    refuseParam(plan, pattern);
  }
  return selectTasks(plan, patterns);
}

/** The one task of that name. Throws `unknown-task` with near names, `file-not-task`. */
export function taskOf(
  plan: Plan,
  name: string,
  command: string,
): { readonly name: string; readonly task: PlanTask } {
  refuseFile(plan, name, command);
  const names = Object.hasOwn(plan.tasks, name) ? [name] : selectTasks(plan, [name]);
  const [first = name] = names;
  if (names.length > 1) {
    const some = names.slice(0, 3).join(", ");
    throw new AlamodeError("many-tasks", `"${name}" means ${names.length} tasks (${some}…); this takes one`);
  }
  return { name: first, task: plan.tasks[first]! };
}

/** `k=4` for `-p k=4`. */
function refuseParam(plan: Plan, name: string): void {
  if (Object.hasOwn(plan.tasks, name) || !/^[A-Za-z_][\w-]*=/.test(name)) return;
  if (Object.keys(plan.tasks).some((task) => task.includes("="))) return;
  throw new AlamodeError(
    "unknown-task",
    `no task "${name}" in this pipeline. Parameters are set by  -p ${name}`,
  );
}

function refuseFile(plan: Plan, name: string, command: string): void {
  if (Object.hasOwn(plan.tasks, name) || !/\.(dag|[cm]?[jt]sx?)$/.test(name) || !existsSync(name)) return;
  throw new AlamodeError(
    "file-not-task",
    `"${name}" is a file, not a task. Did you mean  alamode ${command} -f ${name} ?`,
  );
}

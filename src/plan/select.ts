// Which tasks are meant by what was typed.
import { matchesGlob } from "node:path";
import { unknownTask } from "./task-names.ts";
import type { Plan } from "./types.ts";

/**
 * Task names that `patterns` mean, each once, in the order of the patterns and then of the plan. A pattern is a task's
 * name, or else a glob as of paths: `align/*`, `**`. Throws `unknown-task` for one that means none.
 */
export function selectTasks(plan: Plan, patterns: readonly string[]): string[] {
  const selected = new Set<string>();
  for (const pattern of patterns) {
    if (Object.hasOwn(plan.tasks, pattern)) {
      selected.add(pattern);
      continue;
    }
    const names = Object.keys(plan.tasks);
    const matching = /[*?[{]/.test(pattern) ? names.filter((name) => matchesGlob(name, pattern)) : [];
    if (matching.length === 0) throw unknownTask(pattern, names);
    for (const name of matching) selected.add(name);
  }
  return [...selected];
}

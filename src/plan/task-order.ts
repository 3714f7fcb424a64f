// Dependencies before dependents, over any number of dags, with a stack of its own: graphs are deeper than call stacks.
import { AlamodeError } from "../errors.ts";
import type { Task } from "./task.ts";

/** A cycle longer than this is shown without its middle. */
const LONGEST_SHOWN = 12;

/**
 * Calls `visit` for each task and all it depends on, dependencies first, unless `visited` has it; `visit` has to see to
 * that. Throws `cycle`, with its path.
 */
export function eachInOrder(
  tasks: Iterable<Task>,
  visited: { has(task: Task): boolean },
  visit: (task: Task) => void,
): void {
  const open = new Set<Task>();
  const path: Task[] = [];
  const rest: Iterator<Task>[] = [];
  const enter = (task: Task): void => {
    open.add(task);
    path.push(task);
    rest.push(task.dependencies.values());
  };
  for (const start of tasks) {
    if (!visited.has(start)) enter(start);
    while (path.length > 0) {
      const task = path.at(-1)!;
      const next = rest.at(-1)!.next();
      if (next.done) {
        path.pop();
        rest.pop();
        open.delete(task);
        visit(task);
      } else if (open.has(next.value)) {
        throw cycle(path.slice(path.indexOf(next.value)));
      } else if (!visited.has(next.value)) {
        enter(next.value);
      }
    }
  }
}

/** `path`: each depends on the one after it, and the last on the first. Shown in the direction the data would go. */
function cycle(path: readonly Task[]): AlamodeError {
  const [first, ...others] = path.map((task) => task.name);
  const names = [first!, ...others.reverse(), first!];
  if (names.length > LONGEST_SHOWN) {
    const kept = LONGEST_SHOWN / 2;
    names.splice(kept, names.length - 2 * kept, `… (${names.length - 2 * kept} more) …`);
  }
  return new AlamodeError("cycle", `cycle: ${names.join(" → ")}`, {
    hint: "Take one of these dependencies away.",
  });
}

// Tasks that come along with a piece of a spec: nobody adds them to a dag, so the dag takes them in with what needs them.
import { needsOf } from "./needs.ts";
import { type MutableSpec, Task } from "./task.ts";

/** Described alike in every copy of this package. */
const COMPANION = Symbol.for("a-la-mode.companion");

/** A task that joins every dag with a task whose spec needs it, under its name or, where that is taken, one like it. */
export function companionTask(name: string, spec: MutableSpec): Task {
  return Object.defineProperty(new Task(name, spec), COMPANION, { value: true });
}

/** These tasks, with those that their specs bring along; the same map where there are none. */
export function withCompanions(tasks: ReadonlyMap<string, Task>): ReadonlyMap<string, Task> {
  const known = new Set(tasks.values());
  let all: Map<string, Task> | undefined;
  for (const { spec } of tasks.values()) {
    for (const [, needed] of needsOf(spec)) {
      if (known.has(needed) || !(COMPANION in needed)) continue;
      known.add(needed);
      all ??= new Map(tasks);
      let name = needed.name;
      for (let n = 2; all.has(name); n++) name = `${needed.name} (${n})`;
      all.set(name, needed);
    }
  }
  return all ?? tasks;
}

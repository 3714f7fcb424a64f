// Tasks by name: `dag.tasks.blur`. A misspelt name is an error with near names, not undefined.
import { AlamodeError } from "../errors.ts";
import { nearNames } from "./near.ts";
import type { Task } from "./task.ts";

/** What others ask any object for: whether it can be awaited, turned into JSON or text. Asking must not throw. */
const ASKED_OF_ANYTHING = new Set([
  "then",
  "toJSON",
  "inspect",
  ...Object.getOwnPropertyNames(Object.prototype),
]);

export function unknownTask(name: string, names: Iterable<string>): AlamodeError {
  const near = nearNames(name, names);
  const suggestion = near.length > 0 ? ` Near: ${near.join(", ")}.` : "";
  return new AlamodeError(
    "unknown-task",
    `no task "${name}" in this pipeline.${suggestion} All: alamode ls --tasks`,
    {
      facts: { task: name },
    },
  );
}

/** The task of that name. Undefined for a symbol or what any object may be asked for; else throws `unknown-task`. */
export function taskNamed(tasks: ReadonlyMap<string, Task>, name: string | symbol): Task | undefined {
  if (typeof name === "symbol") return undefined;
  const task = tasks.get(name);
  if (task === undefined && !ASKED_OF_ANYTHING.has(name)) throw unknownTask(name, tasks.keys());
  return task;
}

/** A live view of `tasks` as an object. */
export function tasksByName(tasks: ReadonlyMap<string, Task>): { readonly [name: string]: Task } {
  return new Proxy<{ [name: string]: Task }>(Object.create(null), {
    get: (_, name) => taskNamed(tasks, name),
    has: (_, name) => typeof name === "string" && tasks.has(name),
    ownKeys: () => [...tasks.keys()],
    getOwnPropertyDescriptor(_, name) {
      const value = typeof name === "string" ? tasks.get(name) : undefined;
      return value && { value, enumerable: true, configurable: true, writable: false };
    },
    set: () => false,
    defineProperty: () => false,
    deleteProperty: () => false,
  });
}

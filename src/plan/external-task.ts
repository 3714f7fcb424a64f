// A task that is known by its output alone: described elsewhere, and made by the time that what depends on it is run.
import { Task } from "./task.ts";
import type { OutputId } from "./types.ts";

const OUTPUT = Symbol.for("a-la-mode.output");

/** To be depended on, under its name or another. It belongs to no dag and is in no plan. */
export function externalTask(name: string, output: OutputId): Task {
  return Object.defineProperty(new Task(name, {}), OUTPUT, { value: output });
}

/** The output that stands for the task; undefined for tasks that are described here. */
export function externalOutput(task: Task): OutputId | undefined {
  return (task as { [OUTPUT]?: OutputId })[OUTPUT];
}

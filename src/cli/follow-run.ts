// The logs of a run's tasks as they grow, for `--logs`.
import type { RunEvent } from "../engine/events.ts";
import { LogReader } from "./follow.ts";

const FOLLOW_MS = 100;

export interface Following {
  /** To be told of each event before it is shown: what a task printed comes before its end. */
  event(told: RunEvent): void;
  close(): void;
}

/** `print` is given whole lines. */
export function followRun(print: (task: string, lines: readonly string[]) => void): Following {
  const readers = new Map<string, LogReader>();
  function drain(task: string, last: boolean): void {
    const lines = readers.get(task)?.read(last) ?? [];
    if (lines.length > 0) print(task, lines);
    if (last) readers.delete(task);
  }
  const ticking = setInterval(() => {
    for (const task of readers.keys()) drain(task, false);
  }, FOLLOW_MS);
  return {
    event(told) {
      if (told.event === "task.started") readers.set(told.task, new LogReader(told.log));
      if (told.event === "task.ran" || told.event === "task.failed") drain(told.task, true);
    },
    close: () => clearInterval(ticking),
  };
}

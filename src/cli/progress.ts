// What is known of a run while it goes on, from its events alone: no clock, no terminal.
import type { RunEvent } from "../engine/events.ts";

export interface RunningTask {
  readonly task: string;
  /** Milliseconds, by the clock of whoever applied the event. */
  readonly since: number;
  readonly attempt: number;
  /** Another run makes it: this one waits. */
  readonly elsewhere: boolean;
}

export interface Progress {
  startedAt: number;
  /** Distinct outputs among the goals and all above them. */
  tasks: number;
  /** Of these, how many were due when the run began. */
  due: number;
  estimateMs: number | undefined;
  /** By task, in the order they started. */
  readonly running: Map<string, RunningTask>;
  /** Due tasks that came to an end, in whatever way. */
  ended: number;
  ran: number;
  /** Not run: the same was made before. */
  same: number;
  failed: number;
  notStarted: number;
}

export function newProgress(now: number): Progress {
  return {
    startedAt: now,
    tasks: 0,
    due: 0,
    estimateMs: undefined,
    running: new Map(),
    ended: 0,
    ran: 0,
    same: 0,
    failed: 0,
    notStarted: 0,
  };
}

/** Takes one event in. `now` in milliseconds. */
export function apply(progress: Progress, event: RunEvent, now: number): void {
  switch (event.event) {
    case "run.started":
      progress.startedAt = now;
      progress.tasks = event.tasks;
      progress.due = event.due;
      progress.estimateMs = event.estimateMs;
      return;
    case "task.waiting":
      progress.running.set(event.task, { task: event.task, since: now, attempt: 1, elsewhere: true });
      return;
    case "task.started":
      progress.running.delete(event.task); // to the end of the order: it may have waited for another run
      progress.running.set(event.task, {
        task: event.task,
        since: now,
        attempt: event.attempt,
        elsewhere: false,
      });
      return;
    case "task.ran":
      progress.running.delete(event.task);
      progress.ran++;
      progress.ended++;
      return;
    case "task.expanded":
      // What it will take is not known from its own history.
      progress.running.delete(event.task);
      progress.tasks += event.tasks;
      progress.due += event.due;
      progress.estimateMs = undefined;
      return;
    case "task.same":
      progress.running.delete(event.task); // it may have waited for another run
      progress.same++;
      progress.ended++;
      return;
    case "task.reused":
      // Of a due task only where another run made it meanwhile; the others were never counted as due.
      if (progress.running.delete(event.task)) progress.ended++;
      return;
    case "task.failed":
      progress.running.delete(event.task);
      if (event.retryInMs !== undefined) return;
      progress.failed++;
      progress.ended++;
      return;
    case "task.notStarted":
      progress.running.delete(event.task);
      progress.notStarted++;
      progress.ended++;
      return;
    case "task.published":
    case "task.unpublished":
    case "warning":
    case "run.finished":
      return;
    default:
      event satisfies never;
  }
}

/** Tasks that were done before, or by others meanwhile, as far as can be told now. */
export function reused(progress: Progress): number {
  const done = progress.ran + progress.same + progress.failed + progress.notStarted;
  const others = Math.max(0, progress.ended - done);
  return Math.max(0, progress.tasks - progress.due) + others;
}

/** Due tasks that have neither started nor ended. */
export function toGo(progress: Progress): number {
  return Math.max(0, progress.due - progress.ended - progress.running.size);
}

/**
 * Milliseconds until the end, from what these tasks took before; undefined without history, once they took longer than
 * that, and when all have ended.
 */
export function restMs(progress: Progress, now: number): number | undefined {
  if (progress.estimateMs === undefined || progress.ended >= progress.due) return undefined;
  const rest = progress.estimateMs - (now - progress.startedAt);
  return rest > 0 ? rest : undefined;
}

// Run events for tests, with everything but what a test is about filled in.
import type { RunEvent, TaskFailure } from "../../src/engine/events.ts";
import type { OutputId } from "../../src/plan/types.ts";
import type { Location, TreeDigest } from "../../src/store/types.ts";

export const started = (tasks: number, due: number, estimateMs?: number): RunEvent => ({
  event: "run.started",
  run: "r",
  number: 1,
  pipeline: "p",
  tasks,
  due,
  ...(estimateMs === undefined ? {} : { estimateMs }),
});

export const taskStarted = (task: string): RunEvent => ({
  event: "task.started",
  task,
  output: task as OutputId,
  execution: "r-1",
  attempt: 1,
  log: "/log",
});

export const taskRan = (task: string, durationMs = 100): RunEvent => ({
  event: "task.ran",
  task,
  output: task as OutputId,
  execution: "r-1",
  attempt: 1,
  durationMs,
  treeDigest: "t" as TreeDigest,
  location: "l" as Location,
  sizeBytes: 1,
  files: 1,
});

export const failure = (more: Partial<TaskFailure> = {}): TaskFailure => ({
  kind: "exit",
  message: "exit 1",
  logTail: [],
  durationMs: 3200,
  attempt: 1,
  attempts: 1,
  ...more,
});

export const taskFailed = (task: string, more: Partial<TaskFailure> = {}, retryInMs?: number): RunEvent => ({
  event: "task.failed",
  task,
  output: task as OutputId,
  failure: failure(more),
  ...(retryInMs === undefined ? {} : { retryInMs }),
});

export const finished = (
  tasks: number,
  counts: { ran?: number; failed?: number; reused?: number },
): RunEvent => ({
  event: "run.finished",
  run: "r",
  status: "done",
  tasks,
  durationMs: 1100,
  ran: 0,
  same: 0,
  reused: 0,
  failed: 0,
  notStarted: 0,
  ...counts,
});

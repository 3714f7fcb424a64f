// Joins a run with whoever watches: events go to a view and, where asked for, to stdout as JSON; logs are followed;
// the first ^C stops the run, the second kills what it started.

import { jsonLine } from "../bencode/as-json.ts";
import type { RunEvent } from "../engine/events.ts";
import { LogReader } from "./follow.ts";
import { liveView } from "./live-view.ts";
import { plainView } from "./plain-view.ts";
import { whenUnread } from "./stdout.ts";
import { isLive } from "./view.ts";

const FOLLOW_MS = 100;

export interface TellingOptions {
  readonly json: boolean;
  readonly logs: boolean;
  /** Names of the tasks that may be told of. */
  readonly tasks: readonly string[];
  /** Flags to repeat in commands that are shown. */
  readonly flags: string;
}

export interface Telling {
  readonly event: (event: RunEvent) => void;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** Gives signals and terminal back. May be called twice. */
  close(): void;
}

export function startTelling({ json, logs, tasks, flags }: TellingOptions): Telling {
  // With --json, stdout is the programs' and people's words go to stderr. One terminal for both cannot be redrawn.
  const stream = json ? process.stderr : process.stdout;
  const mixed = json && process.stdout.isTTY === true;
  const view = (isLive(stream) && !mixed ? liveView : plainView)({ stream, tasks, flags });
  const readers = new Map<string, LogReader>();
  const stop = new AbortController();
  const kill = new AbortController();

  function drain(task: string, last: boolean): void {
    const lines = readers.get(task)?.read(last) ?? [];
    if (lines.length > 0) view.log(task, lines);
    if (last) readers.delete(task);
  }
  const following = logs
    ? setInterval(() => {
        for (const task of readers.keys()) drain(task, false);
      }, FOLLOW_MS)
    : undefined;

  function event(told: RunEvent): void {
    if (json) process.stdout.write(`${jsonLine(told)}\n`);
    if (logs && told.event === "task.started") readers.set(told.task, new LogReader(told.log));
    if (logs && (told.event === "task.ran" || told.event === "task.failed")) drain(told.task, true);
    view.event(told);
  }

  function interrupted(): void {
    if (stop.signal.aborted) {
      kill.abort();
      return;
    }
    stop.abort();
    view.say("stopping: what runs is being ended; once more to kill it");
  }
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, interrupted);
  const readAgain = whenUnread(() => stop.abort());

  let closed = false;
  function close(): void {
    if (closed) return;
    closed = true;
    clearInterval(following);
    view.close();
    for (const signal of signals) process.off(signal, interrupted);
    readAgain();
  }

  return { event, stop: stop.signal, kill: kill.signal, close };
}

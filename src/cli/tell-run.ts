// Joins a run with whoever watches: events go to a view and, where asked for, to stdout as JSON; logs are followed;
// the first ^C stops the run, the second kills what it started.

import { jsonLine } from "../bencode/as-json.ts";
import type { RunEvent } from "../engine/events.ts";
import { followRun } from "./follow-run.ts";
import { linesTo } from "./lines.ts";
import { liveView } from "./live-view.ts";
import { plainView } from "./plain-view.ts";
import { stopping } from "./stopping.ts";
import { isLive } from "./view.ts";

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
  const objects = linesTo(process.stdout);
  const mixed = json && process.stdout.isTTY === true;
  const view = (isLive(stream) && !mixed ? liveView : plainView)({ stream, tasks, flags });
  const following = logs ? followRun(view.log) : undefined;
  const signals = stopping(view.say);

  function event(told: RunEvent): void {
    if (json) objects.print([jsonLine(told)]);
    following?.event(told);
    view.event(told);
  }

  let closed = false;
  function close(): void {
    if (closed) return;
    closed = true;
    following?.close();
    view.close();
    objects.flush();
    signals.close();
  }

  return { event, stop: signals.stop, kill: signals.kill, close };
}

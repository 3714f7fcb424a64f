// Signals to a program that runs things: the first stops it, the second kills what it started.
import { whenUnread } from "./stdout.ts";

export interface Stopping {
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** Gives the signals back. */
  close(): void;
}

/** `say` tells people what the first signal came to. */
export function stopping(say: (line: string) => void): Stopping {
  const stop = new AbortController();
  const kill = new AbortController();
  function interrupted(): void {
    if (stop.signal.aborted) {
      kill.abort();
      return;
    }
    stop.abort();
    say("stopping: what runs is being ended; once more to kill it");
  }
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, interrupted);
  const readAgain = whenUnread(() => stop.abort());
  return {
    stop: stop.signal,
    kill: kill.signal,
    close() {
      for (const signal of signals) process.off(signal, interrupted);
      readAgain();
    },
  };
}

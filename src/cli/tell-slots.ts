// Tells of many runs of one pipeline, one for each slot of its schedule: a line for each, and one for all.
import { jsonLine } from "../bencode/as-json.ts";
import type { RunEvent } from "../engine/events.ts";
import type { RunResult } from "../engine/run.ts";
import { type Following, followRun } from "./follow-run.ts";
import { count, duration, nameText } from "./format.ts";
import { failureBlock, retryLine, summaryLine, warningLines } from "./report.ts";
import { type Stopping, stopping } from "./stopping.ts";
import { paintFor } from "./view.ts";

export interface TellingSlots {
  readonly signals: Stopping;
  say(line: string): void;
  /** What to call with the events of one slot's run. `flags` are repeated in the commands that are shown. */
  slot(name: string, flags: string): Following;
  /** All that was to be done: the results of those that were begun, and how many were not. */
  finished(results: readonly RunResult[], notStarted: number): void;
  close(): void;
}

export interface TellingSlotsOptions {
  readonly json: boolean;
  readonly logs: boolean;
}

export function tellSlots({ json, logs }: TellingSlotsOptions): TellingSlots {
  const startedMs = performance.now();
  const stream = json ? process.stderr : process.stdout;
  const paint = paintFor(stream);
  const print = (lines: readonly string[]) => stream.write(lines.map((line) => `${line}\n`).join(""));
  const signals = stopping((line) => print([line]));

  function slot(name: string, flags: string): Following {
    const following = logs
      ? followRun((task, lines) => print(lines.map((line) => `${paint.dim(`${name} ${task} |`)} ${line}`)))
      : undefined;
    return {
      event(told) {
        if (json) process.stdout.write(`${jsonLine({ ...told, date: name })}\n`);
        following?.event(told);
        print(linesOf(told));
      },
      close: () => following?.close(),
    };

    function linesOf(told: RunEvent): string[] {
      switch (told.event) {
        case "task.failed":
          return told.retryInMs === undefined
            ? failureBlock(told.task, told.failure, flags, paint, name)
            : [retryLine(`${name} ${nameText(told.task)}`, told.failure, told.retryInMs, paint)];
        case "warning":
          return warningLines(told, paint);
        case "run.finished": {
          const sign = told.status === "done" ? paint.good("●") : paint.bad("✗");
          return [`${sign} ${name}  ${summaryLine(told)}`];
        }
        default:
          return [];
      }
    }
  }

  function finished(results: readonly RunResult[], notStarted: number): void {
    const ended = (status: RunResult["status"]) =>
      results.filter((result) => result.status === status).length;
    const slots = results.length + notStarted;
    const parts = [
      ...part(ended("done"), "done"),
      ...part(ended("failed"), "failed"),
      ...part(ended("interrupted"), "interrupted"),
      ...part(notStarted, "not started"),
    ];
    const sum = (of: (result: RunResult) => number) =>
      results.reduce((total, result) => total + of(result), 0);
    const counts = {
      ran: sum(({ counts }) => counts.ran),
      same: sum(({ counts }) => counts.same),
      reused: sum(({ counts }) => counts.reused),
      failed: sum(({ counts }) => counts.failed),
      notStarted: sum(({ counts }) => counts.notStarted),
    };
    const durationMs = performance.now() - startedMs;
    const tasks = sum((result) => result.tasks);
    if (json)
      process.stdout.write(`${jsonLine({ event: "slots.finished", slots, tasks, durationMs, ...counts })}\n`);
    const all = tasks > 0 ? summaryLine({ ...counts, tasks, durationMs }) : duration(durationMs);
    print([`${count(slots, "slot")}: ${parts.join(", ")}; ${all}`]);
  }

  return { signals, say: (line) => print([line]), slot, finished, close: () => signals.close() };
}

function part(n: number, word: string): string[] {
  return n > 0 ? [`${n} ${word}`] : [];
}

// A run as plain lines: for files, pipes and CI. Nothing is redrawn, and nothing folded.
import type { RunEvent } from "../engine/events.ts";
import { linesTo } from "./lines.ts";
import {
  failureBlock,
  ranLine,
  retryLine,
  summaryLine,
  unpublishedLines,
  waitingLine,
  warningLines,
} from "./report.ts";
import { nameColumns, paintFor, type View, type ViewOptions } from "./view.ts";

export function plainView({ stream, tasks, flags }: ViewOptions): View {
  const paint = paintFor(stream);
  const columns = nameColumns(tasks);
  const { print, flush } = linesTo(stream);

  function event(told: RunEvent): void {
    switch (told.event) {
      case "task.waiting":
        print([waitingLine(told, paint)]);
        return;
      case "task.ran":
        print([ranLine(told.task, told.durationMs, columns, paint)]);
        return;
      case "task.failed":
        if (told.retryInMs !== undefined) print([retryLine(told.task, told.failure, told.retryInMs, paint)]);
        else print(failureBlock(told.task, told.failure, flags, paint));
        return;
      case "task.unpublished":
        print(unpublishedLines(told, paint));
        return;
      case "warning":
        print(warningLines(told, paint));
        return;
      case "run.finished":
        print([summaryLine(told)]);
        return;
      case "run.started":
      case "task.started":
      case "task.reused":
      case "task.same":
      case "task.expanded":
      case "task.published":
      case "task.notStarted":
        return;
      default:
        told satisfies never;
    }
  }

  return {
    event,
    log: (task, lines) => print(lines.map((line) => `${paint.dim(`${task} |`)} ${line}`)),
    say: (line) => print([line]),
    close: flush,
  };
}

// A run on a terminal: what is finished scrolls by above, and one block at the bottom is redrawn: what is running with
// its elapsed time, then one line of counts. Each redraw is a single write, at most some twenty a second.
import type { RunEvent } from "../engine/events.ts";
import { clip } from "../plan/clip.ts";
import { type Family, FoldedFamilies } from "./families.ts";
import { duration, nameText, pad } from "./format.ts";
import { apply, newProgress } from "./progress.ts";
import {
  countsLine,
  failureBlock,
  ranLine,
  retryLine,
  summaryLine,
  unpublishedLines,
  waitingLine,
  warningLines,
} from "./report.ts";
import { columnsOf, nameColumns, paintFor, type View, type ViewOptions } from "./view.ts";

const REDRAW_MS = 250; // while nothing happens, for the elapsed times
const SOON_MS = 50; // after something happened
const UP_AND_CLEAR = (lines: number) => (lines === 0 ? "" : `\x1b[${lines}A\r\x1b[J`);

export function liveView({ stream, tasks, flags }: ViewOptions, now: () => number = Date.now): View {
  const paint = paintFor(stream);
  const progress = newProgress(now());
  // Decided anew when the run has told how many tasks are due.
  let folded = new FoldedFamilies([], 0, 0);
  let columns = nameColumns([]);
  let finished: string[] = [];
  let blockHeight = 0;
  let soon: NodeJS.Timeout | undefined;
  const ticking = setInterval(() => draw(), REDRAW_MS);

  function rows(): number {
    return Math.max(10, stream.rows || 24);
  }

  function tell(lines: readonly string[]): void {
    for (const line of lines) finished.push(line); // not spread: a log may have more lines than a call takes arguments
  }

  function familyLine({ name, ran, firstStart, lastEnd }: Family): string {
    return ranLine(`${name} (${ran})`, lastEnd - (firstStart ?? lastEnd), columns, paint);
  }

  function ran(task: string, durationMs: number, at: number): void {
    const isFolded = folded.of(task) !== undefined;
    const whole = folded.ran(task, at);
    if (!isFolded) tell([ranLine(task, durationMs, columns, paint)]);
    else if (whole !== undefined) tell([familyLine(whole)]);
  }

  function event(told: RunEvent): void {
    const at = now();
    apply(progress, told, at);
    switch (told.event) {
      case "task.waiting":
        tell([waitingLine(told, paint)]);
        break;
      case "task.ran":
        ran(told.task, told.durationMs, at);
        break;
      case "task.failed":
        if (told.retryInMs !== undefined) tell([retryLine(told.task, told.failure, told.retryInMs, paint)]);
        else tell(failureBlock(told.task, told.failure, flags, paint));
        break;
      case "task.unpublished":
        tell(unpublishedLines(told, paint));
        break;
      case "warning":
        tell(warningLines(told, paint));
        break;
      case "run.finished":
        tell([...folded.rest().map(familyLine), summaryLine(told)]);
        progress.running.clear();
        close();
        return;
      case "task.started":
        folded.started(told.task, at);
        break;
      case "run.started":
        folded = new FoldedFamilies(tasks, told.due, rows() - 6);
        columns = nameColumns(tasks.map((task) => folded.of(task)?.name ?? task));
        break;
      case "task.reused":
      case "task.same":
      case "task.expanded":
      case "task.published":
      case "task.notStarted":
        break;
      default:
        told satisfies never;
    }
    soon ??= setTimeout(() => draw(), SOON_MS);
  }

  /** The running tasks, folded where there are more than fit, and the counts. */
  function block(): string[] {
    const at = now();
    const groups = new Map<string, { since: number; size: number; elsewhere: boolean }>();
    for (const { task, since, elsewhere } of progress.running.values()) {
      const name = folded.of(task)?.name ?? task;
      const group = groups.get(name);
      if (group === undefined) groups.set(name, { since, size: 1, elsewhere });
      else group.size++;
    }
    const room = Math.max(3, Math.floor(rows() / 2) - 2);
    const turn = "◐◓◑◒"[Math.floor(at / 500) % 4] ?? "◐";
    const lines: string[] = [];
    for (const [name, { since, size, elsewhere }] of groups) {
      if (lines.length === room && groups.size > room + 1) {
        lines.push(paint.dim(`  and ${groups.size - room} more`));
        break;
      }
      const family = folded.of(name); // "align/…" is of its own family
      const label = family === undefined ? nameText(name) : familyText(family, size);
      const sign = elsewhere ? paint.dim("‖") : paint.warn(turn);
      const shown = pad(clip(label, columnsOf(stream) - 16), columns);
      lines.push(`${sign} ${shown}  ${paint.dim(duration(at - (family?.firstStart ?? since)))}`);
    }
    if (progress.tasks > 0) lines.push(paint.dim(clip(countsLine(progress, at), columnsOf(stream) - 1)));
    return lines;
  }

  function draw(closing = false): void {
    clearTimeout(soon);
    soon = undefined;
    const lines = closing ? [] : block();
    const text = UP_AND_CLEAR(blockHeight) + [...finished, ...lines].map((line) => `${line}\n`).join("");
    finished = [];
    blockHeight = lines.length;
    if (text !== "") stream.write(text);
  }

  function close(): void {
    clearInterval(ticking);
    draw(true);
  }

  function say(line: string): void {
    tell([line]);
    draw();
  }

  return {
    event,
    say,
    log: (task, lines) => {
      tell(lines.map((line) => `${paint.dim(`${task} |`)} ${line}`));
      soon ??= setTimeout(() => draw(), SOON_MS);
    },
    close,
  };
}

/** `align/… (4 running, 12 of 40 ran)` */
function familyText({ name, ran, members }: Family, running: number): string {
  return `${nameText(name)} (${running} running, ${ran}${members === undefined ? "" : ` of ${members}`} ran)`;
}

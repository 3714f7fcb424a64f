// The words of a run: one line or block for each thing that can be told. Shared by the live and the plain view.
import { stripVTControlCharacters } from "node:util";
import type { RunEvent, TaskFailure } from "../engine/events.ts";
import type { RunCounts } from "../record/types.ts";
import { count, duration, herePath, indent, nameText, oneLine, pad, roughly, shellWord } from "./format.ts";
import { type Progress, restMs, reused, toGo } from "./progress.ts";

/** Colours for one stream; each returns its text unchanged where there are none. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly dim: (text: string) => string;
}

/** `● clean       0.1 s` */
export function ranLine(task: string, ms: number, columns: number, paint: Paint): string {
  return `${paint.good("●")} ${pad(nameText(task), columns)}  ${paint.dim(duration(ms))}`;
}

/** `‖ blur waits: pid 311 on node3 is making it` */
export function waitingLine(event: Extract<RunEvent, { event: "task.waiting" }>, paint: Paint): string {
  const { host, pid } = event.holder;
  return `${paint.dim("‖")} ${nameText(event.task)} waits: another run is making it (pid ${pid} on ${host})`;
}

/** Messages that go on from the task's name ("made nothing at $OUTPUT"); before the others goes "failed:". */
const GOES_ON = /^(was|ran|made|left|had|changed|wrote|has|is) /;

/** `failed: exit 1`, `made nothing at $OUTPUT (exit 0)` */
function whatHappened(failure: TaskFailure): string {
  const message = oneLine(failure.message);
  return GOES_ON.test(message) ? message : `failed: ${message}`;
}

/** What failed, the end of its log, and where to look. `flags` are repeated in the commands shown; `of` is a slot. */
export function failureBlock(
  task: string,
  failure: TaskFailure,
  flags: string,
  paint: Paint,
  of?: string,
): string[] {
  const name = of === undefined ? nameText(task) : `${of} ${nameText(task)}`;
  const head = `${paint.bad("✗")} ${name} ${whatHappened(failure)}`;
  if (failure.kind === "interrupted") return [head];
  const tries = `(attempt ${failure.attempt} of ${failure.attempts})`;
  const lines = [
    failure.kind === "exit"
      ? `${head} after ${duration(failure.durationMs)} ${tries}`
      : `${head}${failure.attempts > 1 ? ` ${tries}` : ""}`,
  ];
  if (failure.failedIn !== undefined)
    lines.push(`  It failed in run ${failure.failedIn}, which this run waited for.`);
  if (failure.hint !== undefined) lines.push(indent(failure.hint, 2));
  if (failure.logTail.length > 0)
    lines.push("", ...failure.logTail.map((line) => indent(stripVTControlCharacters(line), 4)), "");
  const word = shellWord(task);
  if (failure.log !== undefined) lines.push(`  log      alamode log ${flags}${word}`);
  if (failure.scratch !== undefined) lines.push(`  look in  alamode shell ${flags}${word}`);
  return lines;
}

/** `↻ fit failed: exit 1 after 3.2 s (attempt 1 of 3); again in 2 s` */
export function retryLine(task: string, failure: TaskFailure, retryInMs: number, paint: Paint): string {
  const when = retryInMs < 1000 ? "now" : `in ${duration(retryInMs)}`;
  const tries = `(attempt ${failure.attempt} of ${failure.attempts})`;
  return `${paint.warn("↻")} ${nameText(task)} ${whatHappened(failure)} after ${duration(failure.durationMs)} ${tries}; again ${when}`;
}

/** `✗ report is made, but not published at results/report.html: a link to /data lies there, and was left as it is` */
export function unpublishedLines(
  event: Extract<RunEvent, { event: "task.unpublished" }>,
  paint: Paint,
): string[] {
  const path = herePath(event.path, process.cwd());
  const head = `${paint.bad("✗")} ${nameText(event.task)} is made, but not published at ${path}: ${oneLine(event.message)}`;
  return event.hint === undefined ? [head] : [head, indent(event.hint, 2)];
}

/** In the message may be what others wrote: names, command lines of processes. */
export function warningLines(event: Extract<RunEvent, { event: "warning" }>, paint: Paint): string[] {
  const head = `${paint.warn("!")} ${event.task === undefined ? "" : `${nameText(event.task)}: `}${oneLine(event.message)}`;
  return event.hint === undefined ? [head] : [head, indent(event.hint, 2)];
}

/**
 * `4 tasks: 1 ran, 3 reused, 0 failed, 1.2 s`. Zeros are left out, but that nothing failed is said where the rest was
 * mixed.
 */
export function summaryLine(
  finished: RunCounts & { readonly tasks: number; readonly durationMs: number },
): string {
  const parts = [
    ...part(finished.ran, "ran"),
    ...part(finished.same, "same"),
    ...part(finished.reused, "reused"),
    ...(finished.ran > 0 && finished.reused > 0
      ? [`${finished.failed} failed`]
      : part(finished.failed, "failed")),
    ...part(finished.notStarted, "not started"),
    duration(finished.durationMs),
  ];
  return `${count(finished.tasks, "task")}: ${parts.join(", ")}`;
}

/** `212 tasks: 96 ran, 40 reused · 62 to go, about 18 min` */
export function countsLine(progress: Progress, now: number): string {
  const done = [
    ...part(progress.ran, "ran"),
    ...part(progress.same, "same"),
    ...part(reused(progress), "reused"),
    ...part(progress.failed, "failed"),
    ...part(progress.notStarted, "not started"),
  ].join(", ");
  const rest = restMs(progress, now);
  const ahead = [
    ...part(toGo(progress), "to go"),
    ...(rest === undefined ? [] : [`about ${roughly(rest)}`]),
  ].join(", ");
  const tail = [done, ahead].filter((text) => text !== "").join(" · ");
  return `${count(progress.tasks, "task")}${tail === "" ? "" : `: ${tail}`}`;
}

function part(n: number, word: string): string[] {
  return n > 0 ? [`${n} ${word}`] : [];
}

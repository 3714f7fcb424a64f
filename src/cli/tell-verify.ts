// Joins a verification with whoever watches: lines, one line of progress on a terminal, and where asked for JSON on stdout;
// the first ^C stops it, the second kills what it started.
import { jsonLine } from "../bencode/as-json.ts";
import type { VerifyEvent } from "../engine/verify-events.ts";
import { clip } from "../plan/clip.ts";
import { stopping } from "./stopping.ts";
import { progressText, verifyLines } from "./verify-report.ts";
import { columnsOf, isLive, nameColumns, paintFor } from "./view.ts";

const REDRAW_MS = 250;
/** So many stale ones are told to people; the count of all is in the last line. */
const MOST_STALE = 10;

export interface TellingVerify {
  readonly event: (event: VerifyEvent) => void;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** Gives signals and terminal back. */
  close(): void;
}

export interface TellingVerifyOptions {
  readonly json: boolean;
  readonly stored: boolean;
  /** Names of the tasks that may be told of. */
  readonly tasks: readonly string[];
  /** Flags to repeat in commands that are shown. */
  readonly flags: string;
}

export function startTellingVerify({ json, stored, tasks, flags }: TellingVerifyOptions): TellingVerify {
  const stream = json ? process.stderr : process.stdout;
  const mixed = json && process.stdout.isTTY === true;
  const live = isLive(stream) && !mixed;
  const words = { paint: paintFor(stream), flags, stored, cwd: process.cwd(), columns: nameColumns(tasks) };
  const running = new Map<string, { since: number; sizeBytes?: number }>();
  const progress = { done: 0, outputs: 0 };
  let stale = 0;
  let drawn = false;

  function erase(): void {
    if (drawn) stream.write("\r\x1b[K");
    drawn = false;
  }
  function draw(): void {
    if (running.size === 0) return;
    const text = progressText(running, progress, Date.now());
    stream.write(`\r\x1b[K${words.paint.dim(clip(text, columnsOf(stream) - 1))}`);
    drawn = true;
  }
  function say(lines: readonly string[]): void {
    if (lines.length === 0) return;
    erase();
    stream.write(lines.map((line) => `${line}\n`).join(""));
  }
  const ticking = live ? setInterval(draw, REDRAW_MS) : undefined;

  function event(told: VerifyEvent): void {
    if (json) process.stdout.write(`${jsonLine(told)}\n`);
    if (told.event === "verify.started") progress.outputs = told.outputs;
    else if (told.event === "verify.running") running.set(told.task, { since: Date.now() });
    else if (told.event === "stored.hashing")
      running.set(told.task, { since: Date.now(), sizeBytes: told.sizeBytes });
    else if (told.event === "task.stale") {
      if (++stale > MOST_STALE) return;
    } else if ("task" in told && told.task !== undefined) {
      running.delete(told.task);
      progress.done++;
    }
    say(verifyLines(told, words));
  }

  const signals = stopping((line) => say([line]));

  function close(): void {
    clearInterval(ticking);
    erase();
    signals.close();
  }
  return { event, stop: signals.stop, kill: signals.kill, close };
}

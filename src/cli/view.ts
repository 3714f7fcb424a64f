// What `run` shows itself through, and which kind of view suits a stream.
import { styleText } from "node:util";
import type { RunEvent } from "../engine/events.ts";
import type { Paint } from "./report.ts";

export interface View {
  event(event: RunEvent): void;
  /** Lines that a task printed, without line ends. */
  log(task: string, lines: readonly string[]): void;
  /** Leaves the terminal as it should be. Nothing is told afterwards. */
  close(): void;
  /** A line of our own, not of the run's. */
  say(line: string): void;
}

export interface ViewOptions {
  readonly stream: NodeJS.WriteStream;
  /** Names of the tasks that the run may tell of. */
  readonly tasks: readonly string[];
  /** Flags to repeat in the commands that are shown, each followed by a blank. */
  readonly flags: string;
}

/** Whether a block may be redrawn there. */
export function isLive(stream: NodeJS.WriteStream): boolean {
  const { CI, TERM } = process.env;
  return stream.isTTY === true && TERM !== "dumb" && (CI === undefined || CI === "" || CI === "false");
}

/** Columns of a terminal; 80 where it does not say, or says 0 as one made by a program does. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  return stream.columns || 80;
}

/** Colours where the stream is a terminal that has them; NO_COLOR and FORCE_COLOR are heeded. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  // Asked once: for a pipe it took a tenth of what telling of a step takes, each time.
  if (styleText("green", "x", { stream }) === "x") return PLAIN;
  return {
    good: (text) => styleText("green", text, { stream }),
    bad: (text) => styleText("red", text, { stream }),
    warn: (text) => styleText("yellow", text, { stream }),
    dim: (text) => styleText("dim", text, { stream }),
  };
}

const asItIs = (text: string) => text;
const PLAIN: Paint = { good: asItIs, bad: asItIs, warn: asItIs, dim: asItIs };

/** Columns for task names: as wide as the widest, within reason. */
export function nameColumns(names: Iterable<string>, least = 12, most = 40): number {
  let columns = least;
  for (const name of names) if (name.length > columns) columns = Math.max(columns, [...name].length);
  return Math.min(columns, most);
}

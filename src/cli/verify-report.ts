// The words of a verification: one line or block for each thing that can be told.
import type { Difference, FirstDifference } from "../engine/verify-compare.ts";
import type { Differences, VerifyEvent } from "../engine/verify-events.ts";
import type { Reproducibility } from "../record/verification.ts";
import {
  bytes,
  count,
  duration,
  herePath,
  indent,
  nameText,
  pad,
  roughly,
  shellWord,
  table,
  visible,
} from "./format.ts";
import { failureBlock, type Paint, warningLines } from "./report.ts";

export interface VerifyWords {
  readonly paint: Paint;
  /** Flags to repeat in the commands that are shown, each followed by a blank. */
  readonly flags: string;
  /** Paths are shown as seen from this folder. */
  readonly cwd: string;
  /** For the names of tasks. */
  readonly columns: number;
  /** Whether what the store holds is hashed, and no command run. */
  readonly stored: boolean;
}

const MOST_DIFFERENCES = 10;
const MOST_BYTES_SHOWN = 3;

/** The lines for one event; none for what only programs and a progress line want to know. */
export function verifyLines(event: VerifyEvent, words: VerifyWords): string[] {
  const { paint, columns, flags, stored } = words;
  switch (event.event) {
    case "verify.started":
      return startedLines(event, stored);
    case "verify.same":
      return [
        `${paint.good("●")} ${pad(nameText(event.task), columns)}  same   ${paint.dim(`${duration(event.durationMs)}, verified ${timesText(event.reproducibility)}`)}`,
      ];
    case "verify.differs":
      return [
        `${paint.bad("✗")} ${nameText(event.task)} gave other bytes from the same inputs: it is not deterministic (verified ${timesText(event.reproducibility)})`,
        ...(event.hint === undefined ? [] : [indent(event.hint, 2)]),
        ...differenceLines(event.differences),
      ];
    case "verify.failed":
      return failureBlock(event.task, event.failure, flags, paint);
    case "verify.impossible":
      return [`${paint.warn("?")} ${nameText(event.task)} cannot be verified: ${event.because}`];
    case "stored.damaged":
      return [
        `${paint.bad("✗")} ${nameText(event.task)} was changed since it was recorded${event.because === undefined ? "" : `: ${event.because}`}`,
        `  lies at  ${event.path === undefined ? event.location : herePath(event.path, words.cwd)}`,
        ...differenceLines(event.differences),
      ];
    case "stored.lost":
      return [`${paint.bad("✗")} ${nameText(event.task)} is gone from the store (${event.location})`];
    case "stored.unreadable":
      return [`${paint.bad("✗")} ${nameText(event.task)} cannot be read: ${event.because}`];
    case "task.stale":
      return [staleLine(event, words)];
    case "warning":
      return warningLines(event, paint);
    case "verify.finished":
      return finishedLines(event, stored);
    case "verify.running":
    case "stored.hashing":
    case "stored.intact":
      return [];
    default:
      return event satisfies never;
  }
}

function startedLines(
  { outputs, of, seed, estimateMs }: Extract<VerifyEvent, { event: "verify.started" }>,
  stored: boolean,
): string[] {
  if (outputs === 0 && !stored) return ["nothing is done yet, so there is nothing to verify"];
  const expected = estimateMs === undefined ? "" : `, about ${roughly(estimateMs)}`;
  if (seed !== undefined)
    return [`${outputs} of ${count(of, "done task")}, chosen with --seed ${shellWord(seed)}${expected}`];
  return [];
}

/** `once, the same`, `3 times, always the same`, `3 times, 2 same` */
export function timesText({ verified, same }: Reproducibility): string {
  if (verified === 1) return `once, ${same === 1 ? "the same" : "other bytes"}`;
  return `${verified} times, ${same === verified ? "always the same" : `${same} same`}`;
}

function differenceLines({ shown, all }: Differences): string[] {
  const some = shown.slice(0, MOST_DIFFERENCES);
  const rows = table(
    some.map((one) => [one.kind, pathOf(one), one.kind === "changed" ? one.how : one.entry]),
  );
  const lines: string[] = [];
  let shownBytes = 0;
  for (const [i, one] of some.entries()) {
    lines.push(`    ${rows[i]}`);
    if (one.kind !== "changed" || one.first === undefined || shownBytes++ === MOST_BYTES_SHOWN) continue;
    lines.push(...bytesLines(one.first).map((line) => `      ${line}`));
  }
  if (all > some.length) lines.push(`    and ${all - some.length} more: --json lists up to 100`);
  return lines;
}

function pathOf({ path }: Difference): string {
  return path === "" ? "the output" : visible(path);
}

/** `at byte 20`, and under it what is there in both, in hex and as text, the first other byte after a wider gap. */
function bytesLines({ offset, from, recorded, found }: FirstDifference): string[] {
  const before = offset - from;
  const rows = [
    ["was", recorded],
    ["is", found],
  ].map(([word, hex]) => {
    const all = Buffer.from(hex!, "hex");
    const ends = all.length === before ? "(ends here)" : hexText(all.subarray(before));
    return [word!, `${hexText(all.subarray(0, before))}  ${ends}`.trimStart(), printable(all)];
  });
  return [`first at byte ${offset}:`, ...table(rows).map((row) => `  ${row}`)];
}

function hexText(some: Uint8Array): string {
  return Array.from(some, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** ASCII, everything else as a dot. */
function printable(some: Buffer): string {
  return some.toString("latin1").replace(/[^ -~]/g, "·");
}

function staleLine(
  { task, input, inputIsStale }: Extract<VerifyEvent, { event: "task.stale" }>,
  { paint, flags }: VerifyWords,
): string {
  const why =
    input === undefined
      ? "was made from inputs that have since been remade otherwise"
      : inputIsStale
        ? `was made from "${visible(input)}", which is stale itself`
        : `was made from bytes of "${visible(input)}" that have since been remade otherwise`;
  return `${paint.warn("stale:")} ${nameText(task)} ${why}. It is made again when something needs it, or with  alamode run ${flags}--force ${shellWord(task)}`;
}

function finishedLines(
  finished: Extract<VerifyEvent, { event: "verify.finished" }>,
  stored: boolean,
): string[] {
  const { same, differ, failed, impossible, lost, left, stale } = finished;
  const parts = stored
    ? [
        ...part(same, "intact"),
        ...part(differ, "damaged"),
        ...part(lost, "lost"),
        ...part(failed, "unreadable"),
      ]
    : [
        ...part(same, "same"),
        ...part(differ, differ === 1 ? "differs" : "differ"),
        ...part(failed, "failed"),
      ];
  parts.push(
    ...part(impossible, "cannot be verified"),
    ...part(left, finished.interrupted || !stored ? "not verified" : "in another store"),
    ...part(stale, "stale"),
    duration(finished.durationMs),
  );
  const all = same + differ + failed + impossible + lost + left;
  const summary = `${count(all, stored ? "output" : "task")}: ${parts.join(", ")}`;
  if (!stored || differ + lost === 0) return [summary];
  return [
    summary,
    "What is damaged or lost is never given to a task, and is made again when something needs it.",
  ];
}

function part(n: number, word: string): string[] {
  return n > 0 ? [`${n} ${word}`] : [];
}

/** What a verification is at, for one line on a terminal: `fit 12 s, plot 3 s · 3 of 40`. */
export function progressText(
  running: ReadonlyMap<string, { readonly since: number; readonly sizeBytes?: number }>,
  { done, outputs }: { readonly done: number; readonly outputs: number },
  now: number,
): string {
  const shown = [...running].slice(0, 3).map(([task, { since, sizeBytes }]) => {
    const what = sizeBytes === undefined ? duration(now - since) : bytes(sizeBytes);
    return `${nameText(task)} ${what}`;
  });
  const more = running.size > shown.length ? [`${running.size - shown.length} more`] : [];
  return `◐ ${[...shown, ...more].join(", ")} · ${done} of ${outputs}`;
}

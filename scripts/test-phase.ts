// Runs the test files it is given and prints one line for each, and every failure in full. The counts go to the parent
// process (test.ts). Files that have not ended after ALAMODE_TEST_LIMIT_MIN minutes are named and stopped.
import { availableParallelism } from "node:os";
import { relative, resolve } from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";
import type { PhaseCounts } from "./test-counts.ts";

const files = process.argv.slice(2).map((file) => resolve(file));
const limitMin = Number(process.env["ALAMODE_TEST_LIMIT_MIN"] ?? (process.env["ALAMODE_LONG"] ? 80 : 18));
const unfinished = new Set(files);
const shown = (file: string) => relative(process.cwd(), file);

const stop = new AbortController();
const limit = setTimeout(() => {
  console.log(`✖ not ended after ${limitMin} min: ${[...unfinished].map(shown).join(", ")}`);
  process.exitCode = 1;
  stop.abort();
}, limitMin * 60_000);

/** Of each file: the names that lead to the test at hand, and what its tests printed. */
const paths = new Map<string, string[]>();
const printed = new Map<string, string>();

function print(file: string, message: string): void {
  printed.set(file, (printed.get(file) ?? "") + message);
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "    ");
}

/** A failure as its test saw it; the runner wraps what was thrown as `cause`. */
function describe(error: Error): string {
  return indent(typeof error.cause === "string" ? error.cause : inspect(error.cause ?? error, { depth: 6 }));
}

const events = run({ files, concurrency: Math.max(2, availableParallelism()), signal: stop.signal });
for await (const { type, data } of events) {
  if (type === "test:start" && data.file !== undefined) {
    const path = paths.get(data.file) ?? [];
    paths.set(data.file, [...path.slice(0, data.nesting), data.name]);
  } else if (type === "test:stdout" || type === "test:stderr") {
    print(resolve(data.file ?? ""), data.message);
  } else if (type === "test:fail") {
    const { error } = data.details;
    if ("failureType" in error && error.failureType === "subtestsFailed") continue;
    const file = data.file ?? "";
    const names = [...(paths.get(file) ?? []).slice(0, data.nesting), data.name];
    console.log(`  ✖ ${names.join(" › ")} (${shown(file)}:${data.line ?? 1})\n${describe(error)}\n`);
    process.exitCode = 1;
  } else if (type === "test:summary" && data.file !== undefined) {
    unfinished.delete(data.file);
    const { tests, skipped } = data.counts;
    const skips = skipped === 0 ? "" : `, ${skipped} skipped`;
    const seconds = (data.duration_ms / 1000).toFixed(1);
    const count = tests === 1 ? "1 test" : `${tests} tests`;
    console.log(`  ${data.success ? "✔" : "✖"} ${shown(data.file)}  ${count}${skips}, ${seconds} s`);
    if (!data.success && printed.has(data.file)) console.log(indent(printed.get(data.file)!));
    printed.delete(data.file);
  } else if (type === "test:summary") {
    const counts: PhaseCounts = data.counts;
    process.send?.(counts);
    if (!data.success) process.exitCode = 1;
  }
}
clearTimeout(limit);
for (const [file, text] of printed)
  if (unfinished.has(file)) console.log(`  ${shown(file)} printed:\n${indent(text)}`);
process.disconnect?.();

// What a description wants its author told, beside what it returns.

// Global, because the pipeline may have loaded another copy of this package than whoever loads the pipeline.
const REMARKS = Symbol.for("a-la-mode.remarks");
type Global = { [REMARKS]?: Set<string> };

/** Notes one line to be shown, once, by whoever loads the pipeline. */
export function remark(line: string): void {
  const all = (globalThis as Global)[REMARKS] ?? new Set();
  (globalThis as Global)[REMARKS] = all;
  all.add(line);
}

/** What was noted, in order; after this, nothing is. */
export function takeRemarks(): string[] {
  const all = [...((globalThis as Global)[REMARKS] ?? [])];
  (globalThis as Global)[REMARKS]?.clear();
  return all;
}

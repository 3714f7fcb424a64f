// What the test runner counted, over several of its runs, and the summary in the runner's own words.

export interface PhaseCounts {
  readonly tests: number;
  readonly suites: number;
  readonly passed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly todo: number;
}

export const noCounts: PhaseCounts = {
  tests: 0,
  suites: 0,
  passed: 0,
  failed: 0,
  cancelled: 0,
  skipped: 0,
  todo: 0,
};

export function addCounts(a: PhaseCounts, b: PhaseCounts): PhaseCounts {
  return {
    tests: a.tests + b.tests,
    suites: a.suites + b.suites,
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    cancelled: a.cancelled + b.cancelled,
    skipped: a.skipped + b.skipped,
    todo: a.todo + b.todo,
  };
}

/** The eight closing lines that `node --test` prints. */
export function summary(counts: PhaseCounts, durationMs: number): string {
  const lines = [
    `tests ${counts.tests}`,
    `suites ${counts.suites}`,
    `pass ${counts.passed}`,
    `fail ${counts.failed}`,
    `cancelled ${counts.cancelled}`,
    `skipped ${counts.skipped}`,
    `todo ${counts.todo}`,
    `duration_ms ${Math.round(durationMs)}`,
  ];
  return `\n${lines.map((line) => `ℹ ${line}`).join("\n")}`;
}

// Rows as Markdown, so that they can be read as they are and pasted into README.md.
import type { Row } from "./compare.ts";
import type { MicroRow } from "./micro/types.ts";

export function rowTable(rows: readonly Row[]): string {
  const head = [
    "workload",
    "phase",
    "tool",
    "wall s",
    "cpu s",
    "peak MB",
    "ours / its wall",
    "ours / its cpu",
  ];
  return table(
    head,
    rows.map((row) => [
      `${row.shape} ${row.n}`,
      row.phase,
      row.contender,
      (row.wallMs / 1000).toFixed(3),
      (row.cpuMs / 1000).toFixed(2),
      (row.peakBytes / 1e6).toFixed(0),
      row.contender === "alamode" ? "" : row.wallRatio.toFixed(2),
      row.contender === "alamode" ? "" : row.cpuRatio.toFixed(2),
    ]),
  );
}

export function microTable(name: string, rows: readonly MicroRow[]): string {
  return table(
    [name, "value", "unit"],
    rows.map(({ what, value, unit }) => [what, value.toPrecision(3), unit]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line), ""].join("\n");
}

// node bench/scaling/plot.ts: draws docs/scaling.svg from measured.json. Two panels, both axes logarithmic: steps per second by
// processes, and round trips by tasks.
import { readFileSync, writeFileSync } from "node:fs";
import type { QueryRow } from "./queries.ts";
import type { StepRow } from "./steps.ts";

export interface Measured {
  readonly steps: { readonly rows: readonly StepRow[] };
  readonly queries: { readonly rows: readonly QueryRow[] };
}

interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

interface Panel {
  readonly title: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly series: readonly Series[];
}

const WIDTH = 420;
const HEIGHT = 330;
const MARGIN = { left: 56, right: 20, top: 34, bottom: 118 };
const COLOURS = ["#3366cc", "#cc5533", "#338855", "#886699", "#887733", "#333333"];

/** The whole picture as text. */
export function plotOf({ steps, queries }: Measured): string {
  const kinds = { record: "record only, 8 at once each", engine: "whole runs of tiny tasks" };
  const panels: Panel[] = [
    {
      title: "steps per second, by processes",
      x: [1, 4, 16],
      y: [10, 100, 1000],
      series: Object.entries(kinds).map(([kind, name]) => ({
        name,
        points: steps.rows.flatMap((row) => (row.what === kind ? [[row.processes, row.stepsPerSecond]] : [])),
      })),
    },
    {
      title: "round trips, by tasks of the plan",
      x: [1000, 10_000, 100_000],
      y: [10, 100, 1000],
      series: [...Map.groupBy(queries.rows, ({ what }) => what)].map(([name, rows]) => ({
        name,
        points: rows.map(({ tasks, roundTrips }) => [tasks, roundTrips]),
      })),
    },
  ];
  const width = WIDTH * panels.length;
  const drawn = panels.map((panel, n) => `<g transform="translate(${n * WIDTH} 0)">\n${draw(panel)}\n</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" font-family="sans-serif" font-size="11">
<title>Steps per second by processes, and round trips by tasks of the plan</title>
<rect width="${width}" height="${HEIGHT}" fill="#ffffff"/>
${drawn.join("\n")}
</svg>
`;
}

function draw({ title, x, y, series }: Panel): string {
  const across = scale(x, MARGIN.left, WIDTH - MARGIN.right);
  const up = scale(y, HEIGHT - MARGIN.bottom, MARGIN.top);
  const [left, right, bottom] = [MARGIN.left, WIDTH - MARGIN.right, HEIGHT - MARGIN.bottom];
  const lines = [`<text x="${left}" y="18" font-weight="bold">${title}</text>`];
  for (const at of y) {
    lines.push(`<path d="M${left} ${up(at)}H${right}" stroke="#dddddd"/>`);
    lines.push(`<text x="${left - 6}" y="${up(at) + 4}" text-anchor="end">${at.toLocaleString("en")}</text>`);
  }
  for (const at of x)
    lines.push(
      `<text x="${across(at)}" y="${bottom + 16}" text-anchor="middle">${at.toLocaleString("en")}</text>`,
    );
  for (const [n, { name, points }] of series.entries()) {
    const colour = COLOURS[n % COLOURS.length];
    const path = points.map(([px, py]) => `${across(px)} ${up(py)}`).join("L");
    lines.push(`<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const [px, py] of points)
      lines.push(`<circle cx="${across(px)}" cy="${up(py)}" r="3" fill="${colour}"/>`);
    lines.push(`<text x="${left}" y="${bottom + 33 + n * 13}" fill="${colour}">${name}</text>`);
  }
  return lines.join("\n");
}

/** Where a value comes between the first and the last of `ticks`, in pixels. */
function scale(ticks: readonly number[], from: number, to: number): (value: number) => number {
  const [least, most] = [Math.log(ticks[0]!), Math.log(ticks.at(-1)!)];
  return (value) => Math.round(from + ((Math.log(value) - least) / (most - least)) * (to - from));
}

if (import.meta.main) {
  const measured = JSON.parse(readFileSync(new URL("measured.json", import.meta.url), "utf8"));
  writeFileSync(new URL("../../docs/scaling.svg", import.meta.url), plotOf(measured));
}

// Draws the weather as one SVG: each day from its low to its high, the normals across them, the rain of each month below.
import { writeFileSync } from "node:fs";
import { readInput, rows, variable, type Weather } from "./weather.mts";

const { years, normals }: Weather = JSON.parse(readInput("aggregate", "weather.json"));
const first = years[0]!.year;
const days = rows(readInput("clean", "days.csv"))
  .map(([date, , high, low]) => ({ date: date!, high: Number(high), low: Number(low) }))
  .filter(({ date }) => years.some(({ year }) => date.startsWith(`${year}-`)));

const size = { width: 1200, height: 640 };
const left = 64;
const right = size.width - 32;
const temperature = { top: 96, bottom: 390, least: -10, most: 40 };
const rain = { top: 450, bottom: 576, most: 300 };
const blueToRed = [
  "#2c4a7c",
  "#3f6f9f",
  "#5f9bb5",
  "#93bfae",
  "#c9cf94",
  "#ecc46c",
  "#e89a4c",
  "#d96a3b",
  "#b83a2f",
];

const start = Date.UTC(first, 0, 1);
const span = Date.UTC(years.at(-1)!.year + 1, 0, 1) - start;
const x = (time: number) => round(left + ((time - start) / span) * (right - left));
const y = (degrees: number) => {
  const part = (degrees - temperature.least) / (temperature.most - temperature.least);
  return round(temperature.bottom - part * (temperature.bottom - temperature.top));
};
const rainY = (mm: number) => round(rain.bottom - (mm / rain.most) * (rain.bottom - rain.top));

const drawing = [
  text(left, 44, `Seattle weather, ${first} to ${years.at(-1)!.year}`, `font-size="26" font-weight="600"`),
  text(
    left,
    70,
    "Each day from its low to its high, °C. The line is the normal of 1981–2010.",
    `class="soft"`,
  ),
  ...[-10, 0, 10, 20, 30, 40].map((degrees) => gridline(y(degrees), `${degrees}°`.replace("-", "−"))),
  ...ribbon(),
  normalLine(),
  text(
    left,
    rain.top - 14,
    "Rain and snow of each month, mm of water, with the sum of the year",
    `class="soft"`,
  ),
  ...[0, 100, 200, 300].map((mm) => gridline(rainY(mm), `${mm}`)),
  ...years.flatMap(({ year, months }) => months.map((month) => bar(year, month.month, month.rain))),
  ...years.map(({ year, rain: sum }) => yearLabels(year, sum)),
];

writeFileSync(
  variable("OUTPUT"),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" font-family="system-ui, sans-serif" font-size="14" fill="#2b2b2b">
<style>.soft { fill: #6d6a64 } .tick { fill: #6d6a64; font-size: 12px }</style>
<rect width="100%" height="100%" fill="#fbf9f4"/>
${drawing.join("\n")}
</svg>
`,
);

/** One path for each colour, so that thousands of days stay a small file. */
function ribbon(): string[] {
  const width = round(((right - left) / days.length) * 0.95);
  const paths = blueToRed.map(() => "");
  for (const { date, high, low } of days) {
    const warmth = ((high + low) / 2 + 2) / 30;
    const colour = Math.max(0, Math.min(blueToRed.length - 1, Math.floor(warmth * blueToRed.length)));
    paths[colour] += `M${x(Date.parse(date))} ${y(low)}V${y(high)}`;
  }
  return paths.map((path, at) => `<path d="${path}" stroke="${blueToRed[at]}" stroke-width="${width}"/>`);
}

/** The normals, at the middle of each month. */
function normalLine(): string {
  const points = years.flatMap(({ year }) =>
    normals.map((degrees, month) => `${x(Date.UTC(year, month, 15))},${y(degrees)}`),
  );
  const line = `points="${points.join(" ")}" fill="none" stroke-linejoin="round"`;
  return `<polyline ${line} stroke="#fbf9f4" stroke-width="5" opacity="0.8"/><polyline ${line} stroke="#2b2b2b" stroke-width="2"/>`;
}

function bar(year: number, month: number, mm: number): string {
  const from = x(Date.UTC(year, month - 1, 1)) + 2;
  const width = round(x(Date.UTC(year, month, 1)) - 2 - from);
  return `<rect x="${from}" y="${rainY(mm)}" width="${width}" height="${round(rain.bottom - rainY(mm))}" rx="2" fill="#5b8fb0"/>`;
}

function yearLabels(year: number, sum: number): string {
  const middle = x(Date.UTC(year, 6, 2));
  const edge = x(Date.UTC(year, 0, 1));
  return [
    year === first ? "" : `<path d="M${edge} ${temperature.top}V${rain.bottom}" stroke="#d8d3c8"/>`,
    text(middle, rain.bottom + 26, `${year}`, `text-anchor="middle" font-weight="600"`),
    text(
      middle,
      rain.bottom + 46,
      `${Math.round(sum).toLocaleString("en")} mm`,
      `text-anchor="middle" class="soft"`,
    ),
  ].join("");
}

function gridline(at: number, label: string): string {
  return `<path d="M${left} ${at}H${right}" stroke="#e6e1d6"/>${text(left - 10, at + 4, label, `text-anchor="end" class="tick"`)}`;
}

function text(at: number, baseline: number, words: string, attributes: string): string {
  return `<text x="${at}" y="${baseline}" ${attributes}>${words}</text>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

// Writes the report: one HTML page that needs nothing else, with the chart inside.
import { writeFileSync } from "node:fs";
import { type Extreme, readInput, variable, type Weather } from "./weather.mts";

const { years, warmer }: Weather = JSON.parse(readInput("aggregate", "weather.json"));
const chart = readInput("chart", "chart.svg");

const monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const signed = (degrees: number) => `${degrees < 0 ? "−" : "+"}${Math.abs(degrees).toFixed(1)}`;
const on = ({ date, value }: Extreme, unit: string) =>
  `${value.toFixed(1)} ${unit} <small>${Number(date.slice(8))} ${monthNames[Number(date.slice(5, 7)) - 1]}</small>`;

const yearRows = years.map(
  (year) => `<tr><th>${year.year}</th><td>${year.mean.toFixed(1)} °C</td><td>${year.rain.toFixed(1)} mm</td>
<td>${year.wet_days}</td><td>${on(year.hottest, "°C")}</td><td>${on(year.coldest, "°C")}</td><td>${on(year.wettest, "mm")}</td></tr>`,
);
const all = years.reduce((sum, year) => sum + year.rain, 0) / years.length;
const mean = warmer.reduce((sum, degrees) => sum + degrees, 0) / warmer.length;

writeFileSync(
  variable("OUTPUT"),
  `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Seattle weather</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; color: #2b2b2b; background: #fbf9f4; max-width: 1200px; margin: 2rem auto; padding: 0 1rem }
  table { border-collapse: collapse; width: 100%; margin: 2rem 0; font-variant-numeric: tabular-nums }
  th, td { padding: .4rem .6rem; text-align: right; border-bottom: 1px solid #e6e1d6 }
  th:first-child { text-align: left }
  small { color: #6d6a64 }
</style>
${chart}
<p>From ${years[0]!.year} to ${years.at(-1)!.year} Seattle had ${all.toFixed(0)} mm of rain and snow a year, and was
${Math.abs(mean).toFixed(1)} °C ${mean < 0 ? "colder" : "warmer"} than the normal of 1981–2010.
<small>A day's mean is halfway between its low and its high; the normals are means of hours.</small></p>
<table>
<tr><th>Year</th><th>Mean</th><th>Rain</th><th>Wet days</th><th>Hottest</th><th>Coldest</th><th>Wettest</th></tr>
${yearRows.join("\n")}
</table>
<table>
<tr><th>Off the normal, °C</th>${monthNames.map((name) => `<th>${name}</th>`).join("")}</tr>
<tr><th>Mean of ${years.length} years</th>${warmer.map((degrees) => `<td>${signed(degrees)}</td>`).join("")}</tr>
</table>
</html>
`,
);

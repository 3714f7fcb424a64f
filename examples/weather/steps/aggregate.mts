// Joins the years and sets them against the normals. Each input whose name is a number is a year.
import { readdirSync, writeFileSync } from "node:fs";
import { readInput, rows, variable, type Weather, type Year } from "./weather.mts";

const names = readdirSync(variable("INPUTS")).filter((name) => /^\d+$/.test(name));
const years = names.sort().map((name): Year => JSON.parse(readInput(name, "year.json")));
const normals = rows(readInput("normals", "normals.csv")).map(([, degrees]) => Number(degrees));

const warmer = normals.map((normal, at) => {
  const sum = years.reduce((degrees, { months }) => degrees + months[at]!.mean - normal, 0);
  return Number((sum / years.length).toFixed(2));
});

const weather: Weather = { years, normals, warmer };
writeFileSync(variable("OUTPUT"), `${JSON.stringify(weather, null, 1)}\n`);
console.log(
  `${years.length} years, warmer than normal in ${warmer.filter((degrees) => degrees > 0).length} months`,
);

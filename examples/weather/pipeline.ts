// Four years of weather in Seattle: cleaned by a shell script, summed up year by year in Python, joined, drawn and written
// up in TypeScript. Needs python3 (3.8 or later, its standard library only), awk and sort on PATH. See README.md.
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { Dag, files, type Task } from "a-la-mode";

const data = join(createRequire(import.meta.url).resolve("vega-datasets"), "../../data");
const years = [2012, 2013, 2014, 2015];
/** Millimetres of rain that make a day a wet one: `WET_MM=5 alamode run …` changes the specs of the years. */
const wetMm = process.env["WET_MM"] ?? "1";

// A step starts with a clean environment. The option `pass` hands it the caller's PATH, which differs from machine to
// machine and so is no part of a spec; the `node` on it is to be the one that runs this file.
process.env["PATH"] = [dirname(process.execPath), process.env["PATH"]].join(delimiter);
const callersPath = { pass: ["PATH"] };

const dag = new Dag({ name: "weather" });

const clean = dag.task("clean", {
  files: { ...files("seattle-weather.csv", { from: data }), ...files("steps/clean.sh") },
  command: "sh steps/clean.sh",
  produces: "days.csv",
});
const normals = dag.task("normals", {
  files: { ...files("seattle-weather-hourly-normals.csv", { from: data }), ...files("steps/normals.sh") },
  command: "sh steps/normals.sh",
  produces: "normals.csv",
});

const aggregate = typescript("aggregate", "weather.json").after(normals);
for (const year of years) {
  const spec = {
    files: files("steps/by_year.py"),
    command: ["python3", "steps/by_year.py", `${year}`],
    env: { WET_MM: wetMm },
    produces: "year.json",
  };
  const summedUp = dag.task(`by_year/${year}`, spec, callersPath).after(clean);
  aggregate.after({ [year]: summedUp });
}
const chart = typescript("chart", "chart.svg").after(clean, aggregate);
typescript("report", "report.html").after(aggregate, chart);

export default dag;

/** The task that runs `steps/<name>.mts`. (`.mts` is a module whatever package.json lies above a step's folder.) */
function typescript(name: string, produces: string): Task {
  const spec = {
    files: files(`steps/${name}.mts`, "steps/weather.mts"),
    command: `node steps/${name}.mts`,
    produces,
  };
  return dag.task(name, spec, callersPath);
}

// Tasks that are TypeScript functions: the orbits of the logistic map, in strips that are computed side by side, and their
// diagram. Edit steps/logistic.ts, and everything is made again; edit steps/diagram.ts, and only the diagram is. See README.md.
import { Dag, module } from "a-la-mode";
import type { diagram } from "./steps/diagram.ts";
import type { orbits } from "./steps/orbits.ts";

const strips = 4;
const from = 2.8;
const to = 4;

const dag = new Dag({ name: "logistic" });

const picture = dag.task("diagram", {
  ...module<typeof diagram>("steps/diagram.ts", { export: "diagram", args: { width: 960, height: 540 } }),
  produces: "diagram.svg",
});
for (let strip = 0; strip < strips; strip++) {
  const rate = (edge: number) => from + ((to - from) * edge) / strips;
  const args = { from: rate(strip), to: rate(strip + 1), rates: 120, skip: 500, keep: 60 };
  const made = dag.task(
    `orbits/${strip}`,
    module<typeof orbits>("steps/orbits.ts", { export: "orbits", args }),
  );
  picture.after({ [strip]: made });
}

export default dag;

// A pipeline: tasks, and what each depends on. Change anything and run it again: only what is affected runs.
//   alamode run       bring everything up to date
//   alamode status    what would run, and why
import { Dag, module } from "a-la-mode";
import type { report } from "./report.ts";

const dag = new Dag({ name: "first" });

// A command writes to $OUTPUT, a file or a folder. What it depends on lies in inputs/<task>.
const words = dag.task("words", {
  command: "printf '%s\\n' apple pear apple plum pear apple cherry > $OUTPUT",
});

// A loop makes many tasks: these run side by side, and each result is kept on its own.
const counts = ["apple", "pear", "plum"].map((fruit) =>
  dag
    .task(`count/${fruit}`, {
      command: `printf '%s %s\\n' ${fruit} $(grep -c -x ${fruit} inputs/words) > $OUTPUT`,
    })
    .after(words),
);

// A task can be a function, too. `produces` gives the result a file name, and `publish` says where to find it, as it was last made.
// Nothing depends on this one: it is what a run is for.
dag
  .task(
    "report",
    {
      ...module<typeof report>("./report.ts", { export: "report", args: { title: "Fruit" } }),
      produces: "report.md",
    },
    { publish: "results/report.md" },
  )
  .after(...counts);

export default dag;

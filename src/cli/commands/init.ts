// alamode init: a small pipeline that runs at once, to be changed into one's own.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { AlamodeError } from "../../errors.ts";
import { EXIT } from "../errors.ts";
import { herePath, shellWord } from "../format.ts";

const PIPELINE = `// A pipeline: tasks, and what each depends on. Change anything and run it again: only what is affected runs.
//   alamode run       bring everything up to date
//   alamode status    what would run, and why
import { Dag } from "a-la-mode";

const dag = new Dag({ name: "first" });

// A command writes to $OUTPUT, a file or a folder. What it depends on lies in inputs/<task>.
const words = dag.task("words", {
  command: "printf '%s\\\\n' apple pear apple plum pear apple cherry > $OUTPUT",
});

// A loop makes many tasks: these run side by side, and each result is kept on its own.
const counts = ["apple", "pear", "plum"].map((fruit) =>
  dag
    .task(\`count/\${fruit}\`, {
      command: \`printf '%s %s\\\\n' \${fruit} $(grep -c -x \${fruit} inputs/words) > $OUTPUT\`,
    })
    .after(words),
);

// \`produces\` gives the result a file name; it is the last task, so it is what a run is for.
dag
  .task("report", {
    command: "{ echo '# Fruit'; sort -k2 -n -r inputs/count*; } > $OUTPUT",
    produces: "report.md",
  })
  .after(...counts);

export default dag;
`;

const CONFIG = `// What you would otherwise say at each call. All of it may be left out.
export default {
  pipeline: "pipeline.ts",
  // jobs: 4,            how many tasks run at once; the number of cores if not said
  // keepGoing: true,    after a failure, go on with all that does not need it
  // store: ".alamode",  where results are kept
};
`;

const FILES = [
  { name: "pipeline.ts", content: PIPELINE },
  { name: "alamode.config.ts", content: CONFIG },
];

export async function init(dir: string): Promise<number> {
  const folder = resolve(dir);
  const missing = FILES.filter(({ name }) => !existsSync(join(folder, name)));
  if (missing.length === 0) {
    throw new AlamodeError(
      "exists",
      `${FILES.map(({ name }) => name).join(" and ")} are there already, and were left as they are`,
    );
  }
  mkdirSync(folder, { recursive: true });
  for (const { name, content } of missing) writeFileSync(join(folder, name), content, { flag: "wx" });
  const here = herePath(folder, process.cwd());
  const into = here === "." ? "" : `cd ${shellWord(here)} && `;
  process.stdout.write(
    `wrote ${missing.map(({ name }) => join(dir, name)).join(", ")}\nnext: ${into}alamode run\n`,
  );
  return EXIT.done;
}

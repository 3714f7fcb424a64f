// The command is a few bundles, and dist/ the library besides. A pipeline that the command loads must get the copy of the library
// that performs it, or what it says there would not be heard.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { cliMain } from "../cli-runner.ts";
import { project } from "./project.ts";

const program = join(dirname(cliMain), "program.cjs");

test("a pipeline, and the configuration, have the very library that runs them", async (t) => {
  const compare = `import { createRequire } from "node:module";
import * as library from "a-la-mode";
const own = createRequire(import.meta.url)(${JSON.stringify(program)})["index.js"]();
for (const name of Object.keys(own))
  if (library[name] !== own[name]) throw new Error(name + " is another's");
if (Object.keys(own).length < 20) throw new Error("there is little to compare");
`;
  const here = project(t, {
    "alamode.config.ts": `${compare}export default { jobs: 1 };`,
    "pipeline.mjs": `${compare}
const dag = new library.Dag();
dag.task("one", { command: 'echo 1 > "$OUTPUT"' });
export default dag;`,
  });
  assert.match(await here.done(["run"]), /1 task: 1 ran/);
});

test("it offers what the package offers", async () => {
  const names = async (file: string) => Object.keys(await import(pathToFileURL(file).href)).sort();
  const dist = dirname(dirname(cliMain));
  assert.deepEqual(await names(join(dist, "cli/library.js")), await names(join(dist, "index.js")));
});

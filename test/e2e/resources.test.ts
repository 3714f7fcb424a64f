// Options by pattern, resources and pools, as they are said in alamode.config.ts and told at the terminal.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventsOf, pipeline, project } from "./project.ts";

const SAMPLES = pipeline(`for (const name of ["a", "b", "c"])
  dag.task(\`align/\${name}\`, { command: \`echo in >> $LOG; echo \${name} $MODE > $OUTPUT; echo out >> $LOG\` }, { retries: 1 });`);

test("options by pattern reach the tasks, and what is of no task is told", async (t) => {
  const { alamode, done, dir } = project(t, {
    "pipeline.ts": SAMPLES,
    "alamode.config.ts": `export default {
      pools: { database: 1 },
      options: { "align/*": { pool: "database", pass: ["MODE", "LOG"] }, "algn/a": { retries: 3 } },
    };`,
  });
  const LOG = join(dir, "log");
  const { code, stdout } = await alamode(["run", "--jobs", "3", "--json"], { env: { MODE: "fast", LOG } });
  assert.equal(code, 0);
  assert.equal(readFileSync(LOG, "utf8"), "in\nout\n".repeat(3), "one at a time");
  const [warning] = eventsOf(stdout, "warning");
  assert.match(String(warning!["message"]), /"algn\/a"/);
  assert.match(String(warning!["hint"]), /"align\/a"/);
  assert.match(await done(["path", "align/a"]), /outputs/);
});

test("what cannot be meant, or can never start, is one error before anything runs", async (t) => {
  const wrong: readonly (readonly [config: string, says: RegExp])[] = [
    [
      "options: { 'align/*': { cpu: 4 } }",
      /options for "align\/\*": "cpu" is not an option[\s\S]*Did you mean "cpus"\?/,
    ],
    ["options: { 'align/*': { memory: 4 } }", /memory must be a size of 1 MiB or more/],
    [
      "options: { 'align/*': { memory: 'much' } }",
      /memory must be a size of 1 MiB or more[\s\S]*'1GiB \* attempt'/,
    ],
    [
      "resources: { cpus: 2 }, options: { 'align/b': { cpus: 64 } }",
      /"align\/b" asks for 64 cpus, and there are 2/,
    ],
    ["options: { '*/a': { pool: 'db' } }", /takes of pool "db"[\s\S]*pools: \{ "db": 4 \}/],
    ["resources: { cores: 2 }", /resources must be a map such as/],
    ["pools: { db: 0 }", /pools must be a map of names, each to a whole number of at least 1/],
  ];
  const { alamode, write } = project(t, { "pipeline.ts": SAMPLES });
  for (const [config, says] of wrong) {
    write("alamode.config.ts", `export default { ${config} };`);
    const { code, stdout, stderr } = await alamode(["run"]);
    assert.equal(code, 2, config);
    assert.match(stderr, says);
    assert.doesNotMatch(stderr + stdout, / ran|at .*\.ts:/);
  }
});

test("a task that was killed for memory is told with what it used, its limit, and the way out", {
  skip: process.platform === "linux" ? false : "what processes use is known on Linux only",
}, async (t) => {
  const { alamode } = project(t, {
    "pipeline.ts": pipeline(`dag.task("hog", {
  command: [process.execPath, "-e", "const a = []; for (let n = 0; n < 30; n++) a.push(Buffer.alloc(1e7, 1)); setInterval(() => a, 1e6)"],
}, { memory: "200MiB", timeout: "60s" });`),
  });
  const { code, stdout } = await alamode(["run"]);
  assert.equal(code, 1);
  assert.match(stdout, /✗ hog was killed for memory: it used \d+(\.\d)? MiB, the limit was 200 MiB\n/);
  assert.match(
    stdout,
    /Allow more with {2}memory: '400MiB', or let it grow: {2}memory: '200MiB \* attempt', retries: 2/,
  );
});

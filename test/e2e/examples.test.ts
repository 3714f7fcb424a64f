// The examples as a newcomer runs them, through the built CLI; their numbers computed a second way.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { removeTree } from "../../src/store/remove.ts";
import { cli, cliMain, cliNode } from "../cli-runner.ts";

const root = resolve(import.meta.dirname, "../..");
const collage = "examples/collage/pipeline.ts";
const weather = "examples/weather/pipeline.ts";
const temporary = mkdtempSync(join(tmpdir(), "alamode-examples-"));
const store = join(temporary, "store");

before(() => {
  if (existsSync(cliMain)) return;
  const built = spawnSync(process.execPath, [join(root, "scripts/build.ts")], { stdio: "inherit" });
  assert.equal(built.status, 0);
});
after(() => removeTree(temporary));

type Env = Readonly<Record<string, string | undefined>>;

/** Runs `alamode COMMAND -f PIPELINE …`, in a store of this test's own, and returns its stdout. */
async function alamode(
  command: string,
  pipeline: string,
  args: readonly string[] = [],
  env: Env = {},
): Promise<string> {
  const places = ["--store", store, "--record", join(store, "record.db")];
  const result = await cli([command, "-f", pipeline, ...places, ...args], {
    cwd: root,
    env: { BLUR: undefined, WET_MM: undefined, ...env },
  });
  assert.equal(result.code, 0, result.stdout + result.stderr);
  return result.stdout;
}

/** Counts of a run, and the names of the tasks that ran. */
async function run(pipeline: string, env: Env = {}) {
  const events = (await alamode("run", pipeline, ["--json"], env))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const finished = events.find(({ event }) => event === "run.finished");
  assert.ok(finished);
  const { ran, reused, failed } = finished;
  const names = events.filter(({ event }) => event === "task.ran").map(({ task }) => task);
  return { ran, reused, failed, names: names.sort() };
}

async function outputFile(pipeline: string, task: string, env: Env = {}): Promise<Buffer> {
  return readFileSync(resolve(root, (await alamode("path", pipeline, [task], env)).trim()));
}

/** Width and height, from the first chunk of a PNG. */
function pngSize(file: Buffer): [number, number] {
  assert.equal(file.subarray(0, 8).toString("latin1"), "\x89PNG\r\n\x1a\n");
  assert.equal(file.subarray(12, 16).toString("latin1"), "IHDR");
  return [file.readUInt32BE(16), file.readUInt32BE(20)];
}

test("the collage is made once, then reused, then made again where the blur changed", async () => {
  const all = ["blur", "collage", "download_images", "edge_enhance"];
  assert.deepEqual(await run(collage), { ran: 4, reused: 0, failed: 0, names: all });
  assert.deepEqual(await run(collage), { ran: 0, reused: 4, failed: 0, names: [] });

  const strong = { BLUR: "30" };
  const status = await alamode("status", collage, [], strong);
  assert.match(status, /2 of 4/);
  assert.match(status, /SIGMA/);
  assert.deepEqual(await run(collage, strong), { ran: 2, reused: 2, failed: 0, names: ["blur", "collage"] });
  assert.deepEqual(await run(collage), { ran: 0, reused: 4, failed: 0, names: [] });

  const first = await outputFile(collage, "collage");
  const second = await outputFile(collage, "collage", strong);
  assert.deepEqual(pngSize(first), [1600, 1052]);
  assert.deepEqual(pngSize(second), [1600, 1052]);
  assert.ok(!first.equals(second));
});

test("another checkout, with other times and elsewhere, plans the same IDs", async () => {
  const checkout = join(temporary, "checkout");
  cpSync(join(root, "examples"), join(checkout, "examples"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
  for (const pipeline of [collage, weather]) {
    const here = await alamode("plan", pipeline, ["--json"]);
    const env = { BLUR: undefined, WET_MM: undefined, NODE_PATH: "/nowhere" };
    const there = await cli(["plan", "-f", join(checkout, pipeline), "--json"], { cwd: temporary, env });
    assert.equal(there.code, 0, there.stderr);
    assert.equal(there.stdout, here);
    assert.ok(!here.includes(root), "a path of this machine is part of the plan");
  }
});

const noPython = spawnSync("python3", ["--version"]).status === 0 ? false : "there is no python3";

test("the weather report has the numbers of the data", { skip: noPython }, async () => {
  const first = await run(weather);
  assert.deepEqual({ ...first, names: [] }, { ran: 9, reused: 0, failed: 0, names: [] });
  assert.equal((await run(weather)).ran, 0);

  // [date, rain, high, low, wind, kind]
  const csv = readFileSync(join(root, "node_modules/vega-datasets/data/seattle-weather.csv"), "utf8");
  const days = csv
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
  const { years } = JSON.parse((await outputFile(weather, "aggregate")).toString());
  const report = (await outputFile(weather, "report")).toString();
  for (const year of ["2012", "2013", "2014", "2015"]) {
    const own = days.filter(([date]) => date!.startsWith(year));
    const tenths = own.reduce((sum, [, rain]) => sum + Math.round(Number(rain) * 10), 0);
    const found = years.find((one: { year: number }) => one.year === Number(year));
    assert.equal(found.days, own.length);
    assert.equal(found.rain, tenths / 10);
    assert.equal(found.wet_days, own.filter(([, rain]) => Number(rain) >= 1).length);
    assert.equal(found.hottest.value, Math.max(...own.map(([, , high]) => Number(high))));
    assert.ok(report.includes(`<td>${(tenths / 10).toFixed(1)} mm</td>`), `${year}: ${tenths / 10} mm`);
  }
  assert.match(report, /<svg [\s\S]*<\/svg>/);
});

test("other wet days are counted again, from the days that were cleaned before", {
  skip: noPython,
}, async () => {
  await run(weather);
  const years = [2012, 2013, 2014, 2015].map((year) => `by_year/${year}`);
  const { ran, reused, names } = await run(weather, { WET_MM: "5" });
  assert.deepEqual(
    { ran, reused, names },
    { ran: 7, reused: 2, names: ["aggregate", ...years, "chart", "report"] },
  );
});

test("the README's identities come out of the identity example", async () => {
  const plan = async (env: Env) => JSON.parse(await alamode("plan", "examples/identity.ts", ["--json"], env));
  const { vectors } = JSON.parse(readFileSync(join(root, "test/compat/reference.json"), "utf8"));
  for (const [at, sha] of [undefined, "qwetr3"].entries()) {
    const { tasks } = await plan({ BLUR_SHA: sha });
    for (const [name, output] of Object.entries(vectors[at].outputs))
      assert.equal(tasks[name].output, output);
  }
});

test("the demo does what it says, and its pictures have the same bytes as those made elsewhere", async () => {
  const folder = join(temporary, "demo");
  const program = join(root, "scripts/demo.ts");
  const demo = spawnSync(cliNode, [program, "--built", folder], { cwd: root, encoding: "utf8" });
  assert.equal(demo.status, 0, demo.stdout + demo.stderr);
  const pictures = [...demo.stdout.matchAll(/^ {2}blurred by (\d+) +(\S+)$/gm)];
  assert.equal(pictures.length, 2);
  for (const [, blur, path] of pictures) {
    await run(collage, { BLUR: blur });
    const elsewhere = await outputFile(collage, "collage", { BLUR: blur });
    assert.ok(readFileSync(resolve(root, path!)).equals(elsewhere), `blurred by ${blur}`);
  }
});

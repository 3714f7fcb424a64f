// alamode verify, as a person calls it: what it says, how it ends, and that nothing of it stays.
import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { removeTree } from "../../src/store/remove.ts";
import { alive, Gate, until } from "../engine/rig.ts";
import { eventsOf, jsonLines, pipeline, project } from "./project.ts";

const clean = pipeline(`
const data = dag.task("data", { command: "echo 1 > $OUTPUT" });
dag.task("copy", { command: "cat inputs/data > $OUTPUT" }).after(data);
`);

test("clean tasks are told as the same, with exit code 0, and show remembers", async (t) => {
  const here = project(t, { "pipeline.ts": clean });
  await here.done(["run"]);
  const said = await here.done(["verify"]);
  assert.match(said, /^● data +same +[\d.]+ s, verified once, the same$/m);
  assert.match(said, /^2 tasks: 2 same, [\d.]+ s\n$/m);
  assert.match(await here.done(["verify", "copy"]), /verified 2 times, always the same/);
  assert.match(await here.done(["show", "copy"]), /^ {2}verified +2 times, always the same$/m);
  assert.match(await here.done(["run"]), /2 reused/);
  assert.match(await here.done(["runs"]), /^2 /m);
  assert.deepEqual(readdirSync(join(here.dir, ".alamode/tmp")), []);
});

test("a task that gives other bytes is told with the place and the bytes, with exit code 1", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(
      `dag.task("clock", { command: 'mkdir $OUTPUT; echo "made at $(date +%s%N)" > $OUTPUT/when; head -c 8 /dev/urandom | od -An -tx1 > $OUTPUT/lot; echo k > $OUTPUT/kept' });`,
    ),
  });
  await here.done(["run"]);
  const { code, stdout } = await here.alamode(["verify"]);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^✗ clock gave other bytes from the same inputs: it is not deterministic \(verified once, other bytes\)$/m,
  );
  assert.match(
    stdout,
    /^ {4}changed {2}when +other bytes, \d+ as before\n {6}first at byte \d+:\n {8}was {2}([0-9a-f]{2} +)+\S.*\n {8}is {3}([0-9a-f]{2} +)+\S/m,
  );
  assert.doesNotMatch(stdout, /kept/);
  assert.match(stdout, /^1 task: 1 differs, /m);
  const json = await here.alamode(["verify", "--json"]);
  const [differs] = eventsOf(json.stdout, "verify.differs");
  assert.equal(differs?.["task"], "clock");
  assert.deepEqual(differs?.["reproducibility"], { verified: 2, same: 0 });
  const { shown } = differs!["differences"] as { shown: { path: string }[] };
  assert.deepEqual(
    shown.map(({ path }) => path),
    ["lot", "when"],
  );
  const last = jsonLines(json.stdout).at(-1);
  assert.equal(last?.["event"], "verify.finished");
  assert.equal(last?.["differ"], 1);
});

test("a sample tells the seed that draws it again", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(
      `for (let n = 0; n < 10; n++) dag.task("t" + n, { command: "echo " + n + " > $OUTPUT" });`,
    ),
  });
  await here.done(["run"]);
  const said = await here.done(["verify", "--sample", "20%"]);
  const [, seed] = /^2 of 10 done tasks, chosen with --seed (\d+)/.exec(said) ?? [];
  assert.ok(seed !== undefined, said);
  const tasks = (text: string) => [...text.matchAll(/^● (\S+)/gm)].map(([, name]) => name).sort();
  assert.deepEqual(tasks(await here.done(["verify", "--sample", "20%", "--seed", seed])), tasks(said));
});

test("stored bytes that were changed are named, not used, and made again", async (t) => {
  const here = project(t, { "pipeline.ts": clean });
  await here.done(["run"]);
  assert.match(await here.done(["verify", "--stored"]), /^2 outputs: 2 intact, /m);
  const path = (await here.done(["path", "copy"])).trim();
  rmSync(path, { force: true });
  here.write(path.slice(here.dir.length + 1), "2\n");
  rmSync(join(here.dir, "pipeline.ts"));
  const { code, stdout } = await here.alamode(["verify", "--stored"]);
  assert.equal(code, 1, "no pipeline is needed");
  assert.match(
    stdout,
    /^✗ copy was changed since it was recorded\n {2}lies at {2}\.alamode\/outputs\/..\/[0-9a-f]{64}\n {4}changed {2}the output {2}other bytes, 2 as before$/m,
  );
  assert.match(
    stdout,
    /^2 outputs: 1 intact, 1 damaged, .*\nWhat is damaged or lost is never given to a task/m,
  );
  here.write("pipeline.ts", clean);
  assert.match(await here.done(["run"]), /● copy/);
  const json = await here.done(["verify", "--stored", "--json", "copy"]);
  assert.deepEqual(
    jsonLines(json).map(({ event }) => event),
    ["verify.started", "stored.hashing", "stored.intact", "verify.finished"],
  );
});

test("what is stale is told at the end, with the way out", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`
const fit = dag.task("fit", { command: "head -c 8 /dev/urandom > $OUTPUT" });
dag.task("plot", { command: "cat inputs/fit > $OUTPUT" }).after(fit);
`),
  });
  await here.done(["run"]);
  await removeTree((await here.done(["path", "fit"])).trim());
  await here.done(["run", "fit"]);
  const { code, stdout } = await here.alamode(["verify", "plot"]);
  assert.equal(code, 1, "what was named and cannot be verified is not verified");
  assert.match(
    stdout,
    /^\? plot cannot be verified: input "fit" is gone: other bytes have taken its place since$/m,
  );
  const stale =
    'stale: plot was made from bytes of "fit" that have since been remade otherwise. It is made again when something needs it, or with  alamode run --force plot';
  assert.ok(stdout.includes(`${stale}\n`), stdout);
  assert.ok((await here.done(["verify", "--stored"])).includes(`${stale}\n`));
  await here.done(["run", "--force", "plot"]);
  assert.doesNotMatch(await here.done(["verify", "plot"]), /stale/);
});

test("requests that cannot be meant are refused", async (t) => {
  const here = project(t, { "pipeline.ts": clean });
  const first = await here.alamode(["verify"]);
  assert.deepEqual([first.code, /nothing has been run here yet/.test(first.stderr)], [2, true]);
  await here.done(["run", "data"]);
  for (const [args, said] of [
    [["verify", "dta"], /no task "dta".*data/s],
    [["verify", "--sample", "5"], /It must be a percentage, such as 5%/],
    [["verify", "--sample", "0%"], /It must be a percentage/],
    [["verify", "--stored", "--sample", "5%"], /cannot be used with option '--stored'/],
    [["verify", "--sandbox", "bubblewarp"], /there is no sandbox "bubblewarp"/],
  ] as const) {
    const { code, stderr } = await here.alamode(args);
    assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, said);
  }
});

test("^C ends what runs and says so; a kill leaves no process", async (t) => {
  const here = project(t);
  const gate = new Gate(t, join(here.dir, "gate"));
  here.write(
    "pipeline.ts",
    pipeline(`dag.task("slow", { command: ${JSON.stringify(`${gate.command("$$")}; echo 1 > $OUTPUT`)} });`),
  );
  await Promise.all([here.done(["run"]), gate.reached().then(() => gate.open())]);
  const stopped = here.start(["verify"]);
  const first = Number(await gate.reached());
  stopped.child.kill("SIGINT");
  const { code, stdout } = await stopped.ended;
  assert.equal(code, 130);
  assert.match(stdout, /1 task: 1 not verified/);
  assert.equal(alive(first), false);
  assert.deepEqual(readdirSync(join(here.dir, ".alamode/tmp")), []);
  const killed = here.start(["verify"]);
  const second = Number(await gate.reached());
  killed.child.kill("SIGKILL");
  await killed.ended;
  await until(() => !alive(second));
});

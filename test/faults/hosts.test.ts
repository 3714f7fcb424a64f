// Several hosts (network namespaces) on one record and one store: a shell script performs a plan on them, and one is cut off in
// the middle of a step.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { cliEnv, cliMain, cliNode } from "../cli-runner.ts";
import { eventsOf, jsonLines, type Project, project } from "../e2e/project.ts";
import { type Hosts, makeHosts, whyNoHosts } from "../hosts.ts";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { sharedRecord } from "./shared-record.ts";

const skip = whyNoPostgres() ?? whyNoHosts() ?? false;
const workers = resolve(import.meta.dirname, "../../examples/hosts/workers.sh");

let hosts: Hosts;
let server: Postgres;
before(async () => {
  if (skip) return;
  hosts = makeHosts(3);
  server = await startPostgres({ host: hosts.address, prefix: hosts.server });
});
after(() => {
  server?.stop();
  hosts?.remove();
});

function onRecord(here: Project, schema: string, leaseSeconds: number): Record<string, string> {
  const ALAMODE_RECORD = `${server.url}?schema=${schema}&lease_seconds=${leaseSeconds}`;
  return { ALAMODE_RECORD, ALAMODE_STORE: join(here.dir, ".alamode") };
}

/** Where an execution that ended as a success took place, by task. */
function placesOf(schema: string): Map<string, string> {
  const rows = server
    .sql(`SELECT task, host FROM ${schema}.executions WHERE outcome = 'success'`)
    .split("\n");
  return new Map(rows.map((row) => row.split("|") as [string, string]));
}

test("a shell script performs a plan on three hosts, and each output is made once", { skip }, async (t) => {
  const here = project(t, {
    "pipeline.ts": `import { Dag } from "a-la-mode";
const dag = new Dag({ name: "hosts" });
const all = dag.task("all", { command: 'cat inputs/* > $OUTPUT' });
for (let n = 0; n < 6; n++) {
  const made = dag.task("made " + n, { command: 'echo $N > $OUTPUT', env: { N: String(n) } });
  const twice = dag.task("twice/" + n, { command: 'cat inputs/* inputs/* > $OUTPUT', env: { N: String(n) } });
  twice.addDep(made);
  all.addDep(twice);
}
export default dag;
`,
    "on.sh": `#!/bin/sh\nexec ip netns exec "$1" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$@"\n`,
    alamode: `#!/bin/sh\nexec '${cliNode}' '${cliMain}' "$@"\n`,
  });
  for (const name of ["on.sh", "alamode"]) chmodSync(join(here.dir, name), 0o755);
  const env = { ...onRecord(here, "script", 30), HOSTS: hosts.names.join(" "), ON: join(here.dir, "on.sh") };
  const any = { under: hosts.on(hosts.names[0]!), env };
  await here.done(["plan", "-o", "plan.dag"], any);
  const perform = () =>
    new Promise<string>((done, failed) => {
      const [program, ...rest] = [...hosts.on(hosts.names[0]!), "sh", workers, "plan.dag"];
      const child = spawn(program!, rest, {
        cwd: here.dir,
        env: cliEnv({ ...env, ALAMODE: join(here.dir, "alamode") }),
        stdio: ["ignore", "pipe", "pipe"],
      });
      let printed = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk) => {
          printed += chunk;
        });
      child.on("close", (code) => (code === 0 ? done(printed) : failed(new Error(printed))));
    });
  await perform();
  const record = sharedRecord(server, "script");
  assert.deepEqual([...record.successful.values()], Array(13).fill(1));
  assert.equal(record.successes, 13);
  const places = placesOf("script");
  assert.equal(places.size, 13);
  assert.ok(new Set(places.values()).size > 1, "one host did everything");
  const path = (await here.done(["path", "all", "-f", "plan.dag"], any)).trim();
  assert.equal(here.read(path.slice(here.dir.length + 1)), "0\n0\n1\n1\n2\n2\n3\n3\n4\n4\n5\n5\n");
  await perform();
  assert.equal(sharedRecord(server, "script").successes, 13, "a second time nothing is made");
});

test("a host that is cut off in the middle of a step loses its lease, and cannot commit when it is back", {
  skip,
}, async (t) => {
  const here = project(t, {
    "pipeline.ts": `import { Dag } from "a-la-mode";
const dag = new Dag({ name: "cut" });
dag.task("slow", { command: 'until [ -e "$GATE" ]; do sleep 0.02; done; hostname > $OUTPUT' }, { pass: ["GATE"] });
export default dag;
`,
  });
  const env = onRecord(here, "cut", 2);
  const [one, two] = hosts.names as [string, string];
  const exec = (host: string) => {
    const gate = join(here.dir, `gate-${host}`);
    const run = here.start(["exec", "slow", "--json"], {
      env: { ...env, GATE: gate },
      under: hosts.on(host),
    });
    return { run, open: () => writeFileSync(gate, "") };
  };
  const first = exec(one);
  await first.run.prints('"task.started"');
  hosts.cut(one);
  const second = exec(two);
  await second.run.prints('"task.started"'); // once the lease of the first has run out
  first.open(); // it has made its output, and cannot say so
  second.open();
  const made = await second.run.ended;
  assert.equal(made.code, 0, made.stderr);
  hosts.mend(one);
  const back = await first.run.ended;
  assert.equal(back.code, 0, back.stderr);
  assert.match(back.stderr, /lease ran out/);
  assert.deepEqual(eventsOf(back.stdout, "task.ran"), []);
  assert.equal(jsonLines(back.stdout).at(-1)?.["reused"], 1);
  const record = sharedRecord(server, "cut");
  assert.equal(record.successes, 1);
  assert.equal(placesOf("cut").get("slow"), two);
  const [location] = record.locations.values();
  assert.ok(existsSync(join(here.dir, ".alamode/outputs", location!)));
  assert.equal(here.read(`.alamode/outputs/${location}`), `${two}\n`);
});

// A store that people of one group share: its folders hand the group on, whoever makes them, and nobody is kept out of what
// another made.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cliMain, cliNode } from "../cli-runner.ts";
import { eventsOf, isRoot, type Project, project, ranIn } from "../e2e/project.ts";
import { type Postgres, startPostgres, whyNoPostgres } from "../postgres.ts";
import { sharedRecord } from "./shared-record.ts";

const GROUP = 64_010;
const PEOPLE = [64_001, 64_002] as const;
const skip = whyNoPostgres() ?? whyNotOthers() ?? false;

function whyNotOthers(): string | undefined {
  if (!isRoot) return "needs root, to be several people";
  const { status } = spawnSync(cliNode, [cliMain, "--version"], { uid: PEOPLE[0], gid: GROUP });
  return status === 0 ? undefined : "the program lies where only root may read";
}

let server: Postgres;
before(async () => {
  if (!skip) server = await startPostgres();
});
after(() => server?.stop());

function layers(names: readonly string[]): string {
  return `import { Dag } from "a-la-mode";
const dag = new Dag({ name: "group" });
for (const name of ${JSON.stringify(names)})
  dag.task(name, { command: 'mkdir $OUTPUT; echo ' + name + ' > $OUTPUT/' + name });
dag.task("bad", { command: 'mkdir deep; echo x > deep/file; exit 1' });
export default dag;
`;
}

test("people of one group make and reuse each other's results, and every folder stays the group's", {
  skip,
}, async (t) => {
  const here = project(t, { "pipeline.ts": layers(["a", "b", "c", "d"]) });
  chmodSync(here.dir, 0o755);
  const store = join(here.dir, "shared");
  mkdirSync(store);
  chownSync(store, 0, GROUP);
  chmodSync(store, 0o2775);
  const env = { ALAMODE_RECORD: `${server.url}?schema=people`, ALAMODE_STORE: store, HOME: "/nonexistent" };
  const as = (uid: number, args: readonly string[]) => here.alamode(args, { env, under: person(uid) });
  const [one, two] = PEOPLE;
  const first = await as(one, ["run", "a", "b", "--json"]);
  assert.equal(first.code, 0, first.stderr);
  const second = await as(two, ["run", "a", "b", "c", "--json"]);
  assert.equal(second.code, 0, second.stderr);
  assert.deepEqual(ranIn(second.stdout), ["c"]);
  assert.equal(eventsOf(second.stdout, "task.reused").length, 2);

  // What is gone is made again by another, in folders that are not his.
  const gone = sharedRecord(server, "people").locations;
  for (const location of gone.values()) rmSync(join(store, "outputs", location), { recursive: true });
  const again = await as(two, ["run", "a", "b", "c", "--json"]);
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(ranIn(again.stdout), ["a", "b", "c"]);

  // Failures of one are cleared away by the other, so that no more than three are kept.
  for (const uid of [one, one, two, one, two]) assert.equal((await as(uid, ["run", "bad"])).code, 1);
  assert.equal(readdirSync(join(store, "tmp/failed")).length, 3);
  assert.equal((await as(one, ["run", "d"])).code, 0);
  assert.deepEqual(notTheGroups(here, store), []);
});

/** What a command line begins with to be run by one of the group, who lets the group write. */
function person(uid: number): readonly string[] {
  const become = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, `--groups=${GROUP}`];
  return [...become, "sh", "-c", 'umask 002; exec "$@"', "sh"];
}

/** Whatever the group does not own, and folders of the store (not of its trees, which are closed) that do not hand it on. */
function notTheGroups(here: Project, store: string): string[] {
  const wrong: string[] = [];
  const walk = (path: string, open: boolean) => {
    const stat = lstatSync(path);
    if (stat.gid !== GROUP) wrong.push(`${path.slice(here.dir.length)} is group ${stat.gid}'s`);
    if (!stat.isDirectory()) return;
    if (open && (stat.mode & 0o2020) !== 0o2020)
      wrong.push(`${path.slice(here.dir.length)} is ${stat.mode.toString(8)}`);
    const tree = /\/outputs\/..\//.test(path) || /\/tmp\/failed\//.test(path);
    for (const name of readdirSync(path)) {
      const below = join(path, name);
      const inTree = tree || /\/outputs\/..$/.test(path) || /\/tmp\/failed$/.test(path);
      walk(below, !inTree);
    }
  };
  walk(store, true);
  return wrong;
}

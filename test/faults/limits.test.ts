// Where the system refuses: too few descriptors, folders that may not be read or written, a record that is none. Each is
// told as what it is in one message, nothing that was made is lost, and once the cause is gone all goes on.
import assert from "node:assert/strict";
import { chmodSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import type { CliResult } from "../cli-runner.ts";
import { eventsOf, isRoot, NOBODY, type Project, pipeline, project, ranIn } from "../e2e/project.ts";
import { recorded } from "./record-copy.ts";

const TWO = pipeline(`const one = dag.task("one", { command: "echo 1 > $OUTPUT" });
dag.task("two", { command: "echo doubling; cat inputs/one inputs/one > $OUTPUT" }).after(one);`);

/** One clear answer: the exit code of a wrong request or a failed task, no stack, not "report this". */
function told({ code, signal, stdout, stderr }: CliResult, ...says: readonly RegExp[]): void {
  const all = stdout + stderr;
  assert.equal(signal, null);
  assert.ok(code === 1 || code === 2, `exit ${code}: ${all}`);
  for (const word of says) assert.match(all, word);
  assert.doesNotMatch(all, /^ +at |node:internal|error of its own|^Node\.js v/m);
}

test("with too few open files a run is complete, or says so and is completed later", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`for (let n = 0; n < 12; n++)
      dag.task("t" + n, { command: \`mkdir $OUTPUT; for i in 1 2 3 4 5 6 7 8 9; do echo \${n} > $OUTPUT/$i; done\` });`),
  });
  let refused = 0;
  const succeeded = () => recorded(join(here.dir, ".alamode/record.db")).successful;
  // Below some 24 Node.js itself cannot load its modules.
  for (const limit of [25, 28, 31, 34, 37, 40, 46, 64]) {
    const before = succeeded();
    const result = await here.alamode(["run", "--jobs", "12"], {
      under: ["/bin/sh", "-c", `ulimit -n ${limit}; exec "$@"`, "sh"],
    });
    if (result.code !== 0) {
      refused++;
      told(result, /open files|too many files|ulimit/i);
    }
    for (const output of before.keys()) assert.ok(succeeded().has(output), "a success was lost");
    if (succeeded().size === 12) break;
  }
  assert.ok(refused > 0, "no limit was low enough to see anything");
  await here.done(["run"]);
  assert.deepEqual([...succeeded().values()], Array(12).fill(1));
});

test("a task that runs out of descriptors is told as that", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`dag.task("says", { command: "echo 'open: Too many open files' >&2; exit 3" });`),
  });
  told(await here.alamode(["run"]), /✗ says had too many open files \(exit 3\)/, /ulimit -n/);
});

test("a command longer than the system takes is told as that", async (t) => {
  const here = project(t, {
    "pipeline.ts": pipeline(`dag.task("long", { command: ["true", "x".repeat(3_000_000)] });`),
  });
  told(
    await here.alamode(["run"]),
    /long failed: its command and environment are longer than the system allows/,
    /script/,
  );
});

test("a record that is no database, or another program's, or a newer version's, is left alone", async (t) => {
  const here = project(t, { "pipeline.ts": TWO });
  const file = join(here.dir, "r.db");
  const args = ["run", "--record", "r.db"];

  writeFileSync(file, "these are notes of mine\n".repeat(100));
  told(await here.alamode(args), /r\.db is not a database/, /--record/);
  assert.equal(here.read("r.db"), "these are notes of mine\n".repeat(100));

  const foreign = (sql: string) => {
    const db = new DatabaseSync(file);
    db.exec(sql);
    db.close();
  };
  writeFileSync(file, "");
  foreign("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('Blur')");
  told(await here.alamode(args), /r\.db is a database of another program/, /--record/);

  writeFileSync(file, "");
  await here.done(args);
  const before = recorded(file).successes;
  foreign("PRAGMA user_version = 9999");
  for (const command of [args, ["ls", "--record", "r.db"], ["show", "one", "--record", "r.db"]])
    told(await here.alamode(command), /r\.db was written by a newer version/, /Upgrade/);
  assert.deepEqual(recorded(file).successes, before);
});

test("a store that is a file is refused", async (t) => {
  const here = project(t, { "pipeline.ts": TWO, plain: "mine\n" });
  told(await here.alamode(["run", "--store", "plain"]), /plain/, /--store/);
  assert.equal(here.read("plain"), "mine\n");
});

/** What may not be done to it must be told; then it is allowed again, and a run makes what it could not. */
interface Forbidden {
  readonly what: string;
  readonly path: string;
  readonly mode: number;
  readonly says: readonly RegExp[];
}

const FORBIDDEN: readonly Forbidden[] = [
  {
    what: "a store that may not be written",
    path: ".alamode",
    mode: 0o555,
    says: [/\.alamode/, /may not be written|permission/, /--store|owner/],
  },
  {
    what: "a store that may not even be read",
    path: ".alamode",
    mode: 0o000,
    says: [/\.alamode/, /owner|permission/],
  },
  {
    what: "outputs that may not be added to",
    path: ".alamode/outputs",
    mode: 0o555,
    says: [/\.alamode\/outputs/, /permission was denied/, /owner and mode/],
  },
  {
    what: "a scratch area that may not be written",
    path: ".alamode/tmp",
    mode: 0o555,
    says: [/\.alamode\/tmp/, /permission was denied/],
  },
  {
    what: "receipts that may not be written",
    path: ".alamode/receipts",
    mode: 0o555,
    says: [/two failed: .*receipts.*permission was denied/],
  },
  {
    what: "logs that may not be written",
    path: ".alamode/logs",
    mode: 0o555,
    says: [/two failed: .*permission was denied.*\.alamode\/logs/],
  },
  {
    what: "a record that may only be read",
    path: ".alamode/record.db",
    mode: 0o444,
    says: [/record\.db cannot be written/, /permission/],
  },
];

for (const { what, path, mode, says } of FORBIDDEN) {
  test(`${what} is told, and nothing is lost`, async (t) => {
    const here = asNobody(t);
    await here.done(["run", "one"]);
    const place = join(here.dir, path);
    const usual = statSync(place).mode & 0o7777;
    chmodSync(place, mode);
    let result: CliResult;
    try {
      result = await here.alamode(["run"]);
    } finally {
      chmodSync(place, usual);
    }
    told(result, ...says);
    const after = await here.done(["run", "--json"]);
    assert.deepEqual(ranIn(after), ["two"]);
    assert.deepEqual(
      eventsOf(after, "task.reused").map(({ task }) => task),
      ["one"],
    );
  });
}

/** A project of a user who is not root: root may read and write everything. */
function asNobody(t: TestContext): Project {
  return project(t, { "pipeline.ts": TWO }, isRoot ? { uid: NOBODY } : {});
}

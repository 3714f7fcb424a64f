// docs/FORMAT.md is enough to read what we write: a reader in Python, written from that page alone, finds in plan files and
// in a real store just what the record says. (docs.test.ts sees to it that the page's examples have their digests.)
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { run } from "../../src/library.ts";
import { Dag } from "../../src/plan/dag.ts";
import { outputOf } from "../../src/plan/encode.ts";
import { openRecord } from "../../src/project.ts";
import { readReceipts } from "../../src/store/receipts.ts";
import { removeTree } from "../../src/store/remove.ts";
import { vectors } from "./vectors.ts";

const python = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 8))"]).status === 0;
const skip = python ? false : "there is no python3 (3.8 or later) on PATH";
const page = readFileSync(new URL("../../docs/FORMAT.md", import.meta.url), "utf8");

test("the note in FORMAT.md is one that we read", (t) => {
  const [, length, note, digest] = /^```text receipt=.*\n(\d+):(.*)\n([0-9a-f]{64})\n```$/m.exec(page)!;
  const file = join(scratch(t), "receipts");
  writeFileSync(file, Buffer.concat([Buffer.from(`${length}:${note}`), Buffer.from(digest!, "hex")]));
  const [read, ...more] = readReceipts(file);
  assert.deepEqual(more, []);
  assert.equal(read?.["output"], "d2d3a05caf483a21dc9c1208a9a26dc834c047a9f96e3156a348944b805e0204");
  assert.equal(sha256(read?.["tree"] as string), read?.["digest"]);
});

test("another reader computes the IDs of all plans of the reference", { skip }, (t) => {
  const dir = scratch(t);
  const files = vectors.map(({ plan }, n) => {
    writeFileSync(join(dir, `${n}.dag`), plan);
    return join(dir, `${n}.dag`);
  });
  for (const [n, tasks] of read("plan", ...files).entries()) {
    const outputs = Object.entries(tasks).map(([name, task]) => [name, (task as { output: string }).output]);
    assert.deepEqual(
      new Map(outputs as [string, string][]),
      new Map(Object.entries(vectors[n]!.outputs)),
      vectors[n]!.name,
    );
  }
});

/** The ID of a task that is only its command. */
const INNER = outputOf({ command: "echo inner > $OUTPUT" }, {});

test("another reader finds in a store what the record says was made", { skip }, async (t) => {
  const dir = scratch(t);
  const places = { store: join(dir, "store"), record: join(dir, "record.db") };
  const first = await run(pipeline(), places);
  assert.equal(first.status, "done");

  // The same output again, with other bytes: its tree has a suffixed location. And a note whose writer was killed.
  const { output } = pipeline().encode().tasks["random"]!;
  const second = await run(pipeline(), { ...places, goals: ["random"], force: ["random"] });
  assert.equal(second.counts.ran, 1);
  // And one output that is not made, because the same was made before from the same bytes: a link to that.
  const third = await run(pipeline("echo hello > $OUTPUT # again"), { ...places, goals: ["folder"] });
  assert.equal(third.counts.same, 1);
  // And a plan that a task writes, with one task in it.
  const grown = new Dag();
  grown.task("grow", {
    command:
      "printf 'd4:metade5:tasksd1:xd7:command20:echo inner > $OUTPUT6:inputsde6:output64:'$ID'eee' > $OUTPUT",
    env: { ID: INNER },
    expand: 1,
  });
  assert.equal((await run(grown, places)).status, "done");
  const [receipts] = readdirSync(join(places.store, "receipts"));
  appendFileSync(join(places.store, "receipts", receipts!), "400:d6:digest64:1bdf6028282fe63b");

  const found = read("store", places.store)[0]!;
  const expected = successes(places.record);
  assert.equal(expected.length, 10);
  assert.deepEqual(
    found,
    Object.fromEntries(expected.map(({ location, ...success }) => [location, success])),
  );
  const again = pipeline("echo hello > $OUTPUT # again").encode().tasks["folder"]!.output;
  const view = readlinkSync(join(places.store, "outputs", again.slice(0, 2), again));
  const original = pipeline().encode().tasks["folder"]!.output;
  assert.equal(view, `../${original.slice(0, 2)}/${original}`);
  const remade = expected.findLast(({ location }) => location.includes(output))!;
  assert.equal(remade.location, `${output.slice(0, 2)}/${output}.${remade.tree.slice(0, 16)}`);
});

test("another reader hashes a tree as it lies there", { skip }, async (t) => {
  const dir = scratch(t);
  const places = { store: join(dir, "store"), record: join(dir, "record.db") };
  const { path } = await run(pipeline(), places);
  const record = await openRecord(places.record);
  const { tasks } = pipeline().encode();
  const names = ["lone", "folder", "none"];
  const made = await record.successes(names.map((name) => tasks[name]!.output));
  await record.close();
  assert.deepEqual(
    read("tree", ...names.map(path)),
    names.map((name) => made.get(tasks[name]!.output)?.treeDigest),
  );
});

test("another reader refuses a plan in which one byte was changed", { skip }, async (t) => {
  const file = join(scratch(t), "plan.dag");
  const bytes = Buffer.from(pipeline().bencode());
  bytes[bytes.indexOf("chmod")] = "C".charCodeAt(0);
  writeFileSync(file, bytes);
  const { status, stderr } = python3("plan", file);
  assert.equal(status, 1);
  assert.match(stderr, /the output of folder is another/);
});

/** Trees of every kind: a lone file, an executable, links, odd names, an empty folder, and bytes that differ each time. */
function pipeline(lonely = "echo hello > $OUTPUT"): Dag {
  const dag = new Dag({ name: "formats", 0: [1n, -5, true, new Uint8Array([0xff, 0])] });
  const lone = dag.task("lone", { command: lonely });
  const folder = dag.task("folder", {
    command: `mkdir -p $OUTPUT/bin $OUTPUT/empty $OUTPUT/a; cd $OUTPUT
      echo '#!/bin/sh' > bin/run; chmod 750 bin/run; ln -s bin/run latest; ln -s nowhere dangling
      echo 1 > a.txt; echo 2 > a/b; echo 3 > 'é'; echo 4 > '😀'; echo 5 > '～'; : > ' '; cp inputs/lone x || cp "$INPUTS/lone" x`,
  });
  folder.after(lone);
  dag.task("none", { command: "mkdir $OUTPUT" }).after({ "a/b ü": folder, lone });
  dag.task("loop", { command: "cat inputs/lone inputs/lone > $OUTPUT", produces: "two.txt" }).after(lone);
  const random = dag.task("random", { command: "od -An -N16 -tx1 /dev/urandom > $OUTPUT" });
  dag.task("of random", { command: "cat inputs/it > $OUTPUT" }).after({ it: random });
  return dag;
}

/** What the record says of each success whose bytes it believes to be there. */
function successes(
  file: string,
): { location: string; tree: string; resolvedKey: string; execution: string }[] {
  using db = new DatabaseSync(file, { readOnly: true });
  return db
    .prepare(
      `SELECT s.location, lower(hex(t.digest)) AS tree, lower(hex(s.resolved_key)) AS resolvedKey, r.run || '-' || e.n AS execution
       FROM successes s JOIN trees t ON t.id = s.tree_id JOIN executions e ON e.id = s.execution_id JOIN runs r ON r.id = e.run_id
       WHERE s.state IN ('current', 'other') AND s.alias_of IS NULL`,
    )
    .all()
    .map((row) => ({ ...row })) as never;
}

function python3(...args: readonly string[]) {
  const options = {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  } as const;
  return spawnSync("python3", [join(import.meta.dirname, "reader.py"), ...args], options);
}

/** What the Python reader prints, one value for each argument. */
function read(action: string, ...paths: readonly string[]): Record<string, unknown>[] {
  const { status, stdout, stderr } = python3(action, ...paths);
  assert.equal(status, 0, stderr);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

function scratch(t: TestContext): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "alamode-format-")));
  t.after(() => removeTree(dir));
  return dir;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

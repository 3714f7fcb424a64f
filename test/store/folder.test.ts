import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openFolderStore } from "../../src/store/folder.ts";
import { readReceipts } from "../../src/store/receipts.ts";
import { removeTree } from "../../src/store/remove.ts";
import type { Location, Store } from "../../src/store/types.ts";
import { storeContract } from "./contract.ts";
import { build, outputId, scratch, type Thing } from "./scratch.ts";

storeContract("folder store", (dir) => openFolderStore(`${dir}/.alamode`));

const outputA = outputId("a");
const plainA = `aa/${outputA}` as Location;
const underLease = { taken: [], mayMoveAside: true };

async function fresh(t: TestContext): Promise<{ store: Store; dir: string }> {
  const dir = `${scratch(t)}/.alamode`;
  const store = await openFolderStore(dir);
  t.after(() => store.close());
  return { store, dir };
}

function sealed(store: Store, things: Record<string, Thing>, slot = "slot") {
  return store.seal(build(`${store.scratchDir}/${slot}/OUTPUT`, things), {});
}

test("a new store has its folders, is ignored by git, and keeps no trace of its probe", async (t) => {
  const { dir } = await fresh(t);
  assert.deepEqual(readdirSync(dir), [".gitignore", "id", "logs", "outputs", "receipts", "sources", "tmp"]);
  assert.equal(readFileSync(`${dir}/.gitignore`, "utf8"), "*\n");
  assert.deepEqual([...readdirSync(`${dir}/outputs`), ...readdirSync(`${dir}/tmp`)], []);
  const elsewhere = `${scratch(t)}/shared`;
  await (await openFolderStore(elsewhere)).close();
  assert.ok(!existsSync(`${elsewhere}/.gitignore`));
});

test("a store's id moves with it, is one for all who open it, and is never guessed", async (t) => {
  const dir = scratch(t);
  const ids = async (at: string) =>
    (await Promise.all([1, 2, 3].map(() => openFolderStore(at)))).map(({ id }) => id);
  const [id, ...others] = await ids(`${dir}/one`);
  assert.match(id!, /^[0-9a-f]{16}$/);
  assert.deepEqual(others, [id, id]);
  renameSync(`${dir}/one`, `${dir}/two`);
  assert.deepEqual(await ids(`${dir}/two`), [id, id, id]);
  assert.notEqual((await openFolderStore(`${dir}/one`)).id, id);
  for (const damage of ["", "no id"]) {
    writeFileSync(`${dir}/two/id`, damage);
    await assert.rejects(openFolderStore(`${dir}/two`), { code: "store-unusable", message: /two\/id/ });
  }
});

test("a store that is only looked at has its scratch folder again, if that was lost", async (t) => {
  const { dir } = await fresh(t);
  rmSync(`${dir}/tmp`, { recursive: true });
  const { scratchDir } = await openFolderStore(dir, { look: true });
  assert.deepEqual(readdirSync(scratchDir), []);
});

test("what cannot be a store is told as such", async (t) => {
  const dir = build(scratch(t), { file: "" });
  for (const path of ["file", "file/below"]) {
    await assert.rejects(openFolderStore(`${dir}/${path}`), {
      code: "store-unusable",
      message: /not a folder/,
    });
  }
  if (process.getuid?.() === 0)
    return t.diagnostic("root may write anywhere: the read-only folder was not tried");
  build(dir, { closed: null });
  chmodSync(`${dir}/closed`, 0o555);
  for (const path of ["closed", "closed/below"]) {
    await assert.rejects(openFolderStore(`${dir}/${path}`), {
      code: "store-unusable",
      message: /may not be written/,
    });
  }
});

test("a store across two file systems is refused", async (t) => {
  const { dir } = await fresh(t);
  using disk = mountSmall(t, `${dir}/outputs`);
  if (disk === undefined) return;
  await assert.rejects(openFolderStore(dir), { code: "store-unusable", message: /different file systems/ });
  assert.deepEqual(readdirSync(`${dir}/tmp`), []);
});

test("an output lies where the layout says, read-only to its top", async (t) => {
  const { store, dir } = await fresh(t);
  const { location } = await store.commit(outputA, await sealed(store, { "sub/a": "1" }), underLease);
  assert.equal(location, plainA);
  for (const path of ["", "/sub"])
    assert.equal(statSync(`${dir}/outputs/${location}${path}`).mode & 0o7777, 0o555);
  assert.ok(!existsSync(`${store.scratchDir}/slot/OUTPUT`));
  const empty = await sealed(store, {});
  assert.equal(
    (await store.commit(outputId("b"), empty, underLease)).location,
    `bb/${outputId("b")}.${empty.digest.slice(0, 16)}`,
  );
});

test("rubbish of any kind at a location is moved aside whole, and nothing is lost", async (t) => {
  const { store, dir } = await fresh(t);
  const rubbish: Record<string, Thing> = {
    file: "rubbish",
    "folder/with": "rubbish",
  };
  for (const wanted of [{ a: "1" }, "a lone file"]) {
    for (const kind of ["file", "folder"]) {
      build(`${dir}/made`, rubbish);
      mkdirSync(`${dir}/outputs/aa`, { recursive: true });
      renameSync(`${dir}/made/${kind}`, `${dir}/outputs/${plainA}`);
      const path = `${store.scratchDir}/${kind}/OUTPUT`;
      if (typeof wanted === "string") build(`${store.scratchDir}/${kind}`, { OUTPUT: wanted });
      else build(path, wanted);
      const tree = await store.seal(path, {});
      const { location } = await store.commit(outputA, tree, underLease);
      assert.equal(location, plainA);
      assert.equal((await store.rehash(location))?.digest, tree.digest);
      const [aside] = readdirSync(`${dir}/outputs/aa`).filter((name) => name.includes(".aside-"));
      assert.match(aside!, new RegExp(`^${outputA}\\.aside-[0-9a-f]{8}$`));
      assert.ok(lstatSync(`${dir}/outputs/aa/${aside}`));
      for (const done of ["outputs/aa", "made"]) await removeTree(`${dir}/${done}`);
    }
  }
});

test("a view of another output's tree counts as occupied: what is made goes beside it, and the view stays", async (t) => {
  const { store, dir } = await fresh(t);
  const other = await store.commit(outputId("b"), await sealed(store, { b: "2" }), underLease);
  await store.view(outputA, other.location);
  assert.equal(readFileSync(`${dir}/outputs/${plainA}/b`, "utf8"), "2");
  await store.view(outputA, other.location); // there already: nothing happens
  for (const content of [{ a: "1" }, { a: "1", b: "2" }]) {
    const tree = await sealed(store, content);
    const { location } = await store.commit(outputA, tree, underLease);
    assert.equal(location, `${plainA}.${tree.digest.slice(0, 16)}`);
  }
  assert.ok(lstatSync(`${dir}/outputs/${plainA}`).isSymbolicLink());
});

test("a file that was linked to its location before its maker died is committed by linking again", async (t) => {
  const { store, dir } = await fresh(t);
  build(`${store.scratchDir}/slot`, { OUTPUT: "1" });
  const tree = await store.seal(`${store.scratchDir}/slot/OUTPUT`, {});
  mkdirSync(`${dir}/outputs/aa`);
  linkSync(tree.path, `${dir}/outputs/${plainA}`);
  assert.equal((await store.commit(outputA, tree, { taken: [], mayMoveAside: false })).location, plainA);
  assert.equal(statSync(`${dir}/outputs/${plainA}`).nlink, 1);
});

test("something else at the suffixed location is never replaced: it was damaged, and is moved aside", async (t) => {
  const { store, dir } = await fresh(t);
  for (const rubbish of ["file", "fifo"]) {
    const tree = await sealed(store, { a: "1" }, rubbish);
    const place = `${dir}/outputs/${plainA}.${tree.digest.slice(0, 16)}`;
    mkdirSync(`${dir}/outputs/aa`, { recursive: true });
    if (rubbish === "file") writeFileSync(place, "rubbish");
    else execFileSync("mkfifo", [place]);
    const options = { taken: [plainA], mayMoveAside: false };
    const { location } = await store.commit(outputA, tree, options);
    assert.equal((await store.rehash(location))?.digest, tree.digest);
    const aside = readdirSync(`${dir}/outputs/aa`).filter((name) => name.includes(".aside-"));
    assert.equal(aside.length, 1);
    await removeTree(`${dir}/outputs/aa`);
  }
});

test("the check tells each kind of change, and by name", async (t) => {
  const changes: [string, RegExp, (top: string) => void][] = [
    ["a", /had 1 bytes and has 2/, (top) => writeFileSync(`${top}/a`, "22")],
    ["a", /modified at/, (top) => utimesSync(`${top}/a`, 5, 5)],
    ["a", /has become executable/, (top) => chmodSync(`${top}/a`, 0o555)],
    ["tool", /no longer executable/, (top) => chmodSync(`${top}/tool`, 0o444)],
    ["sub/new", /was added/, (top) => writeFileSync(`${top}/sub/new`, "")],
    ["sub/b", /is gone/, (top) => rmSync(`${top}/sub/b`)],
    ["new", /was added/, (top) => mkdirSync(`${top}/new`)],
  ];
  for (const [path, how, change] of changes) {
    const { store, dir } = await fresh(t);
    const tree = await sealed(store, { a: "1", "sub/b": "2", tool: { run: "" }, link: { link: "a" } });
    const { location, stamps } = await store.commit(outputA, tree, underLease);
    const top = `${dir}/outputs/${location}`;
    execFileSync("chmod", ["-R", "u+w", top]);
    assert.deepEqual(await store.check(location, { ...tree, stamps }), { kind: "intact" });
    change(top);
    const check = await store.check(location, { ...tree, stamps });
    assert.ok(check.kind === "damaged", path);
    assert.equal(check.path, path);
    assert.match(check.how, how);
  }
});

test("the check tells what was replaced by another kind of thing", async (t) => {
  const { store, dir } = await fresh(t);
  const tree = await sealed(store, { "sub/a": "1" });
  const { location, stamps } = await store.commit(outputA, tree, underLease);
  const top = `${dir}/outputs/${location}`;
  renameSync(top, `${top}.was`);
  symlinkSync(`${top}.was`, top);
  assert.deepEqual(await store.check(location, { ...tree, stamps }), {
    kind: "damaged",
    path: "",
    how: "was a folder and is a link now",
  });
  rmSync(top);
  writeFileSync(top, "");
  assert.equal((await store.check(location, { ...tree, stamps })).kind, "damaged");
  rmSync(top);
  assert.equal((await store.check(location, { ...tree, stamps })).kind, "missing");
});

test("a kept source that was cut short is kept again", async (t) => {
  const { store, dir } = await fresh(t);
  const sha256 = createHash("sha256").update("data").digest("hex");
  build(dir, { data: "data" });
  await store.keepSource(sha256, `${dir}/data`);
  const kept = (await store.source(sha256))!;
  assert.equal(kept, `${dir}/sources/${sha256.slice(0, 2)}/${sha256}`);
  assert.equal(statSync(kept).mode & 0o7777, 0o444);
  chmodSync(kept, 0o644);
  truncateSync(kept, 0);
  await store.keepSource(sha256, `${dir}/data`);
  assert.equal(readFileSync(kept, "utf8"), "data");
  assert.deepEqual(readdirSync(`${dir}/tmp`), []);
});

test("receipts are kept by run and go on after the store was opened again", async (t) => {
  const { store, dir } = await fresh(t);
  await store.appendReceipt("run1", { a: "1" });
  await store.appendReceipt("run2", { a: "2" });
  await store.close();
  await store.appendReceipt("run1", { a: "3" });
  const notes = [...readReceipts(`${dir}/receipts/run1`)].map(({ n, a }) => ({ n, a }));
  assert.deepEqual(notes, [
    { n: 0, a: "1" },
    { n: 1, a: "3" },
  ]);
});

test("two processes that commit one output never destroy each other's tree", async (t) => {
  const { store, dir } = await fresh(t);
  const committers = [committer(t, dir, "one"), committer(t, dir, "two")];
  for (let round = 0; round < 40; round++) {
    const output = round.toString(16).padStart(64, "0");
    const kind = round % 2 === 0 ? "file" : "folder";
    const isSame = round % 4 < 2;
    await Promise.all(
      committers.map((one, i) => one.ask(`${output} ${kind} ${isSame ? "same" : `content-${i}`}`)),
    );
    const answers = (await Promise.all(committers.map((one) => one.ask("go")))).map((line) =>
      JSON.parse(line),
    );
    assert.notEqual(answers[0].location, answers[1].location, `round ${round}`);
    for (const { location, digest } of answers) assert.equal((await store.rehash(location))?.digest, digest);
  }
});

function committer(t: TestContext, dir: string, slot: string) {
  const script = fileURLToPath(new URL("committer.ts", import.meta.url));
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [script, dir, slot]);
  t.after(() => child.kill());
  child.stderr.pipe(process.stderr);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    const { value } = await lines.next();
    return String(value);
  };
  return { ask };
}

test("a full disk is told as such, leaves whole notes only, and work goes on once there is room", async (t) => {
  const disk = build(`${scratch(t)}/disk`, {});
  using mounted = mountSmall(t, disk);
  if (mounted === undefined) return;
  const dir = `${disk}/.alamode`;
  const store = await openFolderStore(dir);
  t.after(() => store.close());
  await store.appendReceipt("run", { a: "1" });
  const whole = readFileSync(`${dir}/receipts/run`);

  build(store.scratchDir, { "slot/OUTPUT/file": "x".repeat(300_000) });
  linkSync(`${store.scratchDir}/slot/OUTPUT/file`, `${store.scratchDir}/slot/other`);
  assert.throws(() => writeFileSync(`${disk}/filler`, Buffer.alloc(4_000_000)), { code: "ENOSPC" });
  await assert.rejects(store.appendReceipt("run", { a: "2".repeat(20_000) }), { code: "no-space" });
  assert.deepEqual(readFileSync(`${dir}/receipts/run`), whole);
  await assert.rejects(store.seal(`${store.scratchDir}/slot/OUTPUT`, {}), {
    code: "no-space",
    hint: /Free space/,
  });
  const source = build(scratch(t), { data: "y".repeat(10_000) });
  const sha256 = createHash("sha256").update("y".repeat(10_000)).digest("hex");
  await assert.rejects(store.keepSource(sha256, `${source}/data`), { code: "no-space" });
  assert.equal(await store.source(sha256), undefined);

  rmSync(`${disk}/filler`);
  await store.appendReceipt("run", { a: "3" });
  assert.equal([...readReceipts(`${dir}/receipts/run`)].length, 2);
  const tree = await store.seal(`${store.scratchDir}/slot/OUTPUT`, {});
  assert.equal((await store.commit(outputA, tree, underLease)).location, plainA);
});

/** Mounts a file system of 1 MiB at `place`; undefined, and the test skipped, where that is not possible. */
function mountSmall(t: TestContext, place: string): Disposable | undefined {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", place], { stdio: "pipe" });
  } catch {
    t.skip("mounting a small file system takes root on Linux");
    return undefined;
  }
  return { [Symbol.dispose]: () => void execFileSync("umount", ["-l", place]) };
}

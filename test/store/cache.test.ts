// The cache of fetched trees: what it holds, what it lets go, and that processes get on in it.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { TreeCache } from "../../src/store/cache.ts";
import { summed } from "../../src/store/hash.ts";
import { seal } from "../../src/store/seal.ts";
import type { StagedTree } from "../../src/store/types.ts";
import { build, scratch, textTree } from "./scratch.ts";

test("a cache where no folder can be made is told as such, at once", {
  skip: process.platform !== "linux",
}, async (t) => {
  await assert.rejects(use(t, "/proc/cache").stage("a"), { message: /opening the cache \/proc\/cache/ });
});

interface Used {
  readonly cache: TreeCache;
  readonly fetched: string[];
  /** Stages the lone file with that text. */
  stage(text: string, comes?: string): Promise<StagedTree>;
  has(text: string): boolean;
}

function use(t: TestContext, dir: string, capBytes = 1000): Used {
  const cache = new TreeCache({ dir, capBytes });
  t.after(() => cache.close());
  const fetched: string[] = [];
  return {
    cache,
    fetched,
    stage(text, comes = text) {
      const { digest, encoded } = summed(textTree(text));
      return cache.stage(digest, {
        encoded: async () => encoded,
        async fetch(_, path) {
          fetched.push(text);
          writeFileSync(path, comes);
        },
      });
    },
    has: (text) => cache.here(summed(textTree(text)).digest) !== undefined,
  };
}

test("what was fetched once is there, read-only; what comes with other bytes is not", async (t) => {
  const dir = scratch(t);
  const { stage, fetched } = use(t, dir);
  const staged = await stage("one");
  assert.equal(readFileSync(staged.path, "utf8"), "one");
  await stage("one");
  await use(t, dir).stage("one");
  assert.deepEqual(fetched, ["one"]);
  await assert.rejects(stage("two", "other"), { code: "output-damaged" });
  assert.equal(readFileSync((await stage("two")).path, "utf8"), "two");
});

test("past its cap those go first that were used longest ago, and never what is in use", async (t) => {
  const { stage, has } = use(t, scratch(t), 10);
  const held = await stage("1111");
  for (const text of ["2222", "3333", "4444"]) (await stage(text))[Symbol.dispose]();
  assert.deepEqual(["1111", "2222", "3333", "4444"].map(has), [true, false, false, true]);
  held[Symbol.dispose]();
  held[Symbol.dispose](); // twice is once
  (await stage("5555"))[Symbol.dispose]();
  assert.deepEqual(
    ["1111", "4444", "5555"].map(has),
    [true, false, true],
    "what was let go of last was used last",
  );
  const large = await stage("x".repeat(50));
  assert.ok(existsSync(large.path), "what does not fit is there as long as it is used");
  large[Symbol.dispose]();
  assert.ok(!existsSync(large.path));
});

test("a tree that was made here is taken in, unless it is too large", async (t) => {
  const dir = scratch(t);
  const { cache } = use(t, join(dir, "cache"), 10);
  const small = await seal(build(join(dir, "s"), { "sub/a": "1", run: { run: "#!" } }), {});
  await cache.give(small);
  const here = cache.here(small.digest)!;
  assert.equal(readFileSync(join(here, "sub/a"), "utf8"), "1");
  assert.ok(!existsSync(small.path));
  const large = await seal(build(join(dir, "l"), { a: "x".repeat(11) }), {});
  await cache.give(large);
  assert.equal(cache.here(large.digest), undefined);
  assert.ok(existsSync(large.path));
});

test("what was changed, or has lost its index, is fetched again", async (t) => {
  const dir = scratch(t);
  const { stage, fetched, cache } = use(t, dir);
  const first = await stage("one");
  chmodSync(first.path, 0o644);
  writeFileSync(first.path, "two");
  first[Symbol.dispose]();
  assert.equal(readFileSync((await stage("one")).path, "utf8"), "one");
  await cache.close();
  writeFileSync(
    join(dir, "cache.db"),
    "no database at all, and long enough to be looked at as one".repeat(20),
  );
  assert.equal(readFileSync((await stage("one")).path, "utf8"), "one");
  assert.deepEqual(fetched, ["one", "one", "one"]);
});

test("after a loss of power only bytes are believed", async (t) => {
  const dir = scratch(t);
  const { stage, fetched, cache } = use(t, dir);
  for (const text of ["one", "two"]) (await stage(text))[Symbol.dispose]();
  const { path } = await stage("two");
  await cache.close();
  const db = new DatabaseSync(join(dir, "cache.db"));
  db.exec("UPDATE trees SET boot = 'the boot before'");
  db.close();
  const { mtime, atime } = statSync(path);
  chmodSync(path, 0o644);
  writeFileSync(path, "\0\0\0");
  utimesSync(path, atime, mtime);
  chmodSync(path, 0o444);
  for (const text of ["one", "two"]) assert.equal(readFileSync((await stage(text)).path, "utf8"), text);
  assert.deepEqual(fetched, ["one", "two", "two"]);
});

/** A process that uses the cache, and what it says. */
class User {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(t: TestContext, dir: string, capBytes: number) {
    const module = join(import.meta.dirname, "cache-user.ts");
    this.#child = spawn(process.execPath, [module, dir, String(capBytes)], {
      stdio: ["pipe", "pipe", "inherit"],
    }) as never;
    t.after(() => this.#child.kill("SIGKILL"));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  say(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  async hear(): Promise<string> {
    return (await this.#lines.next()).value;
  }

  /** What it says up to the path, and the path. */
  async path(): Promise<{ path: string; fetched: boolean }> {
    const line = await this.hear();
    return line.startsWith("fetching")
      ? { path: await this.hear(), fetched: true }
      : { path: line, fetched: false };
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}

test("of many processes that want one tree, one fetches it", async (t) => {
  const dir = scratch(t);
  const users = Array.from({ length: 4 }, () => new User(t, dir, 1000));
  for (const user of users) user.say("wanted");
  const found = await Promise.all(users.map((user) => user.path()));
  assert.equal(found.filter(({ fetched }) => fetched).length, 1);
  assert.equal(new Set(found.map(({ path }) => path)).size, 1);
});

test("what another process uses stays, until that lets go of it or is killed", async (t) => {
  const dir = scratch(t);
  const [user, killed] = [new User(t, dir, 10), new User(t, dir, 10)];
  user.say("1111");
  const { path: kept } = await user.path();
  killed.say("2222");
  const { path: lost } = await killed.path();
  const { stage } = use(t, dir, 10);
  (await stage("3333"))[Symbol.dispose]();
  assert.deepEqual([existsSync(kept), existsSync(lost)], [true, true]);
  await killed.kill();
  (await stage("4444"))[Symbol.dispose]();
  assert.deepEqual([existsSync(kept), existsSync(lost)], [true, false]);
  user.say("let go");
  assert.equal(await user.hear(), "let go");
  (await stage("5555"))[Symbol.dispose]();
  (await stage("6666"))[Symbol.dispose]();
  assert.ok(!existsSync(kept));
});

test("what a killed process had half fetched goes with whoever uses the cache next, and what another fetches stays", async (t) => {
  const dir = scratch(t);
  const [user, killed] = [new User(t, dir, 1000), new User(t, dir, 1000)];
  killed.say("for ever");
  assert.equal(await killed.hear(), "fetching for ever");
  const filling = () => readdirSync(join(dir, "filling")).length;
  assert.equal(filling(), 1);
  await killed.kill();
  const useOnce = async (text: string) => {
    const { cache, stage } = use(t, dir);
    await stage(text);
    await cache.close();
  };
  await useOnce("one");
  assert.equal(filling(), 0);
  user.say("for ever");
  assert.equal(await user.hear(), "fetching for ever");
  await useOnce("two");
  assert.equal(filling(), 1);
});

// Trees that were fetched from afar, on this machine: verified when they came, shared by all processes here, and evicted when
// they come to too much and nobody uses them.
//   cache.db                        what there is: cache-index.ts
//   trees/<2 hex>/<tree digest>     a tree, read-only; beside it `<tree digest>.tree`, its canonical bencoding
//   filling/<process>-<random>      being fetched by that process, or on its way out
//   holders/<name>.db               locks of the processes that use it
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { AlamodeError, errnoOf } from "../errors.ts";
import { forgetLock, holdLock, isLockHeld } from "../process-lock.ts";
import { bootId } from "./boot.ts";
import { CacheFilling } from "./cache-filling.ts";
import { CacheIndex } from "./cache-index.ts";
import { closeModes, copyTree } from "./copy-tree.ts";
import { hashTree } from "./hash.ts";
import { removeTree } from "./remove.ts";
import { checkStamps, stampsOf } from "./stamps.ts";
import { systemError } from "./system-error.ts";
import { decodeTree, treeDigest } from "./tree.ts";
import { Turn } from "./turn.ts";
import type { Check, SealedTree, StagedTree, Tree, TreeDigest } from "./types.ts";

export interface CacheOptions {
  /** Absolute folder on a disk of this machine. */
  readonly dir: string;
  /** What nobody uses is evicted when all comes to more. */
  readonly capBytes: number;
}

/** How what is not there is come by. */
export interface Fetch {
  /** The tree's canonical bencoding. Throws `output-missing`. */
  encoded(signal?: AbortSignal): Promise<Uint8Array>;
  /** Makes the tree at `path`, where nothing lies; modes are set afterwards. */
  fetch(tree: Tree, path: string, signal?: AbortSignal): Promise<void>;
}

/** How often one looks whether another process has fetched what is wanted. */
const LOOK_MS = 100;
const SWEEP_EVERY_MS = 24 * 3_600_000;
/** How old what a killed process left must be before it is taken for rubbish. */
const RUBBISH_AGE_MS = 3_600_000;

export class TreeCache {
  readonly #dir: string;
  readonly #capBytes: number;
  readonly #me = randomBytes(8).toString("hex");
  readonly #boot = bootId();
  #opened: { readonly index: CacheIndex; readonly giveBack: () => void } | undefined;
  /** What this process is filling, for its own others who want the same. */
  readonly #fetching = new Map<TreeDigest, Promise<unknown>>();
  readonly #filling: CacheFilling;
  /** How often this process has staged each tree now. */
  readonly #staged = new Map<TreeDigest, number>();

  constructor({ dir, capBytes }: CacheOptions) {
    this.#dir = dir;
    this.#filling = new CacheFilling(dir, this.#me);
    this.#capBytes = capBytes;
  }

  /** The tree with that digest, fetched unless it is here; held until it is let go of. Throws `output-damaged`, and as `Fetch` does. */
  async stage(digest: TreeDigest, from: Fetch, signal?: AbortSignal): Promise<StagedTree> {
    for (;;) {
      signal?.throwIfAborted();
      const busy = this.#fetching.get(digest);
      if (busy !== undefined) {
        await busy.catch(() => {}); // whoever fills it is told why it failed; this one tries itself
        continue;
      }
      const filling = this.#stageOnce(digest, from, signal);
      this.#fetching.set(digest, filling);
      try {
        if (await filling) return this.#hold(digest);
      } finally {
        this.#fetching.delete(digest);
      }
      await wait(LOOK_MS, undefined, signal === undefined ? {} : { signal });
    }
  }

  /** Whether it is here and held now; false where another process is at it. */
  async #stageOnce(digest: TreeDigest, from: Fetch, signal?: AbortSignal): Promise<boolean> {
    const index = this.#index();
    let encoded: Uint8Array | undefined;
    let taken = index.take(digest, () => undefined);
    if (taken === undefined) {
      encoded = await from.encoded(signal);
      if (treeDigest(encoded) !== digest) throw damaged(digest);
      taken = index.take(digest, () => sizeOf(decodeTree(encoded!)));
    }
    switch (taken?.kind) {
      case "there":
        if (await this.#isWhole(digest, taken, signal)) return true;
        this.#drop(digest);
        index.letGo(digest);
        return this.#stageOnce(digest, from, signal);
      case "fill":
        await this.#fill(digest, encoded!, from, signal);
        return true;
      default:
        return false;
    }
  }

  /** Whether a tree of the cache is as it came. After a loss of power only its bytes tell. */
  async #isWhole(
    digest: TreeDigest,
    { stamps, boot }: { stamps: Uint8Array; boot: string },
    signal?: AbortSignal,
  ) {
    try {
      const path = this.#place(digest);
      const tree = this.#tree(digest);
      if (tree === undefined || !existsSync(path)) return false;
      if (boot === this.#boot)
        return (await checkStamps(path, tree, stamps, new Turn(signal))).kind === "intact";
      if ((await hashTree(path, signal)).digest !== digest) return false;
      this.#index().filled(digest, {
        stamps: await stampsOf(path, tree, new Turn(signal)),
        boot: this.#boot,
        used: false,
      });
      return true;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof AlamodeError || errnoOf(error) !== undefined) return false;
      throw error;
    }
  }

  async #fill(digest: TreeDigest, encoded: Uint8Array, from: Fetch, signal?: AbortSignal): Promise<void> {
    const tree = decodeTree(encoded);
    const index = this.#index();
    try {
      this.#shrink();
      for (let attempt = 1; ; attempt++) {
        const folder = this.#filling.fresh();
        mkdirSync(folder);
        try {
          const path = join(folder, "TREE");
          await from.fetch(tree, path, signal);
          closeModes(path, tree);
          if ((await hashTree(path, signal)).digest !== digest) throw damaged(digest);
          await this.#moveIn(path, digest, tree, encoded, true);
          return;
        } catch (error) {
          // A full disk: all that nobody uses makes way, once.
          if (attempt > 1 || !["ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? "")) throw error;
          this.#shrink(0);
        } finally {
          await removeTree(folder);
        }
      }
    } catch (error) {
      index.forget(digest);
      throw systemError(error, "fetching an output");
    }
  }

  /** Moves a whole tree that nobody changes any more to its place. */
  async #moveIn(
    path: string,
    digest: TreeDigest,
    tree: Tree,
    encoded: Uint8Array,
    used: boolean,
  ): Promise<void> {
    const place = this.#place(digest);
    mkdirSync(dirname(place), { recursive: true });
    if (existsSync(place)) this.#moveOut(digest); // of an index that was lost
    writeFileSync(`${place}.tree`, encoded);
    if (!tree.has("")) chmodSync(path, 0o755); // to change its parent it has to be writable
    renameSync(path, place);
    if (!tree.has("")) chmodSync(place, 0o555);
    const stamps = await stampsOf(place, tree, new Turn());
    this.#index().filled(digest, { stamps, boot: this.#boot, used });
  }

  /**
   * Takes in a tree that was made here and lies elsewhere now too: nobody on this machine will have to fetch it. It is moved, where that is
   * possible. Whether it works does not matter: then it is fetched when it is read.
   */
  async give(sealed: SealedTree): Promise<void> {
    const { digest, tree, encoded, sizeBytes } = sealed;
    if (sizeBytes > this.#capBytes || this.#fetching.has(digest)) return;
    const giving = (async () => {
      const taken = this.#index().take(digest, () => sizeBytes);
      if (taken?.kind === "there") this.#index().letGo(digest);
      if (taken?.kind !== "fill") return;
      const folder = this.#filling.fresh();
      try {
        mkdirSync(folder);
        const path = await moved(sealed, join(folder, "TREE"));
        await this.#moveIn(path, digest, tree, encoded, false);
      } catch (error) {
        this.#index().forget(digest);
        if (errnoOf(error) === undefined && !(error instanceof AlamodeError)) throw error;
      } finally {
        await removeTree(folder);
      }
    })();
    this.#fetching.set(digest, giving);
    try {
      await giving;
      this.#shrink();
    } finally {
      this.#fetching.delete(digest);
    }
  }

  /** Where the tree lies, if it is here. It may be evicted at any time. */
  here(digest: TreeDigest): string | undefined {
    if (!existsSync(join(this.#dir, "cache.db"))) return undefined;
    return this.#index().stamps(digest) && existsSync(this.#place(digest)) ? this.#place(digest) : undefined;
  }

  /** Compares what is staged with what came; undefined for what this process has not staged. What was changed is fetched anew. */
  async check(digest: TreeDigest): Promise<Check | undefined> {
    if (!this.#staged.has(digest)) return undefined;
    const stamps = this.#index().stamps(digest);
    const tree = this.#tree(digest);
    const check: Check =
      stamps === undefined || tree === undefined
        ? { kind: "missing" }
        : await checkStamps(this.#place(digest), tree, stamps, new Turn());
    if (check.kind === "intact") return check;
    this.#drop(digest);
    return check.kind === "missing"
      ? { kind: "damaged", path: "", how: "was removed while it was read", copy: true }
      : { ...check, copy: true };
  }

  /** What this process used is let go of. */
  async close(): Promise<void> {
    if (this.#opened === undefined) return;
    const { index, giveBack } = this.#opened;
    if (isOld(join(this.#dir, "swept"), SWEEP_EVERY_MS)) await this.#sweep(index);
    index.close();
    giveBack();
    this.#opened = undefined;
    await this.#filling.settled();
  }

  #hold(digest: TreeDigest): StagedTree {
    this.#staged.set(digest, (this.#staged.get(digest) ?? 0) + 1);
    let held = true;
    return {
      path: this.#place(digest),
      [Symbol.dispose]: () => {
        if (!held || this.#opened === undefined) return;
        held = false;
        const left = this.#staged.get(digest)! - 1;
        if (left === 0) this.#staged.delete(digest);
        else this.#staged.set(digest, left);
        this.#index().letGo(digest);
        this.#shrink();
      },
    };
  }

  /** What is no longer as it came: moved out of the way, for those who still read it too. */
  #drop(digest: TreeDigest): void {
    this.#index().forget(digest);
    this.#moveOut(digest);
  }

  #shrink(capBytes = this.#capBytes): void {
    this.#index().shrink(capBytes, (digest) => this.#moveOut(digest));
  }

  #moveOut(digest: TreeDigest): void {
    const place = this.#place(digest);
    rmSync(`${place}.tree`, { force: true });
    const stats = lstatSync(place, { throwIfNoEntry: false });
    if (stats === undefined) return;
    if (stats.isDirectory()) chmodSync(place, 0o755);
    const out = this.#filling.fresh();
    renameSync(place, out);
    this.#filling.remove(out);
  }

  #index(): CacheIndex {
    if (this.#opened === undefined) {
      const holders = join(this.#dir, "holders");
      try {
        const giveBack = holdLock(holders, this.#me);
        this.#opened = { index: new CacheIndex(this.#dir, holders, this.#me), giveBack };
        this.#filling.sweep(holders);
      } catch (error) {
        throw systemError(error, `opening the cache ${this.#dir}`);
      }
    }
    return this.#opened.index;
  }

  /** Removes what killed processes left: their locks, what they had half fetched, and trees that no index knows any more. */
  async #sweep(index: CacheIndex): Promise<void> {
    const [holders, filling, trees] = ["holders", "filling", "trees"].map((name) => join(this.#dir, name));
    try {
      writeFileSync(join(this.#dir, "swept"), "");
      const names = readdirSync(holders!).flatMap((name) => /^([0-9a-f]{16})\.db$/.exec(name)?.[1] ?? []);
      const others = names.filter((name) => name !== this.#me);
      if (others.some((name) => isLockHeld(holders!, name))) return;
      for (const name of others) if (isOld(join(holders!, `${name}.db`))) forgetLock(holders!, name);
      for (const name of readdirSync(filling!))
        if (isOld(join(filling!, name))) await removeTree(join(filling!, name));
      const known = index.digests();
      for (const folder of readdirSync(trees!)) {
        for (const name of readdirSync(join(trees!, folder))) {
          const digest = name.slice(0, 64) as TreeDigest;
          if (!known.has(digest) && existsSync(this.#place(digest))) this.#moveOut(digest);
        }
      }
    } catch (error) {
      if (errnoOf(error) === undefined) throw error; // another process sweeps at this moment, or there is nothing yet
    }
  }

  #tree(digest: TreeDigest): Tree | undefined {
    try {
      const encoded = readFileSync(`${this.#place(digest)}.tree`);
      return treeDigest(encoded) === digest ? decodeTree(encoded) : undefined;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  #place(digest: TreeDigest): string {
    return join(this.#dir, "trees", digest.slice(0, 2), digest);
  }
}

function isOld(path: string, afterMs = RUBBISH_AGE_MS): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined || Date.now() - stats.mtimeMs > afterMs;
}

function sizeOf(tree: Tree): number {
  let sizeBytes = 0;
  for (const entry of tree.values()) if (entry.kind === "file") sizeBytes += entry.size;
  return sizeBytes;
}

/** Moves it to `to`; copies it there from another file system. */
async function moved({ path, tree, digest }: SealedTree, to: string): Promise<string> {
  try {
    renameSync(path, to);
  } catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
    await copyTree(path, to);
    closeModes(to, tree);
    if ((await hashTree(to)).digest !== digest) throw damaged(digest);
  }
  return to;
}

function damaged(digest: TreeDigest): AlamodeError {
  return new AlamodeError("output-damaged", `what was fetched is not the tree ${digest.slice(0, 8)}`, {
    facts: { tree: digest },
    hint: "Its bytes in the store were changed. Run the pipeline that makes it.",
  });
}

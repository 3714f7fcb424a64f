// The folder `filling` of a cache: what is being fetched, and what is on its way out, each named after the process that does it.
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isLockHeld } from "../process-lock.ts";
import { removeTree } from "./remove.ts";

export class CacheFilling {
  readonly #dir: string;
  readonly #me: string;
  readonly #removing = new Set<Promise<void>>();

  /** `dir` is the cache's. `me`: the name of this process's lock, which it holds before it asks for anything here. */
  constructor(dir: string, me: string) {
    this.#dir = join(dir, "filling");
    this.#me = me;
  }

  /** A path at which nothing lies. */
  fresh(): string {
    mkdirSync(this.#dir, { recursive: true });
    return join(this.#dir, `${this.#me}-${randomBytes(8).toString("hex")}`);
  }

  /** Removes what lies at such a path, while other work goes on. What cannot be removed is swept one day. */
  remove(path: string): void {
    const removing = removeTree(path)
      .catch(() => {})
      .finally(() => this.#removing.delete(removing));
    this.#removing.add(removing);
  }

  /** Removes what killed processes left, whose locks were in the folder `holders`. */
  sweep(holders: string): void {
    mkdirSync(this.#dir, { recursive: true });
    const dead = new Map<string, boolean>([[this.#me, false]]);
    for (const name of readdirSync(this.#dir)) {
      const [, maker] = /^([0-9a-f]{16})-/.exec(name) ?? [];
      if (maker === undefined) continue;
      if (!dead.has(maker)) dead.set(maker, !isLockHeld(holders, maker));
      if (dead.get(maker)) this.remove(join(this.#dir, name));
    }
  }

  /** Resolves when all that was to be removed is gone. */
  async settled(): Promise<void> {
    await Promise.all(this.#removing);
  }
}

// Tells by a folder's times that nothing came into it or went since it was found as it should be: one call, where listing it takes
// five. Its ctime is what counts: no call sets it. A time says so only if it is older than the last look by more than the clock's
// tick that file systems write times by, for what happens within one tick has one time.
import type { BigIntStats } from "node:fs";
import { performance } from "node:perf_hooks";

/** Kernels tick every 1 to 10 ms. */
const TICK_MS = 50;
/** Of file systems that write whole seconds, or every other one. */
const COARSE_TICK_MS = 2_500;
const SECOND_NS = 1_000_000_000n;

type Times = Pick<BigIntStats, "ino" | "mtimeNs" | "ctimeNs">;

interface Look extends Times {
  /** When these times were first seen. */
  readonly atMs: number;
  /** Whether they were old when it was last looked into: then a change since would have given others. */
  readonly isSure: boolean;
}

export class Untouched {
  readonly #looks = new Map<string, Look>();
  readonly #now: () => number;

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** Whether the folder is surely as it was when `note` was last called for it. */
  holds(path: string, stats: Times): boolean {
    const look = this.#looks.get(path);
    return look?.isSure === true && isSame(look, stats);
  }

  /** The folder is as it should be; `stats` were taken before it was looked into. */
  note(path: string, { ino, mtimeNs, ctimeNs }: Times): void {
    const now = this.#now();
    const before = this.#looks.get(path);
    const atMs = before && isSame(before, { ino, mtimeNs, ctimeNs }) ? before.atMs : now;
    const tickMs = ctimeNs % SECOND_NS === 0n ? COARSE_TICK_MS : TICK_MS;
    this.#looks.set(path, { ino, mtimeNs, ctimeNs, atMs, isSure: now - atMs > tickMs });
  }
}

function isSame(one: Times, other: Times): boolean {
  return one.ctimeNs === other.ctimeNs && one.mtimeNs === other.mtimeNs && one.ino === other.ino;
}

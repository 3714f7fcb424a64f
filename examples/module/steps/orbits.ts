import { writeFile } from "node:fs/promises";
import type { TaskCall } from "a-la-mode";
import { type Orbit, orbit } from "./logistic.ts";

interface Strip {
  readonly from: number;
  readonly to: number;
  /** How many growth rates, evenly spread. */
  readonly rates: number;
  readonly skip: number;
  readonly keep: number;
}

/** The orbits of a strip of growth rates, as JSON. */
export async function orbits({ output, args, log, signal }: TaskCall<Strip>): Promise<void> {
  const { from, to, rates, skip, keep } = args;
  const found: Orbit[] = [];
  for (let n = 0; n < rates; n++) {
    signal.throwIfAborted();
    found.push(orbit(Number((from + ((to - from) * n) / rates).toFixed(6)), skip, keep));
  }
  await writeFile(output, JSON.stringify(found));
  log("%d rates from %d to %d", rates, from, to);
}

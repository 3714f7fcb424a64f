// Gives memory back before a long run begins. What it took to load a plan, to decide and to note it is garbage by then, and V8, which has
// plenty of memory to go on with, would look for it minutes later: of 100,000 tasks it held 210 MB for 76 that are in use.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Of fewer tasks there is little to give back. */
const LARGE_TASKS = 20_000;

type Collect = (how: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;
let collect: Collect | undefined;

/** To be called where a run of so many tasks begins, or its next part: for 100,000 it takes a quarter of a second, of some five minutes. */
export function spareMemory(tasks: number): void {
  if (tasks < LARGE_TASKS) return;
  collect ??= exposed();
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** V8 shows it to contexts that are made while it is asked to; the program's own has it no more than before. */
function exposed(): Collect {
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc");
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}

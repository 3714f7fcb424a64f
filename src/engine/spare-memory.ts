// Keeps the process small while many tasks run. V8 lets memory grow as long as there is any: a run of 100,000 tasks of which 76 MB are in
// use came to 190 MB of heap on Node.js 26, and more on 24. All that is said to V8 here holds until the run has ended.
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Of fewer tasks there is little to spare. */
const LARGE_TASKS = 20_000;
/** Half of what objects begin in: V8's own would be 32 MB and more. A step makes 0.25 MB of garbage, so this is full every 30 steps. */
const YOUNG_BYTES = 8_000_000;
/** By how many percent the rest may grow before V8 looks for garbage again. */
const GROWTH_PERCENT = 20;

type Collect = (how: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;
let collect: Collect | undefined;

export class SpareMemory implements Disposable {
  readonly #isLarge: boolean;

  constructor(tasks: number) {
    this.#isLarge = tasks >= LARGE_TASKS;
    if (this.#isLarge) setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
    this.giveBack();
  }

  /** To be called where much has become garbage: of 100,000 tasks it takes a quarter of a second, of the run's five minutes. */
  giveBack(): void {
    if (!this.#isLarge) return;
    collect ??= exposed();
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    growYoung();
  }

  [Symbol.dispose](): void {
    if (!this.#isLarge) return;
    setFlagsFromString("--heap-growing-percent=0");
    setFlagsFromString("--semi-space-growth-factor=2");
  }
}

/** Lets what objects begin in grow so far, by what it grows by, and then no further: V8 takes its size only when it starts. */
function growYoung(): void {
  setFlagsFromString("--semi-space-growth-factor=2");
  const held: unknown[] = [];
  for (let n = 0; n < MOST_HELD && youngBytes() < YOUNG_BYTES; n++) held.push(new Array(1000).fill(0));
  setFlagsFromString("--semi-space-growth-factor=1");
}

/** Of 8 kB each. It takes 800 at most. */
const MOST_HELD = 4000;

function youngBytes(): number {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
  return young === undefined ? 0 : young.space_used_size + young.space_available_size;
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

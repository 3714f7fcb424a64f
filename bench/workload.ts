// The three graphs that everything is measured on. Each task adds up the numbers in its inputs and one of its own, and writes
// the sum to a file, in builtins of the shell alone: so that what is measured is the tool and not `cat`.

export const SHAPES = ["wide", "chain", "layered"] as const;
export type Shape = (typeof SHAPES)[number];

export interface BenchTask {
  readonly name: string;
  /** Positions in `Workload.tasks`, all before its own. */
  readonly inputs: readonly number[];
  readonly salt: number;
}

export interface Workload {
  readonly shape: Shape;
  readonly tasks: readonly BenchTask[];
  /** The task that the phase `changed` changes. */
  readonly middle: number;
}

const LAYER = 100;
const INPUTS_IN_LAYERS = 3;
const MODULUS = 1_000_003;
/** More inputs than this are named by a pattern: a command line holds 128 KiB at most. */
const MOST_NAMED = 100;

/** wide: 1 → n → 1; chain: n; layered: width 100, each on 3 random tasks of the layer before. The same each time. */
export function workload(shape: Shape, n: number): Workload {
  const tasks: BenchTask[] = [];
  const random = generator(n);
  const add = (inputs: readonly number[], letter = "t") => {
    const at = tasks.length;
    tasks.push({ name: `${letter}${String(at).padStart(7, "0")}`, inputs, salt: (at * 7919) % MODULUS });
  };
  if (shape === "wide") {
    add([], "root");
    for (let i = 1; i <= n; i++) add([0]);
    add(
      Array.from({ length: n }, (_, i) => i + 1), // named by a pattern, which must mean these alone
      "sum",
    );
  } else if (shape === "chain") {
    for (let i = 0; i < n; i++) add(i === 0 ? [] : [i - 1]);
  } else {
    for (let i = 0; i < n; i++) {
      const before = Math.floor(i / LAYER - 1) * LAYER;
      const inputs = new Set<number>();
      while (before >= 0 && inputs.size < INPUTS_IN_LAYERS) inputs.add(before + Math.floor(random() * LAYER));
      add([...inputs].sort((a, b) => a - b));
    }
  }
  return { shape, tasks, middle: Math.floor(tasks.length / 2) };
}

/** The workload with another number in its middle task. */
export function changed(before: Workload, round: number): Workload {
  const tasks = before.tasks.map((task, i) =>
    i === before.middle ? { ...task, salt: task.salt + round } : task,
  );
  return { ...before, tasks };
}

/** What each task has to write. */
export function expected({ tasks }: Workload): readonly number[] {
  const values: number[] = [];
  for (const { inputs, salt } of tasks)
    values.push(inputs.reduce((sum, input) => (sum + values[input]!) % MODULUS, salt));
  return values;
}

/**
 * The task as text for a shell. `from` is the folder of its inputs, each under its task's name; `salt` is a file to read its
 * number from, for tools that do not notice a changed command.
 */
export function script(
  { tasks }: Workload,
  { inputs, salt }: BenchTask,
  { from, to, saltFile }: { from: string; to: string; saltFile?: string },
): string {
  const begin = saltFile === undefined ? `x=${salt}` : `read -r x <${saltFile}`;
  if (inputs.length === 0) return `${begin}; echo $x >${to}`;
  const names =
    inputs.length > MOST_NAMED
      ? `${from}/t*`
      : inputs.map((input) => `${from}/${tasks[input]!.name}`).join(" ");
  return `${begin}; for f in ${names}; do read -r n <$f; x=$(((x+n)%${MODULUS})); done; echo $x >${to}`;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Random histories of a pipeline: what its author, the runs and misfortune do to it, as data that fast-check can shrink.
import fc from "fast-check";
import { type Edit, kindOf, type Sketch } from "./sketch.ts";

export interface RunCommand {
  readonly do: "run";
  /** One bit for each task of the sketch; 0: what nothing depends on. */
  readonly goals: number;
  /** With `goals`: run them although they are done. */
  readonly force: boolean;
  readonly keepGoing: boolean;
  readonly jobs: number;
  /** What planted tasks write in this run. */
  readonly tick: number;
  /** At which event it is killed; undefined: it is not. */
  readonly killAt?: number;
}

/** A run in another process, which gets SIGKILL when that many of its tasks have begun. */
export interface SlainCommand {
  readonly do: "slay";
  readonly afterStarts: number;
  readonly tick: number;
}

/**
 * To the bytes at one location (modulo how many there are): they go; change for all to see; change behind everybody's
 * back, which a verification of the store then sees; or only look younger.
 */
export interface Misfortune {
  readonly do: "delete" | "damage" | "rot" | "touch";
  readonly which: number;
}

export type Command = ({ readonly do: "edit" } & Edit) | RunCommand | SlainCommand | Misfortune;

export interface History {
  readonly sketch: Sketch;
  readonly commands: readonly Command[];
}

const sketch = fc
  .array(
    fc.record({
      kind: fc.nat(6).map(kindOf),
      salt: fc.nat(1),
      comment: fc.nat(1),
      after: fc.array(fc.nat(100), { maxLength: 3 }),
    }),
    { minLength: 3, maxLength: 8 },
  )
  .map((tasks) =>
    tasks.map((task, place) => ({
      ...task,
      name: "abcdefgh"[place]!,
      // What fails from the beginning hides everything below it: that comes by edits.
      kind: task.kind === "broken" ? ("all" as const) : task.kind,
      after: place === 0 ? [] : [...new Set(task.after.map((other) => other % place))],
    })),
  );

const edit = fc.record({
  do: fc.constant("edit" as const),
  task: fc.nat(7),
  what: fc.constantFrom("salt", "comment", "comment", "kind", "dependency", "name"),
  value: fc.nat(20),
});

const tick = fc.nat(2);

const run = fc.record({
  do: fc.constant("run" as const),
  goals: fc.oneof(fc.constant(0), fc.nat(255)),
  force: fc.oneof({ arbitrary: fc.constant(false), weight: 4 }, fc.constant(true)),
  keepGoing: fc.boolean(),
  jobs: fc.integer({ min: 1, max: 2 }),
  tick,
});

const killed = fc
  .record({ run, killAt: fc.nat(20) })
  .map(({ run, killAt }): RunCommand => ({ ...run, killAt }));

const slain = fc.record({
  do: fc.constant("slay" as const),
  afterStarts: fc.integer({ min: 1, max: 4 }),
  tick,
});

const misfortune = fc.record({
  do: fc.constantFrom("delete", "delete", "delete", "damage", "damage", "rot", "touch"),
  which: fc.nat(30),
});

/** `slain`: whether runs in processes of their own are among them, which take long to start. */
export function histories(options: { readonly slain: boolean }): fc.Arbitrary<History> {
  const command: fc.Arbitrary<Command> = fc.oneof(
    { arbitrary: edit, weight: 6 },
    { arbitrary: misfortune, weight: 5 },
    { arbitrary: run, weight: 8 },
    { arbitrary: killed, weight: 1 },
    { arbitrary: slain, weight: options.slain ? 4 : 0 },
  );
  return fc.record({ sketch, commands: fc.array(command, { minLength: 4, maxLength: 16 }) });
}

// Random pipelines whose commands a test can work out by itself: small shell scripts, each a function of its spec and of
// its inputs' bytes, except planted ones, which also write what the caller passes to them.
import { Dag } from "../../src/plan/dag.ts";
import type { Plan } from "../../src/plan/types.ts";

/**
 * What a task makes of its inputs, which are joined in the order of their names. `prefix` and `nothing` ignore some or all
 * of it, so that early cut-off has something to do; `planted` is not deterministic; `broken` fails.
 */
export type Kind = "all" | "prefix" | "nothing" | "planted" | "broken";

export interface SketchTask {
  readonly name: string;
  readonly kind: Kind;
  /** Goes into the bytes. */
  readonly salt: number;
  /** Goes into the spec only. */
  readonly comment: number;
  /** Places of earlier tasks. */
  readonly after: readonly number[];
}

/** Tasks, each after those it depends on. */
export type Sketch = readonly SketchTask[];

/** The variable of the caller that planted tasks write. */
export const TICK = "TICK";

const PREFIX_BYTES = 3;

export function commandOf({ kind, salt, comment, after }: SketchTask): string {
  const inputs = after.length === 0 ? ":" : "cat inputs/*";
  const scripts: Record<Kind, string> = {
    all: `{ echo ${salt}; ${inputs}; } > $OUTPUT`,
    prefix: `{ echo ${salt}; { ${inputs}; } | head -c ${PREFIX_BYTES}; } > $OUTPUT`,
    nothing: `echo ${salt} > $OUTPUT`,
    planted: `{ echo "${salt} planted $${TICK}"; ${inputs}; } > $OUTPUT`,
    broken: `exit ${salt + 1}`,
  };
  return `${scripts[kind]} # ${comment}`;
}

/** What the command makes; `joined` are its inputs' bytes. */
export function meaning({ kind, salt }: SketchTask, joined: string, tick: string): string {
  switch (kind) {
    case "all":
      return `${salt}\n${joined}`;
    case "prefix":
      return `${salt}\n${joined.slice(0, PREFIX_BYTES)}`;
    case "nothing":
      return `${salt}\n`;
    case "planted":
      return `${salt} planted ${tick}\n${joined}`;
    case "broken":
      throw new Error("what fails makes nothing");
    default:
      return kind satisfies never;
  }
}

export function planOfSketch(sketch: Sketch): Plan {
  const dag = new Dag();
  for (const task of sketch) {
    const options = task.kind === "planted" ? { pass: [TICK] } : {};
    const made = dag.task(task.name, { command: commandOf(task) }, options);
    for (const [n, other] of task.after.entries()) {
      const { name } = sketch[other]!;
      // Under the same dependency name, tasks of different inputs can come to read the same.
      made.after({ [task.kind === "all" ? name : `in${n}`]: dag.tasks[name]! });
    }
  }
  return dag.encode();
}

/** An author's change. Numbers are taken modulo what there is. */
export interface Edit {
  readonly task: number;
  readonly what: "salt" | "comment" | "kind" | "dependency" | "name";
  readonly value: number;
}

const KINDS: readonly Kind[] = ["all", "prefix", "nothing", "planted", "all", "prefix", "broken"];
const NAMES = "abcdefghijklmnopq";

export function kindOf(value: number): Kind {
  return KINDS[value % KINDS.length]!;
}

export function edited(sketch: Sketch, { task, what, value }: Edit): Sketch {
  const place = task % sketch.length;
  const before = sketch[place]!;
  const change = (): Partial<SketchTask> => {
    switch (what) {
      case "salt":
        return { salt: value % 3 };
      case "comment":
        return { comment: value % 3 };
      case "kind":
        return { kind: kindOf(value) };
      case "name": {
        const name = NAMES[value % NAMES.length]!;
        return sketch.some((other) => other.name === name) ? {} : { name };
      }
      case "dependency": {
        if (place === 0) return {};
        const other = value % place;
        const without = before.after.filter((dependency) => dependency !== other);
        return { after: without.length < before.after.length ? without : [...without, other] };
      }
      default:
        return what satisfies never;
    }
  };
  return sketch.with(place, { ...before, ...change() });
}

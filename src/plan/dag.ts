// The pipeline as an author writes it. It becomes data (a plan) by encode.ts; it knows nothing of running.
import { isPlainObject } from "../bencode/encode.ts";
import type { Bmap } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import { withCompanions } from "./companion.ts";
import { bencodeDag, encodeDag } from "./encode.ts";
import { refuseReserved } from "./reserved.ts";
import { saveDag } from "./save.ts";
import { specWarnings } from "./spec-warnings.ts";
import { type MutableSpec, Task } from "./task.ts";
import { taskNamed, tasksByName } from "./task-names.ts";
import type { Options, Plan, Spec } from "./types.ts";

/** Marks dags, so that two copies of this package in one process know each other's. */
export const DAG = Symbol.for("a-la-mode.dag");

/** What a dag holds, for whoever encodes it. */
export interface DagContent {
  readonly meta: Bmap;
  readonly tasks: ReadonlyMap<string, Task>;
}

class DagMethods {
  /** `tasks` has what comes along with the specs, too: each look at it walks all tasks, so it is looked at once. */
  readonly [DAG]: DagContent & { readonly described: Map<string, Task> };
  /** What the pipeline wants that changes no result. Live, as specs are. */
  meta: { -readonly [key in keyof Bmap]: Bmap[key] };
  /** Every task by its name. An unknown name throws `unknown-task`, listing near ones. */
  readonly tasks: { readonly [name: string]: Task };

  constructor(meta: Bmap = {}) {
    const tasks = new Map<string, Task>();
    const dag = this;
    this.meta = meta;
    this.tasks = tasksByName(tasks);
    this[DAG] = {
      get meta() {
        return dag.meta;
      },
      get tasks() {
        return withCompanions(tasks);
      },
      described: tasks,
    };
    // biome-ignore lint/correctness/noConstructorReturn: `dag.blur` is the task, wherever no method has that name.
    return new Proxy(this, {
      get: (target, name, receiver) =>
        name in target ? Reflect.get(target, name, receiver) : taskNamed(tasks, name),
    });
  }

  /**
   * Adds a task. Its spec may be changed until the dag is encoded; options say how to run it and change no ID.
   * Throws `duplicate-task`, `reserved-key` (`inputs`, `output`), `bad-name`, `not-encodable`.
   */
  task(name: string, spec: Spec, options?: Options): Task {
    const tasks = this[DAG].described;
    if (typeof name !== "string" || !name.isWellFormed()) {
      throw new AlamodeError(
        "bad-name",
        `a task's name is well-formed text, and this is ${JSON.stringify(name)}.`,
      );
    }
    if (tasks.has(name)) {
      throw new AlamodeError("duplicate-task", `this pipeline already has a task "${name}".`, {
        hint: "Give each task a name of its own.",
      });
    }
    refuseNonMap(spec, `task "${name}", spec`);
    if (options !== undefined) refuseNonMap(options, `task "${name}", options`);
    refuseReserved(name, spec);
    const task = new Task(name, spec as MutableSpec, options);
    tasks.set(name, task);
    return task;
  }

  /** The plan: every ID computed. Throws `not-encodable`, `reserved-key`, `cycle`. */
  encode(): Plan {
    return encodeDag({ ...this[DAG] });
  }

  /** The plan file's bytes. Throws as `encode` does. */
  bencode(): Uint8Array {
    return bencodeDag({ ...this[DAG] });
  }

  /** Writes the plan file, all of it or nothing, and keeps the files its specs name by `files(…)` in the store's sources. */
  async save(path: string): Promise<void> {
    await saveDag({ ...this[DAG] }, path);
  }

  /** What is probably not meant: spec keys that are nearly a known one. One line each. */
  warnings(): string[] {
    return specWarnings([...this[DAG].tasks.values()].map((task) => [task.name, task.spec]));
  }
}

/** A pipeline. `dag.blur` is the task `blur`, as `dag.tasks.blur` is, unless a method has that name. */
export type Dag = DagMethods & { readonly [name: string]: Task };

export const Dag = DagMethods as unknown as new (meta?: Bmap) => Dag;

/** Whether `value` is a dag, made by this copy of the package or another. */
export function isDag(value: unknown): value is Dag {
  return typeof value === "object" && value !== null && DAG in value;
}

function refuseNonMap(value: unknown, at: string): void {
  if (isPlainObject(value)) return;
  throw new AlamodeError("not-encodable", `${at}: a map is needed.`, {
    hint:
      value instanceof Promise
        ? "It is not there yet: write await before it, as in  await source('s3://…')."
        : "Write it as { command: 'make' }.",
  });
}

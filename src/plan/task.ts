// A task as an author writes it, and the ways to say what depends on what.
import { AlamodeError } from "../errors.ts";
import { needsOf } from "./needs.ts";
import type { Options, Spec } from "./types.ts";

/** Marks tasks, so that two copies of this package in one process know each other's. */
const TASK = Symbol.for("a-la-mode.task");

/** A spec, or options, that may still be changed. */
export type MutableSpec = { -readonly [key in keyof Spec]: Spec[key] };

/** Made by `dag.task`. */
export class Task {
  readonly name: string;
  /** All of it is hashed. Live: what it holds when the dag is encoded counts. */
  spec: MutableSpec;
  /** Those that were said; what the spec needs comes on top. */
  readonly #said = new Map<string, Task>();
  #options: MutableSpec | undefined;

  constructor(name: string, spec: MutableSpec, options?: Options) {
    this.name = name;
    this.spec = spec;
    this.#options = options;
    void this.dependencies; // throws where the spec needs what cannot be
  }

  /**
   * Dependency name → what it stands for: what was said by `after`, and what the spec needs as it is now. Dependency names
   * are hashed. Throws `duplicate-dependency`.
   */
  get dependencies(): ReadonlyMap<string, Task> {
    const needs = needsOf(this.spec);
    if (needs.length === 0) return this.#said;
    const all = new Map(this.#said);
    for (const [name, task] of needs) {
      this.#refuseAnother(all, name, task);
      all.set(name, task);
    }
    return all;
  }

  get [TASK](): true {
    return true;
  }

  /** How to run it; changes no ID. Live, too. */
  get options(): MutableSpec {
    this.#options ??= {};
    return this.#options;
  }

  get hasOptions(): boolean {
    return this.#options !== undefined && Object.keys(this.#options).length > 0;
  }

  /**
   * Depends on `other`, which may be a task of another dag, under its name or the one given.
   * Throws `duplicate-dependency` where another task has that dependency name already.
   */
  addDep(other: Task, name: string = other.name): this {
    if (!isTask(other)) {
      throw new AlamodeError(
        "not-a-task",
        `task "${this.name}" can only depend on tasks, and this is ${kindOf(other)}.`,
        {
          hint: "Pass what dag.task(…) returned, or dag.tasks.NAME.",
        },
      );
    }
    this.#refuseAnother(this.dependencies, name, other);
    this.#said.set(name, other);
    return this;
  }

  #refuseAnother(among: ReadonlyMap<string, Task>, name: string, task: Task): void {
    const present = among.get(name);
    if (present === undefined || present === task) return;
    throw new AlamodeError(
      "duplicate-dependency",
      `task "${this.name}" already depends on another task under the name "${name}".`,
      { hint: `Give one of them a name of its own: task.after({ ${JSON.stringify(`${name}2`)}: other }).` },
    );
  }

  /** Depends on tasks by their own names, and on those of a map by its keys: `after(raw)`, `after({ model: fit })`. */
  after(...others: (Task | { readonly [name: string]: Task })[]): this {
    for (const other of others) {
      if (isTask(other) || !isMapOfTasks(other)) this.addDep(other as Task);
      else for (const name of Object.keys(other)) this.addDep(other[name]!, name);
    }
    return this;
  }
}

export function isTask(value: unknown): value is Task {
  return typeof value === "object" && value !== null && (value as { [TASK]?: unknown })[TASK] === true;
}

/** Each depends on the one before; a list stands for all in it. Returns the last, so that more can follow it. */
export function chain<Last extends Task | readonly Task[]>(
  ...links: readonly [...(Task | readonly Task[])[], Last]
): Last;
export function chain(...tasks: readonly Task[]): Task;
export function chain(...links: readonly (Task | readonly Task[])[]): Task | readonly Task[] {
  let before: readonly Task[] = [];
  for (const link of links) {
    const tasks = isTask(link) ? [link] : link;
    for (const task of tasks) for (const earlier of before) task.addDep(earlier);
    before = tasks;
  }
  return links.at(-1) ?? [];
}

function isMapOfTasks(value: unknown): value is { readonly [name: string]: Task } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "a list (spread it: after(...list))";
  return typeof value === "string" ? `the text "${value}"` : `of type ${typeof value}`;
}

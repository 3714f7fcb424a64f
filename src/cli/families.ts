// Task families: `align/S07` belongs to `align/…`. Which of them are told as one line, so that a run fits the screen, and
// how far each has come. No clock, no terminal.

/** `align/S07` → `align/…`; undefined for a name without a family. The last slash decides. */
export function familyOf(task: string): string | undefined {
  const slash = task.lastIndexOf("/");
  return slash > 0 ? `${task.slice(0, slash)}/…` : undefined;
}

/** A family that is told as one line. Times in milliseconds. */
export interface Family {
  readonly name: string;
  /** Members that will run; undefined where that is not known, because some of the pipeline's tasks are not due. */
  readonly members: number | undefined;
  ran: number;
  /** Undefined until one has started. */
  firstStart: number | undefined;
  lastEnd: number;
}

/** Below that, a family is no shorter than its members. */
const FEWEST = 3;

export class FoldedFamilies {
  readonly #families = new Map<string, Family>();

  /** `tasks` are all that may be told of, of which `due` will run. Folds nothing while these fit into `lines`. */
  constructor(tasks: readonly string[], due: number, lines: number) {
    if (due <= lines) return;
    const members = new Map<string, number>();
    for (const task of tasks) {
      const name = familyOf(task);
      if (name !== undefined) members.set(name, (members.get(name) ?? 0) + 1);
    }
    for (const [name, size] of members) {
      if (size < FEWEST) continue;
      const known = due >= tasks.length ? size : undefined;
      this.#families.set(name, { name, members: known, ran: 0, firstStart: undefined, lastEnd: 0 });
    }
  }

  /** The folded family that the task belongs to. */
  of(task: string): Family | undefined {
    return this.#families.get(familyOf(task) ?? "");
  }

  started(task: string, at: number): void {
    const family = this.of(task);
    if (family !== undefined) family.firstStart ??= at;
  }

  /** Returns the family once its last member has run; it is folded no longer then. */
  ran(task: string, at: number): Family | undefined {
    const family = this.of(task);
    if (family === undefined) return undefined;
    family.ran++;
    family.lastEnd = at;
    if (family.ran !== family.members) return undefined;
    this.#families.delete(family.name);
    return family;
  }

  /** Families of which some have run and that were not told yet. Ends the folding. */
  rest(): Family[] {
    const rest = [...this.#families.values()].filter(({ ran }) => ran > 0);
    this.#families.clear();
    return rest;
  }
}

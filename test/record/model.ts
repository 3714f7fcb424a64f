// Promise 4 in memory, as simply as it can be said.
import { isolationSuffices } from "../../src/record/isolation.ts";

export interface ModelSuccess {
  readonly task: string;
  readonly content: string;
  readonly isolation: string;
  /** Dependency → content that was read. */
  readonly reads: Readonly<Record<string, string>>;
  state: "current" | "lost" | "superseded" | "other";
}

export class Model {
  readonly successes: ModelSuccess[] = [];
  /** Task → index of the success that was current last. */
  readonly #standing = new Map<string, number>();
  readonly #shape: Readonly<Record<string, readonly string[]>>;

  constructor(shape: Readonly<Record<string, readonly string[]>>) {
    this.#shape = shape;
  }

  current(task: string): number | undefined {
    return this.#lastIf(task, (success) => success.state === "current");
  }

  isDone(task: string, isolation: string): boolean {
    return (
      this.#lastIf(
        task,
        (last) => last.state === "current" && isolationSuffices(last.isolation, isolation),
      ) !== undefined
    );
  }

  isValid(index: number): boolean {
    const { task, reads } = this.successes[index]!;
    return this.#shape[task]!.every((dependency) => {
      const standing = this.#standing.get(dependency)!;
      return this.successes[standing]!.content === reads[dependency] && this.isValid(standing);
    });
  }

  lose(index: number): void {
    this.successes[index]!.state = "lost";
  }

  commit(made: Omit<ModelSuccess, "state">): { madeStale: number; differsFrom: string | undefined } {
    const before = this.current(made.task);
    const validBefore = this.successes.map((_, i) => this.isValid(i));
    const differing = this.successes.findLast(
      ({ task, content, reads }) =>
        task === made.task &&
        content !== made.content &&
        JSON.stringify(reads) === JSON.stringify(made.reads),
    );
    const success: ModelSuccess = { ...made, state: "other" };
    const index = this.successes.push(success) - 1;
    if (before === undefined || this.#wins(index, before)) {
      if (before !== undefined) this.successes[before]!.state = "superseded";
      success.state = "current";
      this.#standing.set(made.task, index);
    }
    const madeStale = validBefore.filter((valid, i) => valid && !this.isValid(i)).length;
    return { madeStale, differsFrom: differing?.content };
  }

  #wins(index: number, before: number): boolean {
    if (this.isValid(index) !== this.isValid(before)) return this.isValid(index);
    return !isolationSuffices(this.successes[before]!.isolation, this.successes[index]!.isolation);
  }

  #lastIf(task: string, holds: (success: ModelSuccess) => boolean): number | undefined {
    const index = this.#standing.get(task);
    return index !== undefined && holds(this.successes[index]!) ? index : undefined;
  }
}

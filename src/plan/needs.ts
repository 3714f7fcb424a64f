// What a piece of a spec depends on, carried with it: `dag.task(name, bash`…`)`, or spread into a larger spec. It hangs on a
// symbol of its own: symbols are no part of a spec, and spreading keeps them, also of several pieces in one spec.

import type { Task } from "./task.ts";
import type { Spec } from "./types.ts";

/** Described alike in every copy of this package; one for each piece, so that none takes another's place. */
const DESCRIPTION = "a-la-mode.needs";

/** `spec`, which from now on needs these tasks, by the names of the dependencies. Nothing of it is hashed but as dependencies. */
export function withNeeds<Piece extends Spec>(spec: Piece, needs: ReadonlyMap<string, Task>): Piece {
  return needs.size === 0 ? spec : { ...spec, [Symbol(DESCRIPTION)]: needs };
}

const NONE: readonly (readonly [string, Task])[] = [];

/** Name and task of each dependency that the pieces of a spec need, in their order; one may come more than once. */
export function needsOf(spec: Spec): readonly (readonly [name: string, task: Task])[] {
  const symbols = Object.getOwnPropertySymbols(spec);
  if (symbols.length === 0) return NONE; // as nearly all: it is asked for several times a task
  const found: (readonly [string, Task])[] = [];
  for (const symbol of symbols) {
    if (symbol.description !== DESCRIPTION) continue;
    found.push(...(spec as { readonly [key: symbol]: ReadonlyMap<string, Task> })[symbol]!);
  }
  return found;
}

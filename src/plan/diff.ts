// What is different between two plans, and which of it is cause: a spec or dependency that was changed, and not merely an
// ID that follows from one. Pure and linear.
import { sortUtf8 } from "../bencode/order.ts";
import type { Bnormal, BnormalMap } from "../bencode/types.ts";
import { type OutputId, type Plan, type PlanTask, specOf } from "./types.ts";

/** One value that differs. `old` is absent where it was added, `new` where it was removed. */
export interface ValueChange {
  /** Keys, and indexes of lists. */
  readonly path: readonly (string | number)[];
  readonly old?: Bnormal;
  readonly new?: Bnormal;
}

/** What happened to a task's dependencies, by their names. */
export interface DependencyChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The name now stands for another task's output (or for another external one). */
  readonly repointed: readonly {
    readonly dependency: string;
    readonly old: OutputId;
    readonly new: OutputId;
  }[];
}

export interface TaskChange {
  readonly task: string;
  /** Paths are within the spec. */
  readonly changes: readonly ValueChange[];
  readonly dependencies: DependencyChanges;
}

/** Tasks are in the new plan's order, those that are gone in the old plan's. */
export interface PlanDiff {
  readonly changed: readonly TaskChange[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The same output under another name. */
  readonly renamed: readonly { readonly from: string; readonly to: string }[];
  /** Tasks that were not changed themselves, and have new IDs because of others. */
  readonly consequences: readonly string[];
  /** Paths are within meta. */
  readonly meta: readonly ValueChange[];
  /** Every value that differs, with its path within the plan: all of the above and its consequences, literally. */
  readonly values: readonly ValueChange[];
}

export function diff(before: Plan, after: Plan): PlanDiff {
  return {
    ...taskChanges(before, after),
    meta: valueChanges(before.meta, after.meta),
    values: [
      ...valueChanges(before.meta, after.meta, ["meta"]),
      ...valueChanges(before.tasks, after.tasks, ["tasks"]),
    ],
  };
}

/** What happened to the tasks, without every single value. */
export function taskChanges(before: Plan, after: Plan): Omit<PlanDiff, "meta" | "values"> {
  const gone = new Map<OutputId, string[]>();
  for (const name of Object.keys(before.tasks)) {
    if (after.tasks[name] === undefined) push(gone, before.tasks[name]!.output, name);
  }
  const renamed: { from: string; to: string }[] = [];
  const renamedTo = new Map<string, string>();
  const added: string[] = [];
  for (const name of Object.keys(after.tasks)) {
    if (before.tasks[name] !== undefined) continue;
    const from = gone.get(after.tasks[name]!.output)?.shift();
    if (from === undefined) {
      added.push(name);
    } else {
      renamed.push({ from, to: name });
      renamedTo.set(from, name);
    }
  }
  const follows = consequenceOf(before, after, renamedTo);
  const changed: TaskChange[] = [];
  const consequences: string[] = [];
  for (const task of Object.keys(after.tasks)) {
    const old = before.tasks[task];
    const now = after.tasks[task]!;
    if (old === undefined || old.output === now.output) continue;
    const changes = valueChanges(specOf(old), specOf(now));
    const dependencies = dependencyChanges(old, now, follows);
    const { added, removed, repointed } = dependencies;
    if (changes.length + added.length + removed.length + repointed.length === 0) consequences.push(task);
    else changed.push({ task, changes, dependencies });
  }
  return {
    changed,
    added,
    removed: Object.keys(before.tasks).filter(
      (name) => after.tasks[name] === undefined && !renamedTo.has(name),
    ),
    renamed,
    consequences,
  };
}

/** Every value that differs, depth first, keys by their UTF-8 bytes. What is only in one of them is told as a whole. */
export function valueChanges(
  old: Bnormal,
  now: Bnormal,
  path: readonly (string | number)[] = [],
): ValueChange[] {
  const changes: ValueChange[] = [];
  const compare = (
    old: Bnormal | undefined,
    now: Bnormal | undefined,
    path: readonly (string | number)[],
  ): void => {
    if (old === now) return;
    if (old === undefined || now === undefined) {
      changes.push({
        path,
        ...(old === undefined ? {} : { old }),
        ...(now === undefined ? {} : { new: now }),
      });
    } else if (isMap(old) && isMap(now)) {
      for (const key of sortUtf8([...new Set([...Object.keys(old), ...Object.keys(now)])])) {
        compare(old[key], now[key], [...path, key]);
      }
    } else if (Array.isArray(old) && Array.isArray(now)) {
      for (let i = 0; i < Math.max(old.length, now.length); i++) compare(old[i], now[i], [...path, i]);
    } else if (!(old instanceof Uint8Array && now instanceof Uint8Array && Buffer.compare(old, now) === 0)) {
      changes.push({ path, old, new: now });
    }
  };
  compare(old, now, path);
  return changes;
}

function dependencyChanges(
  old: PlanTask,
  now: PlanTask,
  follows: (old: OutputId, now: OutputId) => boolean,
): DependencyChanges {
  const repointed: { dependency: string; old: OutputId; new: OutputId }[] = [];
  for (const dependency of Object.keys(now.inputs)) {
    const oldId = old.inputs[dependency];
    const newId = now.inputs[dependency]!;
    if (oldId === undefined || oldId === newId || follows(oldId, newId)) continue;
    repointed.push({ dependency, old: oldId, new: newId });
  }
  return {
    added: Object.keys(now.inputs).filter((dependency) => old.inputs[dependency] === undefined),
    removed: Object.keys(old.inputs).filter((dependency) => now.inputs[dependency] === undefined),
    repointed,
  };
}

/** Whether a task that made `old` makes `now` in the new plan, so that the other ID is a consequence. */
function consequenceOf(before: Plan, after: Plan, renamedTo: ReadonlyMap<string, string>) {
  const makers = new Map<OutputId, string[]>();
  const known = new Map<string, boolean>();
  return (old: OutputId, now: OutputId): boolean => {
    if (makers.size === 0)
      for (const name of Object.keys(before.tasks)) push(makers, before.tasks[name]!.output, name);
    const pair = old + now;
    const follows =
      known.get(pair) ??
      (makers.get(old) ?? []).some((name) => after.tasks[renamedTo.get(name) ?? name]?.output === now);
    known.set(pair, follows);
    return follows;
  };
}

function push(lists: Map<OutputId, string[]>, key: OutputId, name: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [name]);
  else list.push(name);
}

function isMap(value: Bnormal): value is BnormalMap {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array);
}

// Task families: `align/S07` belongs to `align/…`. Which of them are told as one line, so that a run fits the screen.

/** `align/S07` → `align/…`; undefined for a name without a family. The last slash decides. */
export function familyOf(task: string): string | undefined {
  const slash = task.lastIndexOf("/");
  return slash > 0 ? `${task.slice(0, slash)}/…` : undefined;
}

/** Family → number of members, of those families that are to be folded: none while `tasks` fit into `lines`. */
export function foldedFamilies(tasks: readonly string[], lines: number): Map<string, number> {
  const families = new Map<string, number>();
  if (tasks.length <= lines) return families;
  for (const task of tasks) {
    const family = familyOf(task);
    if (family !== undefined) families.set(family, (families.get(family) ?? 0) + 1);
  }
  for (const [family, members] of families) if (members < 3) families.delete(family);
  return families;
}

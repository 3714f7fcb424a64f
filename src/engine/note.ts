// What changed since a pipeline's run before, in one line: for the record, and for whoever reads `alamode runs`.
import { changeText, pathText } from "../plan/change-text.ts";
import { taskChanges } from "../plan/diff.ts";
import { type ReadSource, spelledOut } from "../plan/module-changes.ts";
import type { Plan } from "../plan/types.ts";

/** So many changes are told; of more only the number. */
const TOLD = 2;

/** One line, at most about 100 characters; "" when nothing changed. */
export async function noteOf(before: Plan | undefined, after: Plan, read: ReadSource): Promise<string> {
  if (before === undefined) return "first run";
  const { changed: all, added, removed } = taskChanges(before, after);
  const told = all.slice(0, TOLD); // what is spelled out may have to be read
  const spelled = told.map(async (one) => ({ ...one, changes: await spelledOut(one.changes, read) }));
  const changed = [...(await Promise.all(spelled)), ...all.slice(TOLD)];
  const parts = [
    ...changed.flatMap(({ task, changes }) =>
      changes.map((change) => `${task}: ${pathText(change.path)} ${changeText(change, 50)}`),
    ),
    ...changed.filter(({ changes }) => changes.length === 0).map(({ task }) => `${task}: dependencies`),
    ...(added.length > 0 ? [`added ${listed(added)}`] : []),
    ...(removed.length > 0 ? [`removed ${listed(removed)}`] : []),
  ];
  return parts.length <= TOLD
    ? parts.join(", ")
    : `${parts.slice(0, TOLD).join(", ")} and ${parts.length - TOLD} more`;
}

function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.length} tasks`;
}

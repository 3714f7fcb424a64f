// What changed since a pipeline's run before, in one line: for the record, and for whoever reads `alamode runs`.
import { changeText, pathText } from "../plan/change-text.ts";
import { diff } from "../plan/diff.ts";
import type { Plan } from "../plan/types.ts";

/** One line, at most about 100 characters; "" when nothing changed. */
export function noteOf(before: Plan | undefined, after: Plan): string {
  if (before === undefined) return "first run";
  const { changed, added, removed } = diff(before, after);
  const parts = [
    ...changed.flatMap(({ task, changes }) =>
      changes.map((change) => `${task}: ${pathText(change.path)} ${changeText(change, 50)}`),
    ),
    ...changed.filter(({ changes }) => changes.length === 0).map(({ task }) => `${task}: dependencies`),
    ...(added.length > 0 ? [`added ${listed(added)}`] : []),
    ...(removed.length > 0 ? [`removed ${listed(removed)}`] : []),
  ];
  return parts.length <= 2
    ? parts.join(", ")
    : `${parts.slice(0, 2).join(", ")} and ${parts.length - 2} more`;
}

function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.length} tasks`;
}

// What changed since a pipeline's run before, in one line: for the record, and for whoever reads `alamode runs`.
import type { Bnormal } from "../bencode/types.ts";
import { diff, type ValueChange } from "../plan/diff.ts";
import type { Plan } from "../plan/types.ts";

/** One line, at most about 100 characters; "" when nothing changed. */
export function noteOf(before: Plan | undefined, after: Plan): string {
  if (before === undefined) return "first run";
  const { changed, added, removed } = diff(before, after);
  const parts = [
    ...changed.flatMap(({ task, changes }) => changes.map((change) => `${task}: ${changeText(change)}`)),
    ...changed.filter(({ changes }) => changes.length === 0).map(({ task }) => `${task}: dependencies`),
    ...(added.length > 0 ? [`added ${listed(added)}`] : []),
    ...(removed.length > 0 ? [`removed ${listed(removed)}`] : []),
  ];
  return parts.length <= 2
    ? parts.join(", ")
    : `${parts.slice(0, 2).join(", ")} and ${parts.length - 2} more`;
}

/** `sha 6f09d → qwetr3`, `env.K added`, `files.run.py removed`. */
function changeText({ path, old, new: now }: ValueChange): string {
  const where = path.join(".");
  if (old === undefined) return `${where} added`;
  if (now === undefined) return `${where} removed`;
  return `${where} ${valueText(old)} → ${valueText(now)}`;
}

function valueText(value: Bnormal): string {
  if (typeof value === "object") return "…";
  const text = String(value);
  return text.length <= 24 ? text : /^[0-9a-f]{64}$/.test(text) ? text.slice(0, 8) : `${text.slice(0, 23)}…`;
}

function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.length} tasks`;
}

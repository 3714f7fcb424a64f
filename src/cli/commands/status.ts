// alamode status: what a run would do now, in order, and why.

import { jsonDocument, jsonLine } from "../../bencode/as-json.ts";
import { type Due, type Reason, type Status, status } from "../../engine/status.ts";
import { changeText, pathText } from "../../plan/change-text.ts";
import { clip } from "../../plan/clip.ts";
import type { Slot } from "../../plan/schedule.ts";
import { contextOf, machineOf, type SandboxOptions, sandboxOf, withBoth } from "../context.ts";
import { EXIT } from "../errors.ts";
import { familyOf } from "../families.ts";
import { count, duration, nameText, oneLine, pad, roughly } from "../format.ts";
import { selectedGoals } from "../goals.ts";
import { openPipeline } from "../load-pipeline.ts";
import { nameColumns } from "../view.ts";
import { warn } from "../warn.ts";

/** So many of a family that are due for the same reason are one line; in a list of more than `SHORT` lines two already. */
const FOLDED = 3;
const SHORT = 12;
const MOST_LINES = 40;
/** Columns of names: longer ones are cut, so that the reasons stay one column. */
const MOST_NAME = 60;

export interface StatusFlags extends SandboxOptions {
  readonly force?: boolean;
}

export async function statusCommand(patterns: readonly string[], options: StatusFlags): Promise<number> {
  const context = await contextOf(options);
  const pipeline = await openPipeline(context);
  const { jobs } = context.settings;
  return withBoth({ ...context, look: true }, async ({ store, record }) => {
    const statusOf = async (slot: Slot | undefined): Promise<Status> => {
      const { plan, name, warnings } = await pipeline.at(slot);
      warn(warnings);
      const goals = selectedGoals(plan, patterns, "status");
      return status(plan, {
        store,
        record,
        pipeline: name,
        ...sandboxOf(context, options),
        ...machineOf(context),
        ...(goals === undefined ? {} : { goals, ...(options.force ? { force: goals } : {}) }),
        ...(jobs === undefined ? {} : { jobs }),
      });
    };
    const [first, ...others] = pipeline.slots;
    if (others.length === 0) {
      const found = await statusOf(first);
      process.stdout.write(options.json ? `${jsonDocument(found)}\n` : `${statusLines(found).join("\n")}\n`);
      return EXIT.done;
    }
    for (const slot of pipeline.slots as readonly Slot[]) {
      const found = await statusOf(slot);
      const date = pipeline.nameOf(slot);
      const [head] = statusLines(found);
      process.stdout.write(
        options.json ? `${jsonLine({ ...found, date })}\n` : `${date}  ${head!.replace(/:$/, "")}\n`,
      );
    }
    return EXIT.done;
  });
}

/** `3 of 7 tasks are due:`, a line for each, or each family, and the estimate. */
export function statusLines({ tasks, due, same, estimateMs }: Status): string[] {
  const cut = same.length === 0 ? [] : [sameLine(same)];
  if (due.length === 0) return [`${tasks === 1 ? "the task is" : `all ${tasks} tasks are`} done`, ...cut];
  const groups = grouped(due);
  const columns = nameColumns(
    groups.slice(0, MOST_LINES).map(({ name }) => nameText(name)),
    11,
    MOST_NAME,
  );
  // What makes inputs of other pipelines may be due too, and is none of this one's tasks.
  const all = due.length > tasks ? count(due.length, "task") : `${due.length} of ${count(tasks, "task")}`;
  const lines = [`${all} ${due.length === 1 ? "is" : "are"} due:`];
  for (const { name, members } of groups.slice(0, MOST_LINES)) {
    const [first] = members;
    const more = members.length > 1 ? `(${members.length}) ` : "";
    lines.push(`  ${pad(clip(nameText(name), columns), columns)} ${more}${reasonsText(first!.reasons)}`);
  }
  if (groups.length > MOST_LINES)
    lines.push(`  and ${groups.length - MOST_LINES} more: alamode status --json`);
  lines.push(...cut);
  if (estimateMs !== undefined) lines.push(`about ${roughly(estimateMs)}${expected(groups)}`);
  return lines;
}

/** `2 more are the same as made before: by_year/2012, by_year/2013` */
function sameLine(same: Status["same"]): string {
  const shown = same.slice(0, 3).map(({ task }) => nameText(task));
  const more = same.length > shown.length ? ` and ${same.length - shown.length} more` : "";
  return `${count(same.length, "task")} need not run, the same was made before: ${shown.join(", ")}${more}`;
}

interface Group {
  readonly name: string;
  readonly members: readonly Due[];
}

/** Members of a family that are due for the same reason, together. */
function grouped(due: readonly Due[]): Group[] {
  const keys = due.map(({ task, reasons }) => {
    const family = familyOf(task);
    return family === undefined ? task : `${family}\n${reasonsText(reasons)}`;
  });
  const sizes = new Map<string, number>();
  for (const key of keys) sizes.set(key, (sizes.get(key) ?? 0) + 1);
  const least = due.length > SHORT ? 2 : FOLDED;
  const groups = new Map<string, Due[]>();
  for (const [i, one] of due.entries()) {
    const key = sizes.get(keys[i]!)! >= least ? keys[i]! : one.task;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return [...groups.values()].map((members) => {
    const { task } = members[0]!;
    return { name: members.length > 1 ? (familyOf(task) ?? task) : task, members };
  });
}

/** ` (clean 0.1 s, by_year/… 0.3 s each)`, of the three that take longest. */
function expected(groups: readonly Group[]): string {
  const known = groups.flatMap(({ name, members }) => {
    const [{ expectedMs }] = members as [Due];
    return expectedMs === undefined ? [] : [{ name, ms: expectedMs, each: members.length > 1 }];
  });
  if (known.length === 0) return "";
  const longest = known.sort((a, b) => b.ms - a.ms).slice(0, 3);
  return ` (${longest.map(({ name, ms, each }) => `${clip(nameText(name), MOST_NAME)} ${duration(ms)}${each ? " each" : ""}`).join(", ")})`;
}

/** Why, in a line: the author's own change first; inputs that are due only where nothing else is the reason. */
export function reasonsText(reasons: readonly Reason[]): string {
  const inputs = reasons.flatMap((reason) => (reason.kind === "input" ? [reason.dependency] : []));
  const own = reasons.filter(({ kind }) => kind !== "input");
  if (own.length > 0) return own.map(reasonText).join("; ");
  if (inputs.length === 0) return "";
  const which =
    inputs.length > 3 ? `${inputs.slice(0, 3).join(", ")} and ${inputs.length - 3} more` : inputs.join(", ");
  return `${inputs.length === 1 ? "input" : "inputs"} ${which} ${inputs.length === 1 ? "is" : "are"} due`;
}

function reasonText(reason: Reason): string {
  switch (reason.kind) {
    case "first":
      return "never made";
    case "spec":
      return `spec changed: ${reason.changes.map((change) => `${pathText(change.path)}  ${changeText(change)}`).join(", ")}`;
    case "dependencies": {
      const { added, removed } = reason;
      const parts = [
        ...added.map((name) => `now depends on ${name}`),
        ...removed.map((name) => `no longer depends on ${name}`),
      ];
      return parts.join(", ");
    }
    case "input":
      return `input ${reason.dependency} is due`;
    case "input-changed":
      return `input ${reason.dependency} changed`;
    case "unfinished":
      return "asked for before, but never made";
    case "failed":
      return `failed the last time: ${oneLine(reason.message)}`;
    case "lost":
      return "was made, but its bytes are gone";
    case "damaged":
      return `was made, but was changed since${reason.path === "" ? "" : `: ${reason.path}`}`;
    case "elsewhere":
      return `is made, in a store that this project does not name (${reason.store})`;
    case "stale":
      return "was made from inputs that have since been remade with other bytes";
    case "isolation":
      return `was made ${reason.have === "none" ? "without a sandbox" : `in ${reason.have}`}, and ${reason.want} is demanded`;
    case "forced":
      return "is done, and runs again because --force says so";
    default:
      return reason satisfies never;
  }
}

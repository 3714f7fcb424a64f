// alamode diff: what was changed, and what only follows from it.

import { existsSync } from "node:fs";
import { extname } from "node:path";
import { jsonDocument } from "../../bencode/as-json.ts";
import { sourceReader } from "../../engine/sources.ts";
import { AlamodeError } from "../../errors.ts";
import { changeText, pathText } from "../../plan/change-text.ts";
import { diff, type PlanDiff, type ValueChange } from "../../plan/diff.ts";
import { spelledOut } from "../../plan/module-changes.ts";
import type { Plan } from "../../plan/types.ts";
import { openStore } from "../../project.ts";
import { type CommonOptions, type Context, contextOf, withExisting } from "../context.ts";
import { EXIT } from "../errors.ts";
import { indent, shortId, table } from "../format.ts";
import { loadPipeline } from "../load-pipeline.ts";
import { runNumbered } from "../lookup.ts";

export async function diffCommand(
  old: string,
  now: string | undefined,
  options: CommonOptions,
): Promise<number> {
  const context = await contextOf(options);
  const before = await planNamed(context, old);
  const after = now === undefined ? (await loadPipeline(context)).plan : await planNamed(context, now);
  const found = await spelled(diff(before, after), context);
  process.stdout.write(
    options.json
      ? `${jsonDocument(found)}\n`
      : diffLines(found)
          .map((line) => `${line}\n`)
          .join(""),
  );
  return found.values.length > 0 ? EXIT.failed : EXIT.done;
}

/** With what changed in functions that are tasks, file by file, where their code is known. */
async function spelled(found: PlanDiff, context: Context): Promise<PlanDiff> {
  const isModule = ({ changes }: PlanDiff["changed"][number]) =>
    changes.some(({ path }) => path[0] === "module");
  if (!found.changed.some(isModule)) return found;
  const store = existsSync(context.storeDir) ? await openStore(context) : undefined;
  try {
    const read = store === undefined ? async () => undefined : sourceReader(store);
    const changed = found.changed.map(async (one) => ({
      ...one,
      changes: await spelledOut(one.changes, read),
    }));
    return { ...found, changed: await Promise.all(changed) };
  } finally {
    await store?.close();
  }
}

/** A run by its number, or a PIPELINE. */
async function planNamed(context: Context, what: string): Promise<Plan> {
  if (!/^\d+$/.test(what)) {
    // Parameters are for what is described now: a plan file is as it is.
    const { param: _param, params: _params, date: _date, ...plain } = context.options;
    const options = extname(what) === ".dag" ? plain : context.options;
    return (await loadPipeline({ ...context, options }, what)).plan;
  }
  return withExisting({ ...context, look: true }, async ({ record }) => {
    const run = await runNumbered(record, what);
    const plan = run && (await record.plan(run.planDigest));
    if (plan === undefined)
      throw new AlamodeError("unknown-run", `there is no run ${what}`, { hint: "alamode runs  lists them." });
    return plan;
  });
}

/** One block a changed task, then what was added, removed and renamed, then the consequences. Meta changes no ID: last. */
export function diffLines({ changed, added, removed, renamed, consequences, meta }: PlanDiff): string[] {
  const lines = changed.flatMap(({ task, changes, dependencies }) => [
    task,
    ...valueLines(changes),
    ...dependencies.added.map((name) => `  depends on ${name} now`),
    ...dependencies.removed.map((name) => `  no longer depends on ${name}`),
    ...dependencies.repointed.map(
      (input) =>
        `  ${input.dependency} is another task's output: ${shortId(input.old)} → ${shortId(input.new)}`,
    ),
  ]);
  if (added.length > 0) lines.push(`added: ${added.join(", ")}`);
  if (removed.length > 0) lines.push(`removed: ${removed.join(", ")}`);
  for (const { from, to } of renamed) lines.push(`renamed: ${from} → ${to}, the same output`);
  if (consequences.length > 0) lines.push(`and so, by their inputs: ${consequences.join(", ")}`);
  if (meta.length > 0) lines.push("meta, which changes no ID", ...valueLines(meta));
  return lines.length > 0 ? lines : ["no difference"];
}

function valueLines(changes: readonly ValueChange[]): string[] {
  return table(changes.map((change) => [pathText(change.path), changeText(change)])).map((line) =>
    indent(line, 2),
  );
}

// alamode run: brings goals up to date, and tells about it while it goes on.
import { AlamodeError } from "../../errors.ts";
import type { Slot } from "../../plan/schedule.ts";
import { contextOf, type SandboxOptions } from "../context.ts";
import { EXIT } from "../errors.ts";
import { toldNothingDue } from "../nothing-due.ts";

export interface RunFlags extends SandboxOptions {
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  readonly logs?: boolean;
}

export async function runCommand(patterns: readonly string[], options: RunFlags): Promise<number> {
  if (options.force && patterns.length === 0) {
    throw new AlamodeError(
      "nothing-to-force",
      "--force runs tasks again that are done: it has to be told which",
      {
        hint: "Name them: alamode run --force blur, or all: alamode run --force '**'",
      },
    );
  }
  if (options.dryRun) {
    const { statusCommand } = await import("./status.ts");
    return statusCommand(patterns, options);
  }
  const context = await contextOf(options);
  if (patterns.length === 0 && (await toldNothingDue(context, options))) return EXIT.done;
  // Loaded only now: they are most of this program, and took half of the time of a call that finds nothing due.
  const { openPipeline } = await import("../load-pipeline.ts");
  const { performRun } = await import("../perform-run.ts");
  const { selectedGoals } = await import("../goals.ts");
  const { warn } = await import("../warn.ts");
  const opened = await openPipeline(context);
  const { slots, incomplete } = opened;
  if (incomplete > 0) warn([`${incomplete} of these slots are not complete yet, and are left out`]);
  if (slots.length > 1) {
    const { performSlots } = await import("../perform-slots.ts");
    return performSlots(context, opened, options, { slots: slots as Slot[], patterns });
  }
  const pipeline = await opened.at(slots[0]);
  warn(pipeline.warnings);
  return performRun(context, pipeline, options, { goals: selectedGoals(pipeline.plan, patterns, "run") });
}

// alamode run: brings goals up to date, and tells about it while it goes on.
import { AlamodeError } from "../../errors.ts";
import type { Slot } from "../../plan/schedule.ts";
import { contextOf, type SandboxOptions } from "../context.ts";
import { selectedGoals } from "../goals.ts";
import { openPipeline } from "../load-pipeline.ts";
import { performRun } from "../perform-run.ts";
import { warn } from "../warn.ts";

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

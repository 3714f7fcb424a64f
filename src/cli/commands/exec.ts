// alamode exec: one step of a plan, with all its promises, for engines that only know dependency order.
import { contextOf } from "../context.ts";
import { taskOf } from "../goals.ts";
import { loadPipeline } from "../load-pipeline.ts";
import { performRun } from "../perform-run.ts";
import type { RunFlags } from "./run.ts";

export async function execCommand(what: string, options: RunFlags): Promise<number> {
  const context = await contextOf(options);
  const pipeline = await loadPipeline(context);
  const { name } = taskOf(pipeline.plan, what, "exec");
  return performRun(context, pipeline, options, { goals: [name], only: true });
}

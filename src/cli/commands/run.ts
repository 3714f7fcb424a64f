// alamode run: brings goals up to date, and tells about it while it goes on.
import { run } from "../../engine/run.ts";
import { AlamodeError } from "../../errors.ts";
import { goalsOf } from "../../plan/graph.ts";
import { type Context, contextOf, type SandboxOptions, sandboxOf, withBoth } from "../context.ts";
import { EXIT } from "../errors.ts";
import { count, herePath, nameText } from "../format.ts";
import { selectedGoals } from "../goals.ts";
import { loadPipeline, type Pipeline } from "../load-pipeline.ts";
import { startTelling } from "../tell-run.ts";
import { warn } from "../warn.ts";

export interface RunFlags extends SandboxOptions {
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  readonly logs?: boolean;
}

const MOST_GOALS_SHOWN = 5;

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
  const pipeline = await loadPipeline(context);
  warn(pipeline.warnings);
  return performRun(context, pipeline, options, { goals: selectedGoals(pipeline.plan, patterns, "run") });
}

/** Runs, tells, and gives the exit code. `only`: just the goals' own steps. */
export async function performRun(
  context: Context,
  { plan, name }: Pipeline,
  options: RunFlags,
  { goals, only = false }: { readonly goals: readonly string[] | undefined; readonly only?: boolean },
): Promise<number> {
  return withBoth(context, async ({ store, record }) => {
    const telling = startTelling({
      json: options.json === true,
      logs: options.logs === true,
      tasks: Object.keys(plan.tasks),
      flags: context.flags,
    });
    const jobs = options.jobs ?? context.settings.jobs;
    const { path, maxDepth } = context.settings;
    try {
      const result = await run(plan, {
        store,
        record,
        only,
        pipeline: name,
        keepGoing: options.keepGoing ?? context.settings.keepGoing ?? false,
        onEvent: telling.event,
        signal: telling.stop,
        kill: telling.kill,
        ...sandboxOf(context, options),
        ...(maxDepth === undefined ? {} : { maxDepth }),
        ...(goals === undefined ? {} : { goals, ...(options.force ? { force: goals } : {}) }),
        ...(jobs === undefined ? {} : { jobs }),
        ...(path === undefined ? {} : { path }),
      });
      telling.close();
      if (result.status === "interrupted") return EXIT.interrupted;
      if (result.status === "failed") return EXIT.failed;
      if (result.counts.ran + result.counts.same > 0 && options.json !== true) {
        await tellPlaces(goals ?? goalsOf(plan), (task) => result.path(task), context.cwd);
      }
      return EXIT.done;
    } finally {
      telling.close();
    }
  });
}

/** `collage → .alamode/outputs/25/25adad19…`, for the first few goals. */
async function tellPlaces(
  goals: readonly string[],
  pathOf: (task: string) => Promise<string>,
  cwd: string,
): Promise<void> {
  for (const goal of goals.slice(0, MOST_GOALS_SHOWN)) {
    process.stdout.write(`${nameText(goal)} → ${herePath(await pathOf(goal), cwd)}\n`);
  }
  const more = goals.length - MOST_GOALS_SHOWN;
  if (more > 0) process.stdout.write(`and ${count(more, "more goal")}: alamode path TASK\n`);
}

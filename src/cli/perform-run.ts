// Performs a plan for `run` and `exec`: tells about it while it goes on, and says where the results are.
import { run } from "../engine/run.ts";
import { goalsOf } from "../plan/graph.ts";
import type { RunFlags } from "./commands/run.ts";
import { type Context, machineOf, sandboxOf, withBoth } from "./context.ts";
import { EXIT } from "./errors.ts";
import { count, herePath, nameText } from "./format.ts";
import type { Pipeline } from "./load-pipeline.ts";
import { startTelling } from "./tell-run.ts";

const MOST_GOALS_SHOWN = 5;

/** Runs, tells, and gives the exit code. `only`: just the goals' own steps. */
export async function performRun(
  context: Context,
  { plan, name, params }: Pipeline,
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
    const { path } = context;
    const { maxDepth } = context.settings;
    try {
      const result = await run(plan, {
        store,
        record,
        only,
        pipeline: name,
        params,
        verified: true, // whatever a pipeline is loaded from
        keepGoing: options.keepGoing ?? context.settings.keepGoing ?? false,
        onEvent: telling.event,
        signal: telling.stop,
        kill: telling.kill,
        ...sandboxOf(context, options),
        ...machineOf(context),
        ...(maxDepth === undefined ? {} : { maxDepth }),
        ...(goals === undefined ? {} : { goals, ...(options.force ? { force: goals } : {}) }),
        ...(jobs === undefined ? {} : { jobs }),
        ...(path === undefined ? {} : { path }),
      });
      telling.close();
      if (result.status === "interrupted") return EXIT.interrupted;
      if (result.status === "failed") return EXIT.failed;
      if (result.counts.ran + result.counts.same > 0 && options.json !== true) {
        await tellPlaces(goals ?? goalsOf(plan), (task) => result.place(task), context.cwd);
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
  placeOf: (task: string) => Promise<string>,
  cwd: string,
): Promise<void> {
  for (const goal of goals.slice(0, MOST_GOALS_SHOWN)) {
    process.stdout.write(`${nameText(goal)} → ${herePath(await placeOf(goal), cwd)}\n`);
  }
  const more = goals.length - MOST_GOALS_SHOWN;
  if (more > 0) process.stdout.write(`and ${count(more, "more goal")}: alamode path TASK\n`);
}

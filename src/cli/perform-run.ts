// Performs a plan for `run` and `exec`: tells about it while it goes on, and says where the results are.
import type { RunEvent } from "../engine/events.ts";
import { runNothingDue } from "../engine/nothing-due.ts";
import { type RunOptions, run } from "../engine/run.ts";
import { planDigest } from "../plan/encode.ts";
import type { RunFlags } from "./commands/run.ts";
import { type Context, machineOf, sandboxOf, withBoth } from "./context.ts";
import { EXIT } from "./errors.ts";
import { count, herePath, nameText } from "./format.ts";
import type { Pipeline } from "./load-pipeline.ts";
import { hasNoOptions } from "./nothing-due.ts";
import { startTelling } from "./tell-run.ts";

const MOST_SHOWN = 5;

/** What every run of the command line is asked for with, as the flags and the settings say. */
export function runOptions(context: Context, options: RunFlags): Omit<RunOptions, "record" | "store"> {
  const jobs = options.jobs ?? context.settings.jobs;
  const { path } = context;
  const { maxDepth } = context.settings;
  return {
    project: context.project,
    keepGoing: options.keepGoing ?? context.settings.keepGoing ?? false,
    ...sandboxOf(context, options),
    ...machineOf(context),
    ...(maxDepth === undefined ? {} : { maxDepth }),
    ...(jobs === undefined ? {} : { jobs }),
    ...(path === undefined ? {} : { path }),
  };
}

/** Runs, tells, and gives the exit code. `only`: just the goals' own steps. */
export async function performRun(
  context: Context,
  { plan, name, params, digest = planDigest(plan) }: Pipeline,
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
    if (goals === undefined && !only && hasNoOptions(context)) {
      // Before the graph is built and looked through, which takes three times as long as the digest.
      const sandboxing = sandboxOf(context, options);
      const about = { store, record, pipeline: name, params, onEvent: telling.event, ...sandboxing };
      if (await runNothingDue(digest, about)) {
        telling.close();
        return EXIT.done;
      }
    }
    const published = new Map<string, Extract<RunEvent, { event: "task.published" }>>();
    try {
      const result = await run(plan, {
        store,
        record,
        only,
        pipeline: name,
        params,
        planDigest: digest,
        verified: true, // whatever a pipeline is loaded from
        onEvent(event) {
          if (event.event === "task.published") published.set(event.task, event);
          telling.event(event);
        },
        signal: telling.stop,
        kill: telling.kill,
        ...runOptions(context, options),
        ...(goals === undefined ? {} : { goals, ...(options.force ? { force: goals } : {}) }),
      });
      telling.close();
      if (result.status === "interrupted") return EXIT.interrupted;
      if (result.status === "failed") return EXIT.failed;
      if (options.json !== true) {
        const made = result.counts.ran + result.counts.same > 0;
        const shown = made ? result.goals : [];
        const more = [...published.values()].filter(({ task, changed }) => changed && !shown.includes(task));
        const tasks = [...shown, ...more.map(({ task }) => task)];
        await tellPlaces(
          tasks,
          async (task) => published.get(task)?.path ?? (await result.place(task)),
          context.cwd,
        );
      }
      return result.unpublished > 0 ? EXIT.failed : EXIT.done;
    } finally {
      telling.close();
    }
  });
}

/** `collage → .alamode/outputs/25/25adad19…`, or where it was published, for the first few. */
async function tellPlaces(
  tasks: readonly string[],
  placeOf: (task: string) => Promise<string>,
  cwd: string,
): Promise<void> {
  for (const task of tasks.slice(0, MOST_SHOWN)) {
    process.stdout.write(`${nameText(task)} → ${herePath(await placeOf(task), cwd)}\n`);
  }
  const more = tasks.length - MOST_SHOWN;
  if (more > 0) process.stdout.write(`and ${count(more, "more task")}: alamode path TASK\n`);
}

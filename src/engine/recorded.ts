// What the record says of a pipeline's tasks, for who has no pipeline at hand: `weather/summary` as the latest run of
// `weather` had it. clients/python/alamode.py answers the same questions by the same rules.
import { AlamodeError } from "../errors.ts";
import { nearNames } from "../plan/near.ts";
import type { OutputId, Plan } from "../plan/types.ts";
import type { RecordDb, Run } from "../record/types.ts";
import { type Stores, storesOf } from "../store/stores.ts";
import type { Store } from "../store/types.ts";
import { isElsewhere } from "./elsewhere.ts";
import { type Produces, producedPath } from "./output-path.ts";

/** How many runs back a pipeline is looked for whose name is not said. */
const RUNS_BACK = 1000;

interface Both {
  /** One store, or all that the project knows. */
  readonly store: Store | Stores;
  readonly record: RecordDb;
}

/** A task of a plan that was run. */
export interface RecordedTask {
  readonly pipeline: string;
  readonly task: string;
  readonly output: OutputId;
  /**
   * `stale`: an input has come out otherwise since. `lost`: made, but not in the store any more, or changed there.
   * `elsewhere`: made, in a store that the project does not name.
   */
  readonly state: "made" | "not made" | "stale" | "lost" | "elsewhere";
  /** Absolute; where it is made, or stale, and can be read on this machine. With `produces: 'name'` that file. */
  readonly path?: string;
  /** Where people find it: that path, or a URL. */
  readonly place?: string;
  /** Milliseconds since 1970. */
  readonly madeAt?: number;
  readonly sizeBytes?: number;
}

interface Named {
  readonly run?: Run;
  readonly name: string;
  readonly task: Produces & { readonly output: OutputId };
}

/**
 * The task that `what` names: `pipeline/task`, a task's name where only one pipeline has it, or the beginning of an
 * output's ID; as the pipeline's latest run has it, or the latest with these `params`, or as run number `number` had it. Throws `unknown-task`, `unknown-run`, `ambiguous-id`.
 */
export async function recordedTask(
  both: Both,
  what: string,
  number?: number,
  params: Readonly<Record<string, string>> = {},
): Promise<RecordedTask> {
  const { record } = both;
  const found: Named[] = [];
  const names: string[] = [];
  const runs =
    number === undefined ? await latestRuns(record, what, params) : [await runNumbered(record, number)];
  for (const run of runs) {
    const plan = await planOf(record, run);
    const own = what.startsWith(`${run.pipeline}/`) ? what.slice(run.pipeline.length + 1) : undefined;
    for (const name of [own, what])
      if (name !== undefined && Object.hasOwn(plan.tasks, name))
        found.push({ run, name, task: plan.tasks[name]! });
    names.push(...Object.keys(plan.tasks).map((name) => `${run.pipeline}/${name}`));
  }
  // A pipeline that was named comes before tasks that happen to be called so.
  const exact = found.filter(({ run, name }) => `${run?.pipeline}/${name}` === what);
  const meant = exact.length > 0 ? exact : found;
  if (new Set(meant.map(({ task }) => task.output)).size > 1) {
    throw new AlamodeError("ambiguous-id", `several tasks may be meant by "${what}"`, {
      hint: `Say which pipeline's: ${meant.map(({ run, name }) => `${run?.pipeline}/${name}`).join(", ")}`,
    });
  }
  const named = meant[0] ?? (await outputNamed(record, what));
  if (named !== undefined) return (await statesOf(both, [named], { fetch: true }))[0]!;
  const near = nearNames(what, names);
  throw new AlamodeError("unknown-task", `no task and no output is called "${what}"`, {
    hint: near.length > 0 ? `Near: ${near.join(", ")}.` : "Say it as pipeline/task.",
  });
}

/** All tasks of the latest run of a pipeline, or of every one; or of run number `number`. Throws `unknown-run`, `unknown-pipeline`. */
export async function recordedTasks(both: Both, pipeline?: string, number?: number): Promise<RecordedTask[]> {
  const { record } = both;
  const runs =
    number === undefined
      ? await latestRuns(record, `${pipeline ?? ""}/`)
      : [await runNumbered(record, number)];
  const chosen = pipeline === undefined ? runs : runs.filter((run) => run.pipeline === pipeline);
  if (pipeline !== undefined && chosen.length === 0) {
    throw new AlamodeError("unknown-pipeline", `no run of a pipeline "${pipeline}" is recorded here`, {
      hint: runs.length > 0 ? `There is: ${runs.map((run) => run.pipeline).join(", ")}.` : "Run it first.",
    });
  }
  const named: Named[] = [];
  for (const run of chosen) {
    const plan = await planOf(record, run);
    for (const [name, task] of Object.entries(plan.tasks)) named.push({ run, name, task });
  }
  return statesOf(both, named);
}

/** The path of what was found. Throws `not-made`, `output-missing`, `output-elsewhere`, and `output-stale` unless `stale` says that this will do. */
export function pathOf({ pipeline, task, output, state, path }: RecordedTask, stale = false): string {
  if (path !== undefined && (state === "made" || stale)) return path;
  const what = task === "" ? output.slice(0, 8) : `${pipeline}/${task}`;
  const hint = task === "" ? "Run the pipeline that makes it." : `Make it: alamode run ${task}`;
  switch (state) {
    case "lost":
      throw new AlamodeError("output-missing", `${what} was made, but is not in the store any more`, {
        hint,
      });
    case "elsewhere":
      throw new AlamodeError("output-elsewhere", `${what} lies in a store that this project does not name`, {
        hint: "Name it in alamode.config.ts:  stores: { theirs: 's3://bucket/prefix' }",
      });
    case "stale":
      throw new AlamodeError("output-stale", `an input of ${what} has come out otherwise since it was made`, {
        hint: `${hint}, or take it as it is: { stale: true }`,
      });
    default:
      throw new AlamodeError(
        "not-made",
        `${what} is not made as its pipeline has it (output ${output.slice(0, 8)})`,
        {
          hint,
        },
      );
  }
}

/** In order; few round trips for all. `fetch`: what lies elsewhere is made readable here. */
async function statesOf(
  { store, record }: Both,
  named: readonly Named[],
  { fetch = false } = {},
): Promise<RecordedTask[]> {
  const stores = storesOf(store);
  const outputs = [...new Set(named.map(({ task }) => task.output))];
  const successes = await record.successes(outputs);
  const pasts = await record.pasts(outputs.filter((output) => !successes.has(output)));
  const all = [...successes.values()];
  const isThere = await stores.present(all);
  const there = new Set(all.flatMap(({ output }, i) => (isThere[i] ? [output] : [])));
  return Promise.all(named.map(stateOf));

  async function stateOf({ run, name, task }: Named): Promise<RecordedTask> {
    const { output } = task;
    const about = { pipeline: run?.pipeline ?? "", task: name, output };
    const success = successes.get(output);
    if (success === undefined) {
      const state = pasts.get(output)?.standing === undefined ? "not made" : "lost";
      return { ...about, state };
    }
    const { stale, madeAt, sizeBytes } = success;
    if (!there.has(output)) {
      const state = (await isElsewhere(success, stores)) ? "elsewhere" : "lost";
      return { ...about, state, madeAt, sizeBytes };
    }
    const here = fetch ? (await stores.stage(success)).path : await stores.here(success);
    const place = producedPath((await stores.of(success)).place(success.location), task);
    const path = here === undefined ? {} : { path: producedPath(here, task) };
    return { ...about, state: stale ? "stale" : "made", ...path, place, madeAt, sizeBytes };
  }
}

/** The latest run of each pipeline, newest first: of those with recent runs, and of those whose name `what` begins with. */
async function latestRuns(
  record: RecordDb,
  what: string,
  params: Readonly<Record<string, string>> = {},
): Promise<Run[]> {
  const latest = new Map<string, Run>();
  const wanted = Object.entries(params);
  const has = (run: Run) => wanted.every(([name, value]) => run.params[name] === value);
  for (const run of await record.runs(RUNS_BACK))
    if (!latest.has(run.pipeline) && has(run)) latest.set(run.pipeline, run);
  for (let at = what.indexOf("/"); at !== -1; at = what.indexOf("/", at + 1)) {
    const name = what.slice(0, at);
    const run = latest.has(name) ? undefined : await record.lastRun(name);
    if (run !== undefined && has(run)) latest.set(name, run);
  }
  return [...latest.values()];
}

async function runNumbered(record: RecordDb, number: number): Promise<Run> {
  const run = await record.run(String(number));
  if (run?.number === number) return run;
  throw new AlamodeError("unknown-run", `there is no run ${number}`, { hint: "alamode runs  lists them." });
}

async function planOf(record: RecordDb, run: Run): Promise<Plan> {
  const plan = await record.plan(run.planDigest);
  if (plan !== undefined) return plan;
  throw new AlamodeError("record-damaged", `the record does not hold the plan of run ${run.number}`);
}

async function outputNamed(record: RecordDb, prefix: string): Promise<Named | undefined> {
  const [output, ...others] = await record.findOutputs(prefix, 2);
  if (others.length > 0)
    throw new AlamodeError("ambiguous-id", `several outputs begin with ${prefix}: give more digits`);
  if (output === undefined) return undefined;
  const produces = (await record.identity(output))?.spec["produces"];
  return { name: "", task: { output, ...(produces === undefined ? {} : { produces }) } };
}

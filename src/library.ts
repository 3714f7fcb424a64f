// Running and asking from code: the same engine as the CLI's, opened where the project keeps its results.
import type { RunEvent } from "./engine/events.ts";
import type { Pools, Resources } from "./engine/machine.ts";
import type { RecordedTask } from "./engine/recorded.ts";
import type { RunResult } from "./engine/run.ts";
import { AlamodeError } from "./errors.ts";
import { type Dag, isDag } from "./plan/dag.ts";
import { isParamPipeline, type ParamPipeline } from "./plan/pipeline.ts";
import { setMovedPlaces } from "./plan/places.ts";
import { absolutePath, setSearchPath } from "./plan/search-path.ts";
import type { OptionsByPattern, OutputId, Plan } from "./plan/types.ts";
import type { Settings } from "./project.ts";
import type { Execution, RecordDb, Run, Success } from "./record/types.ts";
import type { Stores } from "./store/stores.ts";

export interface OpenOptions {
  /** Folder of the store; by default ALAMODE_STORE, else `.alamode` beside the nearest `package.json`, else here. */
  readonly store?: string;
  /** File of the record, or its postgres:// URL; by default ALAMODE_RECORD, else `.alamode/record.db` there. */
  readonly record?: string;
  /**
   * What the project's alamode.config.ts says, which code does not read by itself: `import settings from "./alamode.config.ts"`. What
   * is said here besides wins over it. Its `pipeline` says nothing to code.
   */
  readonly settings?: Settings;
}

export interface RunRequest extends OpenOptions {
  /** What a `pipeline(…)` is given: parameter → value, or its text. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** The slot of its schedule, as `2026-11-01`; by default the last complete one. */
  readonly date?: string;
  /** Task names or patterns such as `align/*`; by default the tasks nothing depends on. */
  readonly goals?: readonly string[];
  /** Task names or patterns to run again though they are done. */
  readonly force?: readonly string[];
  /** How many steps at once; by default one for each core. */
  readonly jobs?: number;
  /** After a failure, go on with what does not depend on it. */
  readonly keepGoing?: boolean;
  /** Name of the pipeline in the record; by default its `meta.name`. */
  readonly pipeline?: string;
  /** The PATH of steps whose spec names none. */
  readonly path?: string;
  /** How tasks are run, by name or pattern. Wins over what the pipeline says. */
  readonly options?: OptionsByPattern;
  /** What this machine has for tasks: `{ cpus: 8, memory: "16GiB", gpus: 1 }`; what is not said is looked up. */
  readonly resources?: Resources;
  /** How much there is of what tasks take by the option `pool`. */
  readonly pools?: Pools;
  /** Stops the run: what runs is ended, nothing new starts, and the result says "interrupted". */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
}

/** How a run ended. A failed task is a value in `failures`, not an exception. */
export interface RunSummary extends Omit<RunResult, "path"> {
  /** Absolute path of what a task of this plan made. Throws `unknown-task`, `not-made`. */
  path(task: string): string;
}

/**
 * Brings a pipeline's goals up to date. Throws `AlamodeError` where the request cannot be run at all: an unknown task, a spec
 * that cannot be run, an input that nobody made, a store or record that cannot be used.
 */
export async function run(
  pipeline: Dag | Plan | ParamPipeline,
  { params: given, date, ...request }: RunRequest = {},
): Promise<RunSummary> {
  const { plan, params } = await described(pipeline, given, date);
  const { run: runPlan } = await import("./engine/run.ts");
  const { selectTasks } = await import("./plan/select.ts");
  const { store, record } = await openBoth(request);
  try {
    const {
      goals,
      force,
      pipeline: name = nameOf(plan),
      store: _store,
      record: _record,
      settings = {},
      ...asked
    } = request;
    const { locate } = await import("./project.ts");
    const { project } = locate(request);
    const result = await runPlan(plan, {
      project,
      ...runOptionsOf(settings, project),
      ...asked,
      ...(goals === undefined ? {} : { goals: selectTasks(plan, goals) }),
      ...(force === undefined ? {} : { force: selectTasks(plan, force) }),
      pipeline: name,
      params,
      record,
      store,
    });
    // Paths are looked up now, because record and store are closed when the caller asks.
    const paths = new Map<string, string>();
    const outputs = [...new Set(Object.values(plan.tasks).map(({ output }) => output))];
    const places = new Map<OutputId, string>();
    for (const success of (await record.successes(outputs)).values()) {
      places.set(success.output, (await store.here(success)) ?? "");
    }
    const { notMade, producedPath } = await import("./engine/output-path.ts");
    for (const [task, planTask] of Object.entries(plan.tasks)) {
      const place = places.get(planTask.output) ?? "";
      paths.set(task, place === "" ? "" : producedPath(place, planTask));
    }
    const { unknownTask } = await import("./plan/task-names.ts");
    return {
      ...result,
      path(task) {
        const path = paths.get(task);
        if (path === undefined) throw unknownTask(task, paths.keys());
        if (path === "") throw notMade(task, plan.tasks[task]!.output);
        return path;
      },
    };
  } finally {
    await record.close();
    await store.close();
  }
}

/** Which of a task's outputs is meant, where the pipeline is known by its name only. */
export interface RecordedRequest {
  /** Number of a run: the output as that one had it, instead of the latest. */
  readonly run?: number;
  /** The latest run that had these parameters, as texts: `{ date: "2026-11-01" }`. */
  readonly params?: Readonly<Record<string, string>>;
  /** Take one whose inputs have come out otherwise since. */
  readonly stale?: boolean;
}

/** Questions to a project's record and store. Close it when done. */
export interface Project {
  /** Absolute path of what a task of the pipeline made. Throws `unknown-task`, `not-made`, `output-missing`. */
  path(pipeline: Dag | Plan, task: string): Promise<string>;
  /**
   * The same without the pipeline at hand: `what` is `pipeline/task`, a task's name, or the beginning of an output's ID, as the
   * pipeline's latest run has it. Throws `output-stale`, `ambiguous-id` and `unknown-run` too.
   */
  path(what: string, which?: RecordedRequest): Promise<string>;
  /** The tasks of a pipeline's latest run (of each pipeline, if none is named), made or not. */
  ls(pipeline?: string, which?: Pick<RecordedRequest, "run">): Promise<RecordedTask[]>;
  /** The success that stands for an output; undefined when it is not done. */
  success(output: OutputId): Promise<Success | undefined>;
  /** Latest runs first. */
  runs(limit?: number): Promise<Run[]>;
  /** Executions of an output, latest first. */
  executions(output: OutputId): Promise<Execution[]>;
  close(): Promise<void>;
}

/** Opens a project for queries. Throws where store or record cannot be used. */
export async function open(options: OpenOptions = {}): Promise<Project> {
  const { store, record } = await openBoth(options);
  const { outputPath } = await import("./engine/output-path.ts");
  const { pathOf, recordedTask, recordedTasks } = await import("./engine/recorded.ts");
  return {
    async path(pipeline: Dag | Plan | string, which: string | RecordedRequest = {}) {
      if (typeof pipeline !== "string")
        return outputPath(planOf(pipeline), which as string, { record, stores: store });
      const { run, stale, params } = which as RecordedRequest;
      return pathOf(await recordedTask({ record, store }, pipeline, run, params), stale);
    },
    ls: (pipeline, { run } = {}) => recordedTasks({ record, store }, pipeline, run),
    success: async (output) => (await record.successes([output])).get(output),
    runs: (limit = 20) => record.runs(limit),
    executions: (output) => record.executions(output),
    async close() {
      await record.close();
      await store.close();
    },
  };
}

async function described(
  pipeline: Dag | Plan | ParamPipeline,
  given: RunRequest["params"],
  date: string | undefined,
): Promise<{ readonly plan: Plan; readonly params: Readonly<Record<string, string>> }> {
  if (!isParamPipeline(pipeline) && given === undefined && date === undefined)
    return { plan: planOf(pipeline), params: {} };
  const { describe } = await import("./plan/describe.ts");
  const description = await describe(pipeline, {
    now: Date.now(),
    ...(given === undefined ? {} : { params: given }),
    ...(date === undefined ? {} : { date }),
  });
  const [slot, ...others] = description.slots;
  if (others.length > 0)
    throw new AlamodeError("many-dates", `${date} are ${others.length + 1} slots; a run takes one`, {
      hint: "Call run() once for each.",
    });
  const { dag, params } = await description.at(slot);
  return { plan: dag.encode(), params };
}

function planOf(pipeline: Dag | Plan): Plan {
  return isDag(pipeline) ? pipeline.encode() : (pipeline as Plan);
}

function nameOf({ meta }: Plan): string {
  return typeof meta["name"] === "string" ? meta["name"] : "";
}

/** What a project says of its runs, as the engine takes it. */
function runOptionsOf(settings: Settings, project: string) {
  const { jobs, keepGoing, options, resources, pools, maxDepth, sandbox, path } = settings;
  return {
    ...(jobs === undefined ? {} : { jobs }),
    ...(keepGoing === undefined ? {} : { keepGoing }),
    ...(options === undefined ? {} : { options }),
    ...(resources === undefined ? {} : { resources }),
    ...(pools === undefined ? {} : { pools }),
    ...(maxDepth === undefined ? {} : { maxDepth }),
    ...(sandbox === undefined ? {} : { usualSandbox: sandbox }),
    ...(path === undefined ? {} : { path: absolutePath(path, project) }),
  };
}

async function openBoth(options: OpenOptions): Promise<{ store: Stores; record: RecordDb }> {
  const { locate, openRecord, openStores } = await import("./project.ts");
  const { settings = {} } = options;
  const places = locate(options);
  if (settings.places !== undefined) setMovedPlaces(settings.places);
  if (settings.path !== undefined) setSearchPath(absolutePath(settings.path, places.project));
  const store = await openStores(places, settings);
  try {
    return { store, record: await openRecord(places.record) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

// One run: decide, note it, perform what is due, tell how it ended. The joint between plan, record and store.
import { planDigest } from "../plan/encode.ts";
import { graphOf } from "../plan/graph.ts";
import { nearNames } from "../plan/near.ts";
import { DEFAULT_PATH } from "../plan/search-path.ts";
import type { OptionsByPattern, OutputId, Plan } from "../plan/types.ts";
import type { RecordDb, Run, RunCounts, RunId, ScheduleSlot } from "../record/types.ts";
import { type Stores, storesOf } from "../store/stores.ts";
import type { Store } from "../store/types.ts";
import { version } from "../version.ts";
import { closure } from "./closure.ts";
import { demandsOf } from "./demands.ts";
import { defaultJobs, estimateDueMs } from "./estimate.ts";
import type { RunEvent, TaskFailure } from "./events.ts";
import { MAX_DEPTH } from "./expansion.ts";
import { decideNow } from "./facts.ts";
import { type Host, thisHost } from "./host.ts";
import { pinImages } from "./images.ts";
import { doneInputs } from "./inputs.ts";
import { keepKnownPlan } from "./keep-known-plan.ts";
import { Machine, type Pools, type Resources } from "./machine.ts";
import { noteOf } from "./note.ts";
import { ConfiguredOptions } from "./options.ts";
import { outputPath, outputPlace } from "./output-path.ts";
import { tellPauses } from "./pauses.ts";
import { perform } from "./perform.ts";
import { Publisher } from "./publisher.ts";
import { readyFor } from "./sandbox/open.ts";
import { Sandboxes } from "./sandbox/sandboxes.ts";
import { sweepScratch } from "./scratch.ts";
import { secretMissing } from "./secrets/references.ts";
import { Secrets } from "./secrets/secrets.ts";
import type { SharedQueue } from "./shared-queue.ts";
import { keepSources, sourceReader } from "./sources.ts";
import { SpareMemory } from "./spare-memory.ts";
import { refuseSqlForFiles } from "./sql-destination.ts";
import { Work } from "./work.ts";

export interface RunOptions {
  readonly record: RecordDb;
  /** One store, or all that the project knows. */
  readonly store: Store | Stores;
  /** Task names; by default the tasks nothing depends on. */
  readonly goals?: readonly string[];
  /** How many steps at once; by default one for each core. */
  readonly jobs?: number;
  /** What this run shares with others of this process, instead of `jobs`, `resources` and `pools` of its own. */
  readonly queue?: SharedQueue;
  /** After a failure, go on with what does not depend on it. */
  readonly keepGoing?: boolean;
  /** The PATH of steps whose spec names none. */
  readonly path?: string;
  /** The pipeline's name in the record. */
  readonly pipeline?: string;
  /** What the pipeline was described with: name → value as text. */
  readonly params?: Readonly<Record<string, string>>;
  /** The slot of a schedule that the run is for. Without it being to be had the run throws `slot-taken`. */
  readonly scheduled?: ScheduleSlot;
  /** Stops the run: what runs is ended gently, nothing new starts. */
  readonly signal?: AbortSignal;
  /** Ends what runs at once. */
  readonly kill?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
  /** Where the option `pass` finds variables; by default this process's environment. */
  readonly callerEnv?: Readonly<Record<string, string | undefined>>;
  /** Tasks to run again though they are done. What they make is kept beside what there is, where it differs. */
  readonly force?: readonly string[];
  /** How commands are shut in; by default not at all. Results made with less are not reused. */
  readonly sandbox?: string;
  /** The same for tasks whose options say nothing of it. */
  readonly usualSandbox?: string;
  /** What the machine's configuration says of tasks, by name or pattern: wins over what the plan says. */
  readonly options?: OptionsByPattern;
  /** What this machine has for tasks; what is not said is looked up. */
  readonly resources?: Resources;
  /** Absolute folder that the paths of the option `publish` are relative to; without it nothing is published. */
  readonly project?: string;
  /** Limits by name, for the option `pool`. */
  readonly pools?: Pools;
  /** How deep plans may lie in plans that tasks wrote; 64 unless said. */
  readonly maxDepth?: number;
  /** Take the goals' own steps only: their inputs must be done. */
  readonly only?: boolean;
  /** The plan's IDs were computed or verified by this process: later runs of the same plan file may rest on that. */
  readonly verified?: boolean;
  /** The plan's digest, from whoever has computed it already. */
  readonly planDigest?: string;
}

export interface FailedTask {
  readonly task: string;
  readonly output: OutputId;
  readonly failure: TaskFailure;
}

export interface RunResult {
  readonly run: RunId;
  readonly number: number;
  readonly status: "done" | "failed" | "interrupted";
  readonly counts: RunCounts;
  /** The tasks that the run was for. */
  readonly goals: readonly string[];
  /** Tasks among the goals and all above them, and of plans that tasks wrote. */
  readonly tasks: number;
  readonly durationMs: number;
  readonly failures: readonly FailedTask[];
  /** Tasks that could not be put where their option `publish` says, though they are done. */
  readonly unpublished: number;
  /** Absolute path of a task's output. Throws `not-made`, `unknown-task`. */
  path(task: string): Promise<string>;
  /** Where people find it: an absolute path, or a URL. Throws `not-made`, `unknown-task`. */
  place(task: string): Promise<string>;
}

/**
 * Brings the goals up to date. A failed task is a value in the result. Throws where the request cannot be run at all:
 * `unknown-task`, `bad-task`, `bad-options`, `external-missing`, `input-not-done`, and errors of record and store.
 */
export async function run(given: Plan, options: RunOptions): Promise<RunResult> {
  const startedMs = performance.now();
  const { record, onEvent = () => {} } = options;
  using _pauses = tellPauses(record, onEvent, options.kill);
  const stores = storesOf(options.store);
  const configured = new ConfiguredOptions(options.options);
  const callerEnv = options.callerEnv ?? process.env;
  const machine = new Machine({ ...options, env: callerEnv });
  const { plan, moved } = await pinImages(given);
  const host = thisHost();
  const graph = graphOf(plan);
  const goals = options.goals ?? graph.goals();
  const goalNodes = goals.map((goal) => graph.nodeOf(goal));
  const sandboxes = new Sandboxes(configured, options);
  const shutIn = await sandboxes.open(plan, graph);
  const demands = await demandsOf(plan, graph, shutIn, record);
  const source = { record, stores, host, mark: true, demands };
  const force = new Set((options.force ?? []).map((task) => graph.nodeOf(task)));
  const decision = await decideNow(plan, graph, goalNodes, source, { force });
  if (options.only) for (const goal of goals) await requireInputs(goal);
  const secrets = new Secrets(callerEnv);
  const tell = (event: RunEvent) => onEvent(secrets.maskedIn(event));
  const { project } = options;
  const publisher =
    project === undefined
      ? undefined
      : new Publisher({ plan, graph, demands, configured, record, stores, project, emit: tell });
  const emit = (event: RunEvent) => {
    tell(event);
    if (event.event === "task.ran" || event.event === "task.same") publisher?.done(event.output);
  };
  const work = new Work(plan, graph, { callerEnv, configured, machine });
  work.add(decision);
  // A store that cannot be opened is told of before anything runs.
  for (const name of work.storeNames) await stores.named(name);
  await refuseSqlForFiles(work.notable(), stores);
  const missing = work.missingSecrets();
  if (missing.length > 0) throw secretMissing(missing);
  await readyFor(shutIn, work.parsed(decision.due.keys()), demands);
  await keepSources(work.notable(), stores.main);

  using memory = new SpareMemory(decision.due.size);
  const digest = plan === given ? options.planDigest : undefined;
  const noted = await noteRun(plan, digest ?? planDigest(plan), goals, options, host);
  const { tasks: wanted } = closure(graph, goalNodes);
  let tasks = wanted;
  const due = [...decision.due.keys()];
  // A slot costs a few folders: no more than there can be use for, which a plan yet to be written leaves open.
  const most = Math.max(
    1,
    Math.min(options.jobs ?? defaultJobs(), work.grows ? Number.POSITIVE_INFINITY : tasks),
  );
  const jobs = options.queue?.jobs ?? most;
  const names = new Map(due.map((node) => [node, nameOf(node)]));
  const durations = await record.durations([...names.values()]);
  const estimate = estimateDueMs(graph, names, durations, jobs);
  emit({
    event: "run.started",
    run: noted.id,
    number: noted.number,
    pipeline: noted.pipeline,
    tasks,
    due: due.length + decision.same.length,
    ...(estimate === undefined ? {} : { estimateMs: estimate }),
  });
  const sameFromStart = new Set(decision.same);
  for (const [node, { execution }] of decision.done) {
    if (graph.names(node).length === 0) continue; // made by another pipeline
    const about = { task: nameOf(node), output: graph.outputs[node]! };
    emit(
      sameFromStart.has(node)
        ? { event: "task.same", ...about, execution }
        : { event: "task.reused", ...about },
    );
  }
  tellLost();
  tellUnmatched();
  for (const { image, planned, here } of moved) {
    const message = `the image "${image}" is another here (${here.slice(0, 15)}) than when this was planned (${planned.slice(0, 15)})`;
    emit({ event: "warning", code: "image-moved", message, hint: "Name it by digest, or plan again." });
  }

  let ran = 0;
  let same = decision.same.length;
  let failed = 0;
  /** Stopped ones count here too: nothing is known of what they would have come to. */
  let notStarted = 0;
  let failures: readonly FailedTask[] = [];
  let status: RunResult["status"] = "failed";
  const counts = (): RunCounts => ({
    ran,
    same,
    reused: Math.max(0, tasks - ran - same - failed - notStarted),
    failed,
    notStarted,
  });
  const stop = options.signal ?? new AbortController().signal;
  try {
    await sweepScratch(record, stores.main, host.host);
    if (due.length > 0) {
      memory.giveBack();
      const performed = await perform({
        run: noted.id,
        plan,
        graph,
        work,
        decision,
        force,
        source,
        sandboxes,
        shutIn,
        jobs,
        queue: options.queue,
        keepGoing: options.keepGoing ?? false,
        path: options.path ?? DEFAULT_PATH,
        callerEnv,
        secrets,
        configured,
        machine,
        durations,
        maxDepth: options.maxDepth ?? MAX_DEPTH,
        stop,
        kill: options.kill ?? new AbortController().signal,
        emit,
      });
      memory.giveBack(); // what is looked through at the end was most of all
      ({ ran, failures } = performed);
      notStarted = performed.notStarted;
      for (const { output, failure } of failures) {
        const node = graph.node(output);
        const count = node === undefined ? 1 : graph.names(node).length; // undefined: of a plan that a task wrote
        if (failure.kind === "interrupted") notStarted += count;
        else failed += count;
      }
      same += performed.same;
      tasks += performed.more;
    }
    status = failed > 0 ? "failed" : notStarted > 0 ? "interrupted" : "done";
    // Of a step that is taken alone only its own.
    if (!stop.aborted && publisher?.publishes)
      await publisher.finish(options.only ? goalNodes : closure(graph, goalNodes).nodes);
    if (status === "done" && options.verified && options.goals === undefined && !publisher?.publishes)
      await keepKnownPlan(stores.main, noted.planDigest, { plan, graph, goals, tasks: wanted });
  } finally {
    await record.finishRun(noted.id, status, counts());
  }
  const durationMs = performance.now() - startedMs;
  emit({ event: "run.finished", run: noted.id, status, tasks, durationMs, ...counts() });
  return {
    run: noted.id,
    number: noted.number,
    status,
    goals,
    counts: counts(),
    tasks,
    durationMs,
    failures,
    unpublished: publisher?.failed ?? 0,
    path: (task) => outputPath(plan, task, { record, stores }),
    place: (task) => outputPlace(plan, task, { record, stores }),
  };

  function nameOf(node: number): string {
    return graph.names(node)[0] ?? graph.outputs[node]!;
  }

  /** Promise 1: bytes that should have been there, and are found gone or changed now, are told of. */
  function tellLost(): void {
    const found = [...decision.due].flatMap(([node, { kind }]) =>
      kind === "lost" || kind === "damaged" ? [nameOf(node)] : [],
    );
    if (found.length === 0) return;
    const more = found.length > 3 ? ` and ${found.length - 3} more` : "";
    const message = `bytes in the store are gone or changed, and are made again: ${found.slice(0, 3).join(", ")}${more}`;
    emit({ event: "warning", code: "output-lost", message });
  }

  /** Nothing is said where a task writes a plan: what is called how in that is not known yet. */
  function tellUnmatched(): void {
    const names = Object.keys(plan.tasks);
    const unmatched = configured.unmatched(names);
    if (unmatched.length === 0 || names.some((name) => plan.tasks[name]!["expand"] === 1)) return;
    for (const pattern of unmatched) {
      const [near] = nearNames(pattern, names);
      const message = `the options for "${pattern}" are of no task of this pipeline`;
      const hint = near === undefined ? {} : { hint: `Is "${near}" meant?` };
      emit({ event: "warning", code: "options-unmatched", message, ...hint });
    }
  }

  async function requireInputs(goal: string): Promise<void> {
    if (decision.due.has(graph.nodeOf(goal))) await doneInputs(plan, graph, goal, source);
  }
}

/** Notes the run, with what changed since the pipeline's run before. */
async function noteRun(
  plan: Plan,
  digest: string,
  goals: readonly string[],
  options: RunOptions,
  host: Host,
): Promise<Run> {
  const { record, pipeline = "", params = {}, scheduled } = options;
  const last = await record.lastRun(pipeline);
  const same = last === undefined || last.planDigest === digest;
  const before = same ? plan : await record.plan(last.planDigest, plan);
  return record.startRun({
    pipeline,
    params,
    ...(scheduled === undefined ? {} : { scheduled }),
    plan,
    ...(same || before === undefined ? {} : { former: { planDigest: last.planDigest, plan: before } }),
    planDigest: digest,
    goals,
    note: await noteOf(last ? before : undefined, plan, sourceReader(storesOf(options.store).main)),
    host: host.host,
    user: host.user,
    version,
  });
}

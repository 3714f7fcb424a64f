// What a run would do, in order, and why. The same decisions as `run`; the record adds what the author did to cause them.
import { taskChanges, type ValueChange } from "../plan/diff.ts";
import { graphOf, type PlanGraph } from "../plan/graph.ts";
import { spelledOut } from "../plan/module-changes.ts";
import type { OptionsByPattern, OutputId, Plan } from "../plan/types.ts";
import { isolationSuffices } from "../record/isolation.ts";
import type { Past } from "../record/past.ts";
import type { ExecutionId, Isolation, RecordDb } from "../record/types.ts";
import { type Stores, storesOf } from "../store/stores.ts";
import type { Store } from "../store/types.ts";
import { closure } from "./closure.ts";
import type { Cause } from "./decide.ts";
import { demandsOf } from "./demands.ts";
import { defaultJobs, estimateDueMs } from "./estimate.ts";
import { decideNow } from "./facts.ts";
import { thisHost } from "./host.ts";
import { pinImages } from "./images.ts";
import { Machine, type Pools, type Resources } from "./machine.ts";
import { ConfiguredOptions } from "./options.ts";
import { readyFor } from "./sandbox/open.ts";
import { Sandboxes } from "./sandbox/sandboxes.ts";
import { sourceReader } from "./sources.ts";
import { refuseSqlForFiles } from "./sql-destination.ts";
import { Work } from "./work.ts";

export type Reason =
  /** The pipeline's run before had no such task, or there was none. */
  | { readonly kind: "first" }
  | { readonly kind: "spec"; readonly changes: readonly ValueChange[] }
  | { readonly kind: "dependencies"; readonly added: readonly string[]; readonly removed: readonly string[] }
  /** That input is due too; it may turn out the same. */
  | { readonly kind: "input"; readonly dependency: string }
  /** The input has another ID than in the run before, and is done. */
  | { readonly kind: "input-changed"; readonly dependency: string }
  /** Asked for before, never made. */
  | { readonly kind: "unfinished" }
  | { readonly kind: "failed"; readonly execution: ExecutionId; readonly message: string }
  | { readonly kind: "lost" }
  | { readonly kind: "damaged"; readonly path: string }
  | { readonly kind: "stale" }
  /** It is made, in a store (by its id) that this project does not name: a run would refuse to make it again. */
  | { readonly kind: "elsewhere"; readonly store: string }
  /** It is done, and asked to be run again. */
  | { readonly kind: "forced" }
  /** It was made with less isolation than is demanded. */
  | { readonly kind: "isolation"; readonly have: string; readonly want: string };

export interface Due {
  readonly task: string;
  readonly output: OutputId;
  /** At least one; the author's own change first. */
  readonly reasons: readonly Reason[];
  readonly expectedMs?: number;
}

export interface Same {
  readonly task: string;
  readonly output: OutputId;
  /** Whose bytes stand for it. */
  readonly execution: ExecutionId;
}

export interface Status {
  /** Tasks among the goals and all above them. */
  readonly tasks: number;
  /** In the order they would start. */
  readonly due: readonly Due[];
  /** Not run, because the same was made before from the same bytes: that stands for them. */
  readonly same: readonly Same[];
  readonly goals: readonly string[];
  readonly estimateMs?: number;
}

export interface StatusOptions {
  readonly record: RecordDb;
  /** One store, or all that the project knows. */
  readonly store: Store | Stores;
  readonly goals?: readonly string[];
  /** As for `run`: tasks to run again though they are done. */
  readonly force?: readonly string[];
  readonly pipeline?: string;
  readonly jobs?: number;
  /** As for `run`: results made with less do not count. */
  readonly sandbox?: string;
  readonly usualSandbox?: string;
  /** As for `run`. */
  readonly options?: OptionsByPattern;
  readonly resources?: Resources;
  readonly pools?: Pools;
}

/** Changes nothing. Throws `unknown-task`. */
export async function status(given: Plan, options: StatusOptions): Promise<Status> {
  const { record } = options;
  const stores = storesOf(options.store);
  const configured = new ConfiguredOptions(options.options);
  const graph = graphOf(given);
  const shutIn = await new Sandboxes(configured, options).open(given, graph);
  const plan = shutIn.has("container") ? (await pinImages(given)).plan : given;
  const goals = options.goals ?? graph.goals();
  const goalNodes = goals.map((goal) => graph.nodeOf(goal));
  const demands = await demandsOf(plan, graph, shutIn, record);
  const source = { record, stores, host: thisHost(), mark: false, demands };
  const force = new Set((options.force ?? []).map((task) => graph.nodeOf(task)));
  const decision = await decideNow(plan, graph, goalNodes, source, { force });
  const machine = new Machine(options);
  const work = new Work(plan, graph, { callerEnv: process.env, configured, machine }); // a run would refuse what is wrong with it
  work.add(decision);
  await refuseSqlForFiles(work.notable(), stores);
  await readyFor(shutIn, work.parsed(decision.due.keys()), demands);
  const order = [...graph.order].filter((node) => decision.due.has(node));
  const tasks = order.map((node) => graph.names(node)[0] ?? graph.outputs[node]!);
  const durations = await record.durations(tasks);
  const before = await planBefore(record, options.pipeline, plan);
  const changes = before === undefined ? undefined : taskChanges(before, plan);
  const changed = new Map(changes?.changed.map((change) => [change.task, change]));
  const pasts = await record.pasts(unexplained(graph, decision.due));
  const due: Due[] = [];
  for (const [i, node] of order.entries()) {
    const task = tasks[i]!;
    const output = graph.outputs[node]!;
    const expectedMs = durations.get(task);
    const reasons: Reason[] = [];
    const change = changed.get(task);
    if (before !== undefined && before.tasks[task] === undefined) reasons.push({ kind: "first" });
    if (change && change.changes.length > 0) {
      reasons.push({ kind: "spec", changes: await spelledOut(change.changes, sourceReader(stores.main)) });
    }
    reasons.push(...inputReasons(plan, before, graph, task, decision.due));
    const past = pasts.get(output);
    reasons.push(...causeReasons(decision.due.get(node)!, past, demands.of(output), reasons.length > 0));
    due.push({ task, output, reasons, ...(expectedMs === undefined ? {} : { expectedMs }) });
  }
  const names = new Map(order.map((node, i) => [node, tasks[i]!]));
  const estimate = estimateDueMs(graph, names, durations, options.jobs ?? defaultJobs());
  return {
    tasks: closure(graph, goalNodes).tasks,
    due,
    same: decision.same.map((node) => ({
      task: graph.names(node)[0]!,
      output: graph.outputs[node]!,
      execution: decision.done.get(node)!.execution,
    })),
    goals,
    ...(estimate === undefined ? {} : { estimateMs: estimate }),
  };
}

function inputReasons(
  plan: Plan,
  before: Plan | undefined,
  graph: PlanGraph,
  task: string,
  due: ReadonlyMap<number, Cause>,
): Reason[] {
  const now = plan.tasks[task]?.inputs ?? {};
  const then = before?.tasks[task]?.inputs;
  const reasons: Reason[] = [];
  if (then !== undefined) {
    const added = Object.keys(now).filter((name) => then[name] === undefined);
    const removed = Object.keys(then).filter((name) => now[name] === undefined);
    if (added.length + removed.length > 0) reasons.push({ kind: "dependencies", added, removed });
  }
  for (const [dependency, output] of Object.entries(now)) {
    if (due.has(graph.node(output)!)) reasons.push({ kind: "input", dependency });
    else if (then?.[dependency] !== undefined && then[dependency] !== output)
      reasons.push({ kind: "input-changed", dependency });
  }
  return reasons;
}

/** Outputs of due nodes that have no success to be used: why, the record has to say. */
function unexplained(graph: PlanGraph, due: ReadonlyMap<number, Cause>): OutputId[] {
  return [...due].flatMap(([node, { kind }]) => (kind === "none" ? [graph.outputs[node]!] : []));
}

function causeReasons(
  cause: Cause,
  past: Past | undefined,
  demanded: Isolation,
  explained: boolean,
): readonly Reason[] {
  switch (cause.kind) {
    case "lost":
      return [{ kind: "lost" }];
    case "damaged":
      return [{ kind: "damaged", path: cause.path }];
    case "elsewhere":
      return [{ kind: "elsewhere", store: cause.success.store }];
    case "stale":
      return [{ kind: "stale" }];
    case "none":
      return pastReasons(past, demanded, explained);
    default:
      return cause satisfies never;
  }
}

/** What the record says of an output that has no success to be used. */
function pastReasons(
  { planned = false, execution, standing }: Partial<Past> = {},
  demanded: Isolation,
  explained: boolean,
): readonly Reason[] {
  if (execution?.outcome === "failure") {
    const { failure } = execution;
    return [{ kind: "failed", execution: execution.id, message: failure?.message ?? "failed" }];
  }
  switch (standing?.state) {
    case "lost":
      return [{ kind: "lost" }];
    case "damaged":
      return [{ kind: "damaged", path: "" }];
    case "current":
      return isolationSuffices(standing.isolation, demanded)
        ? [{ kind: "forced" }]
        : [{ kind: "isolation", have: standing.isolation, want: demanded }];
    default:
      return explained ? [] : [{ kind: planned ? "unfinished" : "first" }];
  }
}

async function planBefore(
  record: RecordDb,
  pipeline: string | undefined,
  plan: Plan,
): Promise<Plan | undefined> {
  const last = pipeline === undefined ? undefined : await record.lastRun(pipeline);
  return last && (await record.plan(last.planDigest, plan));
}

// Performs what is due in one run: opens slots and executor, lets the scheduler take steps, and leaves nothing behind.
import { join } from "node:path";
import type { PlanGraph } from "../plan/graph.ts";
import type { Plan } from "../plan/types.ts";
import type { RecordDb, RunId, Success } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import type { Store } from "../store/types.ts";
import type { CutOff } from "./cut-off.ts";
import type { Decision } from "./decide.ts";
import type { RunEvent, TaskFailure } from "./events.ts";
import { openLocalExecutor } from "./executors/local.ts";
import type { Host } from "./host.ts";
import { InputChecks } from "./input-checks.ts";
import type { CappedLog } from "./log.ts";
import type { FailedTask } from "./run.ts";
import type { Sandbox } from "./sandbox/types.ts";
import { type NodeState, type StateDetails, schedule, type Take } from "./scheduler.ts";
import { sweepScratch } from "./scratch.ts";
import { Settler } from "./settler.ts";
import { type StepContext, type StepOutcome, takeStep } from "./step.ts";
import { endStrays, type Made } from "./strays.ts";
import type { Work } from "./work.ts";

/** How often growing logs are looked at, to cut those past their cap. */
const TRIM_LOGS_MS = 500;
/** Longest pause between two attempts. */
const MAX_BACKOFF_MS = 60_000;

export interface Performance {
  readonly run: RunId;
  readonly plan: Plan;
  readonly graph: PlanGraph;
  readonly work: Work;
  readonly decision: Decision;
  /** Decides anew for a node whose bytes were found to be gone. */
  again(node: number): Promise<CutOff>;
  /** Finds out which of the due nodes, whose inputs are all done, were made before under other names. */
  cutOff(decision: Decision): Promise<CutOff>;
  /** Nodes to run though they are done. */
  readonly force: ReadonlySet<number>;
  readonly record: RecordDb;
  readonly store: Store;
  readonly host: Host;
  readonly sandbox: Sandbox;
  readonly jobs: number;
  readonly keepGoing: boolean;
  readonly path: string;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  emit(event: RunEvent): void;
}

export interface Performed {
  readonly ran: number;
  readonly same: number;
  readonly failures: readonly FailedTask[];
  readonly notStarted: readonly number[];
}

export async function perform(performance: Performance): Promise<Performed> {
  const { run, plan, graph, work, decision, record, store, host, jobs, stop, kill, emit } = performance;
  const executor = openLocalExecutor(run);
  const folder = join(store.scratchDir, run);
  const settler = new Settler(record, store, host);
  const logs = new Set<CappedLog>();
  const made: Made[] = [];
  const failures: FailedTask[] = [];
  const lastFailure = new Map<number, TaskFailure>();
  const trimmer = setInterval(() => {
    for (const log of logs) log.trim();
  }, TRIM_LOGS_MS).unref();
  let executions = 0;
  let same = 0;
  let states: ReadonlyMap<number, NodeState> = new Map();
  try {
    await sweepScratch(record, store);
    const slots = await executor.openSlots(folder, jobs);
    const context: StepContext = {
      run,
      record,
      store,
      executor,
      host,
      sandbox: performance.sandbox,
      checks: new InputChecks(record, store),
      path: performance.path,
      stop,
      kill,
      logs,
      started: ({ task, planTask, execution, attempt }, log) =>
        emit({ event: "task.started", task, output: planTask.output, execution, attempt, log }),
      warn: (code, message, task, hint) =>
        emit({ event: "warning", code, message, task, ...(hint ? { hint } : {}) }),
    };
    warnOfImages();
    states = await schedule({
      graph,
      due: decision.due.keys(),
      done: decision.done,
      slots,
      keepGoing: performance.keepGoing,
      stop,
      take: (request) => take(context, request),
      async again(node) {
        const more = await performance.again(node);
        work.add(more);
        return { due: more.due.keys(), done: more.done };
      },
      async same(nodes, success) {
        const due = new Map(nodes.map((node) => [node, work.cause(node)]));
        const done = new Map(
          nodes.flatMap((node) => [...graph.inputs(node)]).map((input) => [input, success(input)]),
        );
        const found = await performance.cutOff({ due, done });
        return new Map(found.same.map((node) => [node, found.done.get(node)!]));
      },
      retryInMs(node, failure) {
        const { retries, backoffMs } = work.of(node).options;
        if (failure.kind === "interrupted" || failure.attempt > retries) return undefined;
        return Math.min(backoffMs * 2 ** (failure.attempt - 1), MAX_BACKOFF_MS);
      },
      onState: tell,
    });
  } finally {
    clearInterval(trimmer);
    failures.push(...(await endStrays(run, made, { executor, store, record, emit })));
    await executor.close();
    await removeTree(folder);
    await settler.finish();
  }
  const damaged = new Set(failures.map(({ output }) => output));
  return {
    // An output may be made twice, when its first bytes were damaged by a task: one is told as failed or reused then.
    ran: new Set(made.map(({ success }) => success.output)).difference(damaged).size,
    same,
    failures,
    notStarted: [...states].flatMap(([node, state]) => (state === "notStarted" ? [node] : [])),
  };

  async function take(
    context: StepContext,
    { node, attempt, slot, waitedFor, success }: Take,
  ): Promise<StepOutcome> {
    const { task, runnable, options, passed } = work.of(node);
    const planTask = plan.tasks[task]!;
    const inputs: Record<string, Success> = Object.create(null);
    for (const name of Object.keys(planTask.inputs))
      inputs[name] = success(graph.node(planTask.inputs[name]!)!);
    const startedAt = Date.now();
    const outcome = await takeStep(context, {
      task,
      planTask,
      runnable,
      options,
      passed,
      inputs,
      execution: `${run}-${++executions}`,
      attempt,
      slot,
      force: performance.force.has(node) || work.cause(node).kind === "stale",
      ...(waitedFor === undefined ? {} : { waitedFor }),
    });
    if (outcome.kind === "ran") {
      made.push({ task, success: outcome.success, startedAt });
      settler.committed();
    }
    return outcome;
  }

  /** Turns a change of state into an event. */
  function tell(node: number, state: NodeState, { outcome, retryInMs, because }: StateDetails): void {
    const about = { task: nameOf(node), output: graph.outputs[node]! };
    switch (outcome?.kind) {
      case "ran": {
        const { execution, treeDigest, location, sizeBytes, files } = outcome.success;
        const { attempt, durationMs } = outcome;
        emit({
          event: "task.ran",
          ...about,
          execution,
          attempt,
          durationMs,
          treeDigest,
          location,
          sizeBytes,
          files,
        });
        break;
      }
      case "reused":
        emit({ event: "task.reused", ...about });
        break;
      case "same":
        same++;
        emit({ event: "task.same", ...about, execution: outcome.success.execution });
        break;
      case "held": {
        const { run, host, pid } = outcome.holder;
        emit({ event: "task.waiting", ...about, holder: { run, host, pid } });
        break;
      }
      case "failed": {
        const { failure, execution } = outcome;
        lastFailure.set(node, failure);
        if (state === "failed") failures.push({ ...about, failure });
        const retry = retryInMs === undefined ? {} : { retryInMs };
        emit({ event: "task.failed", ...about, ...(execution ? { execution } : {}), failure, ...retry });
        break;
      }
      default:
        if (state === "failed") failures.push({ ...about, failure: lastFailure.get(node)! }); // its retry was called off
        if (state === "notStarted") {
          emit({
            event: "task.notStarted",
            ...about,
            ...(because === undefined ? {} : { because: nameOf(because) }),
          });
        }
    }
  }

  function nameOf(node: number): string {
    return graph.names(node)[0]!;
  }

  function warnOfImages(): void {
    const named = [...decision.due.keys()]
      .filter((node) => work.of(node).runnable.image !== undefined)
      .map(nameOf);
    if (named.length === 0) return;
    emit({
      event: "warning",
      code: "image-ignored",
      message: `"image" is not used by this run: ${named.slice(0, 3).join(", ")}${named.length > 3 ? ` and ${named.length - 3} more` : ""} run with this machine's programs`,
    });
  }
}

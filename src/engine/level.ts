// One plan being performed within a run: the pipeline's own, or one that a task of it wrote. Levels share slots, executor and
// record; each has its own graph and its own scheduler.
import { encode } from "../bencode/encode.ts";
import { planDigest } from "../plan/encode.ts";
import type { PlanGraph } from "../plan/graph.ts";
import type { OutputId, Plan, PlanTask } from "../plan/types.ts";
import { isolationOver, isolationSuffices, lesserOf, whateverAbove } from "../record/isolation.ts";
import type { AliasRequest, ExecutionId, RunId, Success } from "../record/types.ts";
import { closure } from "./closure.ts";
import { criticalPaths } from "./critical-path.ts";
import type { Decision } from "./decide.ts";
import { demandsOf } from "./demands.ts";
import type { RunEvent, TaskFailure } from "./events.ts";
import { expansionKey, expansionOutput, readExpansion } from "./expansion.ts";
import { cutOffNow, decideNow, type FactSource, firstThere } from "./facts.ts";
import { engineFailure } from "./failure.ts";
import { pinImages } from "./images.ts";
import type { NodeState } from "./node-state.ts";
import { limitsOf } from "./options.ts";
import { resolvedKeyOf } from "./resolved-key.ts";
import { retryInMs } from "./retry.ts";
import type { FailedTask } from "./run.ts";
import { readyFor } from "./sandbox/open.ts";
import type { PlanSandboxes } from "./sandbox/sandboxes.ts";
import { type StateDetails, schedule, type Take } from "./scheduler.ts";
import type { RunQueue } from "./shared-queue.ts";
import { keepSources } from "./sources.ts";
import { refuseSqlForFiles } from "./sql-destination.ts";
import { gpuEnv } from "./start-queue.ts";
import { takeStep } from "./step.ts";
import { digestsOf, type StepContext, type StepOutcome, type StepRequest } from "./step-types.ts";
import { type Surroundings, Work } from "./work.ts";

/** What all levels of a run share, and add to. */
export interface Shared extends Surroundings {
  readonly run: RunId;
  readonly context: StepContext;
  readonly queue: RunQueue;
  readonly keepGoing: boolean;
  /** How deep plans may lie in plans that tasks wrote. */
  readonly maxDepth: number;
  emit(event: RunEvent): void;
  /** The next execution's name. */
  nextExecution(): string;
  committed(request: StepRequest, success: Success, startedAt: number): void;
  readonly failures: FailedTask[];
  /** Counts of tasks; `more`: those of plans that tasks wrote. */
  readonly counts: { same: number; notStarted: number; more: number };
}

export interface LevelRequest {
  readonly plan: Plan;
  readonly graph: PlanGraph;
  readonly work: Work;
  readonly decision: Decision;
  /** What is asked of record and store, with the demands of this plan. */
  readonly source: FactSource;
  readonly shutIn: PlanSandboxes;
  /** Nodes to run though they are done. */
  readonly force: ReadonlySet<number>;
  /** Task, with all that its name begins with → how long it took before, in milliseconds. */
  readonly durations: ReadonlyMap<string, number>;
  /** What the names of its tasks begin with in events and in the record: that of the task it comes from, and a slash. */
  readonly prefix: string;
  /** Outputs of the expanders it lies in, and their inputs: none of its tasks may be one of these. */
  readonly above: ReadonlySet<OutputId>;
  readonly depth: number;
}

/** Performs what is due of one plan. Resolves to each node's state. */
export function performLevel(shared: Shared, request: LevelRequest): Promise<ReadonlyMap<number, NodeState>> {
  return new Level(shared, request).perform();
}

class Level {
  readonly #shared: Shared;
  readonly #request: LevelRequest;
  readonly #lastFailure = new Map<number, TaskFailure>();
  /** Whom each held node was last told to wait for: it asks again and again. */
  readonly #waitsFor = new Map<number, ExecutionId>();

  constructor(shared: Shared, request: LevelRequest) {
    this.#shared = shared;
    this.#request = request;
  }

  async perform(): Promise<ReadonlyMap<number, NodeState>> {
    const { graph, work, decision } = this.#request;
    const { queue, keepGoing, context, machine } = this.#shared;
    const paths = criticalPaths(graph, (node) => this.#request.durations.get(this.#nameOf(node)));
    const states = await schedule({
      graph,
      due: decision.due.keys(),
      done: decision.done,
      queue,
      keepGoing,
      stop: context.stop,
      asks: (node, attempt) => machine.asks(work.of(node).options, attempt),
      rank: (node) => ({ priority: work.of(node).options.priority, path: paths[node]! }),
      take: (take) => this.#take(take),
      expand: (node, expanded, success) => this.#expand(node, expanded, success),
      again: (node) => this.#again(node),
      same: (nodes, success) => this.#same(nodes, success),
      retryInMs: (node, failure) => retryInMs(work.of(node).options, failure),
      pollMs: context.record.pollMs,
      onEnd: (execution, ended) => context.record.onEnd(execution, ended),
      onState: (node, state, details) => this.#tell(node, state, details),
    });
    for (const [node, state] of states)
      if (state === "notStarted") this.#shared.counts.notStarted += graph.names(node).length;
    return states;
  }

  async #take({ node, attempt, grant, waitedFor, over, pressing, success }: Take): Promise<StepOutcome> {
    const { work, force, prefix, source, shutIn } = this.#request;
    const { context, nextExecution, committed, machine } = this.#shared;
    const { task, runnable, options, passed, place } = work.of(node);
    const { planTask, inputs } = this.#read(node, success);
    const expansion = runnable.expand ? expansionOf(planTask, inputs) : undefined;
    const forced = force.has(node) || work.cause(node).kind === "stale";
    const written = expansion && !forced ? await this.#written(planTask, expansion, inputs) : undefined;
    if (written !== undefined) return { kind: "expanded", expansion: written, ran: false };

    const request: StepRequest = {
      task: `${prefix}${task}`,
      planTask,
      runnable,
      options,
      limits: limitsOf(options, attempt, machine.memoryBytes),
      place,
      passed: {
        ...passed,
        ...gpuEnv(grant),
        ...(expansion ? { INPUT_IDS: Buffer.from(encode(planTask.inputs)).toString() } : {}),
      },
      inputs,
      execution: nextExecution(),
      attempt,
      slot: grant.slot,
      sandbox: shutIn.of(planTask),
      isolation: source.demands.own(planTask),
      demanded: source.demands.of(planTask.output),
      force: forced,
      over,
      pressing,
      ...(grant.turn === undefined ? {} : { turn: grant.turn }),
      ...(expansion ? { expansion } : {}),
      ...(waitedFor === undefined ? {} : { waitedFor }),
    };
    const startedAt = Date.now();
    const outcome = await takeStep(context, request);
    if (outcome.kind === "ran") committed(request, outcome.success, startedAt);
    if (expansion === undefined || (outcome.kind !== "ran" && outcome.kind !== "reused")) return outcome;
    const ran = outcome.kind === "ran";
    return { kind: "expanded", expansion: (ran && outcome.stands) || outcome.success, ran };
  }

  /** A plan that this expander wrote before, or another that read the same. */
  async #written(
    planTask: PlanTask,
    { output, resolvedKey }: { output: OutputId; resolvedKey: string },
    inputs: Readonly<Record<string, Success>>,
  ): Promise<Success | undefined> {
    const { source } = this.#request;
    const { record, stores, demands } = source;
    const demanded = demands.of(planTask.output);
    const success = (await record.successes([output])).get(output);
    if (success !== undefined && !success.stale && isolationSuffices(success.isolation, demanded)) {
      if (await firstThere([success], source)) return success;
    }
    const [candidates = []] = await record.candidates([resolvedKey], whateverAbove(demanded));
    const original = await firstThere(candidates, source);
    if (original === undefined) return undefined;
    const isolation = isolationOver(
      original.isolation,
      Object.values(inputs).map((input) => input.isolation),
    );
    const [alias] = await record.alias([{ ...aliasRequest(output, original, readOf(inputs)), isolation }]);
    if (alias !== undefined) await (await stores.of(alias)).view(output, alias.location);
    return alias;
  }

  /** Performs the plan that a node wrote. What its `result` is, is then the node's. */
  async #expand(
    node: number,
    { expansion, ran }: StepOutcome & { kind: "expanded" },
    success: (node: number) => Success,
  ): Promise<StepOutcome> {
    const { context, emit, counts, maxDepth } = this.#shared;
    const { above, depth, work, source: outer } = this.#request;
    const { record, stores } = outer;
    const startedMs = performance.now();
    const name = this.#nameOf(node);
    const { planTask, inputs } = this.#read(node, success);
    const fail = (kind: TaskFailure["kind"], message: string, hint?: string): StepOutcome => {
      const attempts = work.of(node).options.retries + 1; // what it wrote will not change: there is no use in a retry
      const durationMs = performance.now() - startedMs;
      const failure = { kind, message, logTail: [], durationMs, attempt: attempts, attempts };
      return {
        kind: "failed",
        execution: expansion.execution,
        failure: hint === undefined ? failure : { ...failure, hint },
      };
    };
    try {
      if (depth >= maxDepth) {
        return fail(
          "bad-output",
          `lies in ${depth} plans that tasks wrote, and no more are allowed`,
          "Look for a plan that goes on for ever, or allow more: maxDepth in alamode.config.ts.",
        );
      }
      const inner = new Set([...above, planTask.output, ...Object.values(planTask.inputs)]);
      using staged = await stores.stage(expansion, context.kill);
      const written = await readExpansion(staged.path, inner, stores.main);
      const { graph, result } = written;
      const shutIn = await context.sandboxes.open(written.plan, graph, `${name}/`);
      const plan = shutIn.has("container") ? (await pinImages(written.plan)).plan : written.plan;
      await record.notePlan(plan, planDigest(plan));
      const source = { ...outer, demands: await demandsOf(plan, graph, shutIn, record) };
      const goal = graph.nodeOf(result);
      const decision = await decideNow(plan, graph, [goal], source, { inputsOnly: true });
      const innerWork = new Work(plan, graph, this.#shared, `${name}/`);
      innerWork.add(decision);
      await refuseSqlForFiles(innerWork.notable(), stores);
      await readyFor(shutIn, innerWork.parsed(decision.due.keys()), source.demands);
      await keepSources(innerWork.notable(), stores.main);
      const { tasks } = closure(graph, [goal]);
      counts.more += tasks;
      counts.same += decision.same.length;
      emit({ event: "task.expanded", task: name, output: planTask.output, tasks, due: decision.due.size });

      const due = [...decision.due.keys()].map((node) => `${name}/${graph.names(node)[0]}`);
      const states = await performLevel(this.#shared, {
        plan,
        graph,
        work: innerWork,
        decision,
        source,
        shutIn,
        force: new Set(),
        durations: await record.durations(due),
        prefix: `${name}/`,
        above: inner,
        depth: depth + 1,
      });
      const bad =
        [...states].find(([, state]) => state === "failed") ??
        [...states].find(([, state]) => state !== "done");
      if (bad !== undefined) {
        const kind = context.stop.aborted ? "interrupted" : "exit";
        return fail(
          kind,
          `was not finished: ${name}/${graph.names(bad[0])[0]} of the plan it wrote was not made`,
        );
      }
      const made = (await record.successes([graph.outputs[goal]!])).get(graph.outputs[goal]!);
      if (made === undefined)
        return fail("bad-output", "was not finished: the result of the plan it wrote is gone again");
      const read = {
        ...readOf(inputs),
        "\0expansion": { output: expansion.output, treeDigest: expansion.treeDigest },
        "\0result": { output: made.output, treeDigest: made.treeDigest },
      };
      const isolation = lesserOf(expansion.isolation, made.isolation);
      const [alias] = await record.alias([{ ...aliasRequest(planTask.output, made, read), isolation }]);
      if (alias === undefined)
        return fail("bad-output", "was not finished: the result of the plan it wrote is gone again");
      await (await stores.of(alias)).view(planTask.output, alias.location);
      if (!ran) return { kind: "reused", success: alias };
      return { kind: "ran", success: alias, attempt: 1, durationMs: performance.now() - startedMs };
    } catch (error) {
      const failure = engineFailure(error);
      if (failure === undefined) throw error;
      return fail(failure.kind === "engine" ? "bad-output" : failure.kind, failure.message, failure.hint);
    }
  }

  async #again(node: number): Promise<{ due: Iterable<number>; done: Decision["done"] }> {
    const { plan, graph, work, source, shutIn } = this.#request;
    const more = await decideNow(plan, graph, [node], source, { inputsOnly: true });
    work.add(more);
    await refuseSqlForFiles(work.parsed(more.due.keys()), source.stores);
    await readyFor(shutIn, work.parsed(more.due.keys()), source.demands);
    for (const same of more.same) {
      const success = more.done.get(same)!;
      this.#tell(same, "done", { outcome: { kind: "same", success } });
    }
    return { due: more.due.keys(), done: more.done };
  }

  async #same(
    nodes: readonly number[],
    success: (node: number) => Success,
  ): Promise<ReadonlyMap<number, Success>> {
    const { plan, graph, work, force, source } = this.#request;
    const inputs = nodes.flatMap((node) => [...graph.inputs(node)]);
    const done = new Map(inputs.map((input) => [input, success(input)]));
    const due = new Map(nodes.map((node) => [node, work.cause(node)]));
    const found = await cutOffNow(plan, graph, { due, done }, source, force);
    // Stale: an input was remade a moment ago. The step will find that, and have it made again first.
    const same = found.same.map((node) => [node, found.done.get(node)!] as const);
    return new Map(same.filter(([, { stale }]) => !stale));
  }

  #read(
    node: number,
    success: (node: number) => Success,
  ): { planTask: PlanTask; inputs: Record<string, Success> } {
    const { plan, graph, work } = this.#request;
    const planTask = plan.tasks[work.of(node).task]!;
    const inputs: Record<string, Success> = Object.create(null);
    for (const name of Object.keys(planTask.inputs))
      inputs[name] = success(graph.node(planTask.inputs[name]!)!);
    return { planTask, inputs };
  }

  /** Turns a change of state into an event. */
  #tell(node: number, state: NodeState, { outcome, retryInMs, because }: StateDetails): void {
    const { emit, failures, counts } = this.#shared;
    if (outcome === undefined && state !== "failed" && state !== "notStarted") return; // on its way: nothing to tell
    const task = this.#nameOf(node);
    const output = this.#request.graph.outputs[node]!;
    const about = { task, output };
    switch (outcome?.kind) {
      case "ran": {
        const { execution, treeDigest, location, sizeBytes, files } = outcome.success;
        const { attempt, durationMs } = outcome;
        const what = { treeDigest, location, sizeBytes, files };
        emit({ event: "task.ran", task, output, execution, attempt, durationMs, ...what });
        break;
      }
      case "reused":
        emit({ event: "task.reused", ...about });
        break;
      case "same":
        counts.same++;
        emit({ event: "task.same", ...about, execution: outcome.success.execution });
        break;
      case "held": {
        const { run, host, pid, execution } = outcome.holder;
        if (run === this.#shared.run || this.#waitsFor.get(node) === execution) break;
        this.#waitsFor.set(node, execution);
        emit({ event: "task.waiting", ...about, holder: { run, host, pid } });
        break;
      }
      case "failed": {
        const { failure, execution } = outcome;
        this.#lastFailure.set(node, failure);
        if (state === "failed") failures.push({ ...about, failure });
        const retry = retryInMs === undefined ? {} : { retryInMs };
        emit({ event: "task.failed", ...about, ...(execution ? { execution } : {}), failure, ...retry });
        break;
      }
      default:
        if (state === "failed") {
          const failure = this.#lastFailure.get(node)!; // its retry was called off
          failures.push({ ...about, failure });
          emit({ event: "task.failed", ...about, failure });
        }
        if (state === "notStarted") {
          emit({
            event: "task.notStarted",
            ...about,
            ...(because === undefined ? {} : { because: this.#nameOf(because) }),
          });
        }
    }
  }

  #nameOf(node: number): string {
    return `${this.#request.prefix}${this.#request.graph.names(node)[0]}`;
  }
}

function expansionOf(planTask: PlanTask, inputs: Readonly<Record<string, Success>>) {
  const resolvedKey = expansionKey(resolvedKeyOf(planTask, digestsOf(inputs)));
  return { output: expansionOutput(planTask.output), resolvedKey };
}

function readOf(inputs: Readonly<Record<string, Success>>): AliasRequest["inputs"] {
  const read: Record<string, AliasRequest["inputs"][string]> = Object.create(null);
  for (const name of Object.keys(inputs)) {
    const { output, treeDigest } = inputs[name]!;
    read[name] = { output, treeDigest };
  }
  return read;
}

function aliasRequest(output: OutputId, made: Success, inputs: AliasRequest["inputs"]): AliasRequest {
  return { output, original: made.aliasOf ?? made.id, isolation: made.isolation, inputs };
}

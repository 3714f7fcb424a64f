// One task from claim to commit. Every way out of it leaves the record telling the truth: a success whose bytes are at
// its location, or a failure, or (if we are killed) a lease whose holder is dead.
import { hash } from "node:crypto";
import { join } from "node:path";
import { encode } from "../bencode/encode.ts";
import type { Bmap } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import { type OutputId, type PlanTask, specOf } from "../plan/types.ts";
import type {
  Execution,
  ExecutionId,
  Failure,
  Holder,
  RecordDb,
  Resources,
  Success,
} from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import type { Store, TreeDigest } from "../store/types.ts";
import type { TaskFailure } from "./events.ts";
import type { Ended, Executor } from "./executors/types.ts";
import { type Explained, engineFailure, explain } from "./failure.ts";
import type { Host } from "./host.ts";
import type { InputChecks } from "./input-checks.ts";
import { CappedLog, lastLines } from "./log.ts";
import type { Runnable, TaskOptions } from "./runnable.ts";
import { clearSlot, keepSlot } from "./slot.ts";
import { missingOutput, type Staged, stageStep } from "./staging.ts";

/** What all steps of a run share. */
export interface StepContext {
  readonly run: string;
  readonly record: RecordDb;
  readonly store: Store;
  readonly executor: Executor;
  readonly host: Host;
  readonly checks: InputChecks;
  /** The PATH for steps whose spec names none. */
  readonly path: string;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** Logs that are growing: whoever trims them looks here. */
  readonly logs: Set<CappedLog>;
  /** Told when the command is about to start; `log` is the absolute path of its growing log. */
  started(request: StepRequest, log: string): void;
  warn(code: string, message: string, task: string, hint?: string): void;
}

export interface StepRequest {
  readonly task: string;
  readonly planTask: PlanTask;
  readonly runnable: Runnable;
  readonly options: TaskOptions;
  readonly passed: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, Success>>;
  readonly execution: ExecutionId;
  readonly attempt: number;
  readonly slot: string;
  readonly force: boolean;
  readonly waitedFor?: ExecutionId;
}

export type StepOutcome =
  | { readonly kind: "ran"; readonly success: Success; readonly attempt: number; readonly durationMs: number }
  /** Somebody else made it. */
  | { readonly kind: "reused"; readonly success: Success }
  | { readonly kind: "held"; readonly holder: Holder }
  | { readonly kind: "failed"; readonly failure: TaskFailure; readonly execution: ExecutionId }
  /** An input's bytes are gone or changed; its success is marked. */
  | { readonly kind: "input-lost"; readonly output: OutputId };

/** Takes one step. Errors of the engine's own surroundings (full disk, no descriptors) are failures too. */
export async function takeStep(context: StepContext, request: StepRequest): Promise<StepOutcome> {
  const { record, run } = context;
  const path = request.runnable.env["PATH"] ?? request.passed["PATH"] ?? context.path;
  const claim = await record.claim({
    output: request.planTask.output,
    run,
    execution: request.execution,
    task: request.task,
    attempt: request.attempt,
    slot: request.slot,
    executor: context.executor.name,
    isolation: "none",
    path,
    force: request.force,
    ...(request.waitedFor === undefined ? {} : { waitedFor: request.waitedFor }),
  });
  switch (claim.kind) {
    case "done":
      return { kind: "reused", success: claim.success };
    case "held":
      return { kind: "held", holder: claim.holder };
    case "failed":
      return {
        kind: "failed",
        failure: await failedThere(context, claim.execution),
        execution: claim.execution.id,
      };
    case "claimed":
      return perform(context, request, claim.token, path, claim.after);
    default:
      return claim satisfies never;
  }
}

async function perform(
  context: StepContext,
  request: StepRequest,
  token: string,
  path: string,
  after: Holder | undefined,
): Promise<StepOutcome> {
  const { store, executor, record } = context;
  const { task, runnable, slot, execution, inputs } = request;
  const logName = `${execution}.log`;
  const log = new CappedLog(join(store.logDir, logName));
  const startedMs = performance.now();
  let resources: Resources = {};
  let hasLog = false;

  const fail = async (failure: Failure): Promise<StepOutcome> => {
    const scratch = await kept(context, request);
    const inputDigests = Object.fromEntries(
      Object.entries(inputs).map(([name, success]) => [name, success.treeDigest]),
    );
    await record.fail(token, execution, failure, {
      endedAt: Date.now(),
      resources,
      inputs: inputDigests,
      ...(hasLog ? { log: logName } : {}),
      ...(scratch === undefined ? {} : { scratch }),
    });
    return {
      kind: "failed",
      execution,
      failure: {
        ...failure,
        logTail: hasLog ? lastLines(log.path, 20) : [],
        ...(hasLog ? { log: log.path } : {}),
        ...(scratch === undefined ? {} : { scratch }),
        durationMs: performance.now() - startedMs,
        attempt: request.attempt,
        attempts: request.options.retries + 1,
      },
    };
  };

  try {
    if (after) await endLeftovers(context, after, task);
    if (context.stop.aborted) return await fail({ kind: "interrupted", message: "was stopped" });
    for (const [name, success] of Object.entries(inputs)) {
      const found = await context.checks.before(success);
      if (found === undefined) continue;
      await fail({ kind: "input-damaged", message: `input "${name}" ${found}, found before it started` });
      return { kind: "input-lost", output: success.output };
    }
    await clearSlot(slot);
    const paths: Record<string, string> = {};
    for (const [name, success] of Object.entries(inputs)) paths[name] = await store.stage(success.location);
    const staged = await stageStep({ slot, runnable, inputs: paths, store, path, passed: request.passed });

    context.started(request, log.path);
    context.logs.add(log);
    let ended: Ended;
    try {
      ended = await executor.execute(
        {
          step: `${context.run}/${execution}`,
          argv: runnable.argv,
          cwd: staged.cwd,
          env: staged.env,
          log: log.path,
          slot,
          ...(request.options.timeoutMs === undefined ? {} : { timeoutMs: request.options.timeoutMs }),
        },
        context.stop,
        context.kill,
      );
    } finally {
      context.logs.delete(log);
      hasLog = log.finish();
    }
    resources = ended.resources;
    const failure = await judged(context, request, staged, ended, hasLog ? log.path : undefined);
    if (failure) return await fail(failure);
    const success = await commit(
      context,
      request,
      token,
      staged,
      resources,
      hasLog ? logName : undefined,
      Object.values(paths),
    );
    await clearSlot(slot);
    return { kind: "ran", success, attempt: request.attempt, durationMs: performance.now() - startedMs };
  } catch (error) {
    if (error instanceof AlamodeError && error.code === "lease-lost") throw error;
    return await fail(engineFailure(error));
  }
}

/** Whether the command did what a success needs; undefined when it did. Damaged inputs are marked here. */
async function judged(
  context: StepContext,
  request: StepRequest,
  staged: Staged,
  ended: Ended,
  log: string | undefined,
): Promise<Failure | undefined> {
  for (const [name, success] of Object.entries(request.inputs)) {
    const found = await context.checks.after(success);
    if (found === undefined) continue;
    return {
      kind: "input-damaged",
      message: `changed its input "${name}": ${found}`,
      hint: "A task must not write to its inputs: copy what it changes. The input is made again when it is needed.",
    };
  }
  const explained: Explained = {
    ended,
    staged,
    runnable: request.runnable,
    options: request.options,
    ...(log ? { log } : {}),
  };
  return explain(explained) ?? missingOutput(staged, request.runnable);
}

/** Promise 2: hash, make read-only, receipt, exclusive move, and last one transaction. */
async function commit(
  context: StepContext,
  { planTask, inputs, execution, task, runnable }: StepRequest,
  token: string,
  staged: Staged,
  resources: Resources,
  log: string | undefined,
  inputPaths: readonly string[],
): Promise<Success> {
  const { record, store, host, run } = context;
  const sealed = await store.seal(staged.top, { inputs: inputPaths, needle: run }, context.kill);
  if (sealed.needleIn !== undefined) {
    context.warn(
      "scratch-path",
      `${sealed.needleIn === "" ? "its output" : `"${sealed.needleIn}"`} holds the random name of the scratch folder, so it will never be made again with the same bytes`,
      task,
      "Write relative paths into results.",
    );
  }
  const spec = specOf(planTask);
  const digests: Record<string, TreeDigest> = Object.create(null);
  for (const name of Object.keys(inputs)) digests[name] = inputs[name]!.treeDigest;
  const endedAt = Date.now();
  const note: Bmap = {
    output: planTask.output,
    spec,
    inputs: planTask.inputs,
    digests,
    tree: sealed.encoded,
    digest: sealed.digest,
    execution: {
      id: execution,
      task,
      host: host.host,
      user: host.user,
      ended: endedAt,
      isolation: "none",
      argv: runnable.argv,
    },
  };
  await store.appendReceipt(run, note);
  const { location, stamps } = await store.commit(planTask.output, sealed, {
    taken: await record.locations(planTask.output, store.url),
    mayMoveAside: true,
  });
  const read: Record<string, { output: OutputId; treeDigest: TreeDigest }> = Object.create(null);
  for (const name of Object.keys(inputs))
    read[name] = { output: inputs[name]!.output, treeDigest: digests[name]! };
  const committed = await record.commit({
    token,
    execution,
    output: planTask.output,
    treeDigest: sealed.digest,
    tree: sealed.encoded,
    sizeBytes: sealed.sizeBytes,
    files: sealed.files,
    location,
    store: store.url,
    stamps,
    isolation: "none",
    inputs: read,
    resolvedKey: hash("sha256", encode({ v: 1, spec, inputs: digests })),
    endedAt,
    resources,
    ...(log === undefined ? {} : { log }),
    host: host.host,
    boot: host.boot,
  });
  context.checks.know(committed.success, sealed.tree, stamps);
  if (committed.differsFrom !== undefined) {
    context.warn(
      "not-deterministic",
      `made other bytes than before (${sealed.digest.slice(0, 8)}, before ${committed.differsFrom.slice(0, 8)}): it is not deterministic` +
        (committed.madeStale > 0 ? `. ${committed.madeStale} results made from the old bytes are stale` : ""),
      task,
    );
  }
  return committed.success;
}

/** Before an output is remade, nothing that its dead maker started may still be at work on it. */
async function endLeftovers(
  { executor, stop, warn }: StepContext,
  holder: Holder,
  task: string,
): Promise<void> {
  const waiting = () =>
    warn(
      "waiting",
      `waits until nothing of the dead run ${holder.run} (${holder.host}, pid ${holder.pid}) holds ${holder.slot} any more`,
      task,
    );
  await executor.endLeftovers(holder.slot, `${holder.run}/${holder.execution}`, waiting, stop);
}

/** Keeps the scratch folder of a failed step, the last three of each output. Returns where; undefined if it could not be. */
async function kept(
  { record, store }: StepContext,
  { slot, execution, planTask }: StepRequest,
): Promise<string | undefined> {
  const folder = join(store.scratchDir, "failed", execution);
  try {
    keepSlot(slot, folder);
    const before = await record.keptScratch(planTask.output);
    for (const old of before.slice(2)) {
      await removeTree(old.scratch);
      await record.forgetScratch(old.execution);
    }
    return folder;
  } catch {
    return undefined; // a full disk: that the step failed matters more than its scratch folder
  }
}

async function failedThere({ store }: StepContext, execution: Execution): Promise<TaskFailure> {
  const log = execution.log === undefined ? undefined : join(store.logDir, execution.log);
  return {
    ...(execution.failure ?? { kind: "exit", message: "failed" }),
    logTail: log === undefined ? [] : lastLines(log, 20),
    ...(log === undefined ? {} : { log }),
    ...(execution.scratch === undefined ? {} : { scratch: execution.scratch }),
    durationMs: (execution.endedAt ?? execution.startedAt) - execution.startedAt,
    attempt: execution.attempt,
    attempts: execution.attempt,
    failedIn: execution.run,
  };
}

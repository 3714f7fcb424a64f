// Verification: tasks that are done are run again from what they were made from, apart from all real outputs, and compared
// with the record. Leaves nothing behind but what the record counts.
import { randomBytes } from "node:crypto";
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import { encode } from "../bencode/encode.ts";
import { AlamodeError } from "../errors.ts";
import type { OptionsByPattern, Plan } from "../plan/types.ts";
import { containerIsolation, ownIsolation } from "../record/isolation.ts";
import type { RecordDb } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import { type Stores, storesOf } from "../store/stores.ts";
import type { Store } from "../store/types.ts";
import { defaultJobs, estimateMs } from "./estimate.ts";
import { openLocalExecutor } from "./executors/local.ts";
import { thisHost } from "./host.ts";
import { pinImages, plannedDigest } from "./images.ts";
import { InputChecks } from "./input-checks.ts";
import type { CappedLog } from "./log.ts";
import { type Amounts, Machine, type Pools, type Resources } from "./machine.ts";
import { ConfiguredOptions, limitsOf } from "./options.ts";
import { passed } from "./pass.ts";
import { tellPauses } from "./pauses.ts";
import { runnableOf } from "./runnable.ts";
import { openSandbox } from "./sandbox/open.ts";
import type { Sandbox } from "./sandbox/types.ts";
import { sweepScratch } from "./scratch.ts";
import { Secrets } from "./secrets/secrets.ts";
import { type Grant, gpuEnv, StartQueue } from "./start-queue.ts";
import { type Chosen, choose, isData, isExpander } from "./verify-choose.ts";
import type { VerifyCounts, VerifyEvent } from "./verify-events.ts";
import { whyNotDone } from "./verify-inputs.ts";
import { staleTasks } from "./verify-stale.ts";
import { type Again, type AgainContext, runAgain } from "./verify-step.ts";
import { workThroughQueue } from "./verify-workers.ts";

/** How often growing logs are looked at, to cut those past their cap. */
const TRIM_LOGS_MS = 500;

export interface VerifyOptions {
  readonly record: RecordDb;
  /** One store, or all that the project knows. */
  readonly store: Store | Stores;
  /** Task names; by default all that are done. Those of plans that these wrote come with them. */
  readonly tasks?: readonly string[];
  /** Only a random share of those that are done: above 0, up to 1. */
  readonly share?: number;
  /** Chooses the same share again, where the same are done. Random unless given. */
  readonly seed?: string;
  readonly jobs?: number;
  /** As for `run`. */
  readonly options?: OptionsByPattern;
  readonly resources?: Resources;
  readonly pools?: Pools;
  /** By default each is verified in the sandbox that it was made in. */
  readonly sandbox?: string;
  readonly signal?: AbortSignal;
  readonly kill?: AbortSignal;
  readonly onEvent?: (event: VerifyEvent) => void;
  /** Where the option `pass` finds variables; by default this process's environment. */
  readonly callerEnv?: Readonly<Record<string, string | undefined>>;
}

export interface VerifyResult extends VerifyCounts {
  readonly interrupted: boolean;
}

/**
 * Verifies. What differs or fails is told in events, and counted. Throws `unknown-task`, `unknown-sandbox`,
 * `sandbox-unavailable`, and errors of store and record.
 */
export async function verify(plan: Plan, options: VerifyOptions): Promise<VerifyResult> {
  const startedMs = performance.now();
  const { record, onEvent = () => {}, callerEnv = process.env } = options;
  const secrets = new Secrets(callerEnv);
  const emit = (event: VerifyEvent) => onEvent(secrets.maskedIn(event));
  using _pauses = tellPauses(record, emit, options.kill);
  const stores = storesOf(options.store);
  const stop = options.signal ?? new AbortController().signal;
  const configured = new ConfiguredOptions(options.options);
  const machine = new Machine({ ...options, env: callerEnv });
  const sandboxFor = await sandboxes(plan, options.sandbox);
  const { of, chosen, seed } = await choose(plan, { ...options, stores });
  const jobs = Math.max(1, Math.min(options.jobs ?? defaultJobs(), chosen.length));
  const names = chosen.map(({ task }) => task);
  const estimate = estimateMs(names, await record.durations(names), jobs);
  emit({
    event: "verify.started",
    outputs: chosen.length,
    of,
    ...(seed === undefined ? {} : { seed }),
    ...(estimate === undefined ? {} : { estimateMs: estimate }),
  });
  const counts = { same: 0, differ: 0, failed: 0, impossible: 0, lost: 0, left: chosen.length, stale: 0 };
  if (chosen.length > 0) await runAll();
  for (const stale of await staleTasks(plan, record)) {
    counts.stale++;
    emit(stale);
  }
  const result = { interrupted: stop.aborted, ...counts };
  emit({ event: "verify.finished", durationMs: performance.now() - startedMs, ...result });
  return result;

  async function runAll(): Promise<void> {
    const id = randomBytes(8).toString("hex");
    const folder = join(stores.main.scratchDir, `verify-${id}`);
    const executor = openLocalExecutor(id);
    const logs = new Set<CappedLog>();
    const trimmer = setInterval(() => {
      for (const log of logs) log.trim();
    }, TRIM_LOGS_MS).unref();
    let letGo: (() => void) | undefined;
    try {
      await sweepScratch(record, stores.main, thisHost().host);
      const [own, ...slots] = await executor.openSlots(folder, jobs + 1);
      letGo = hold(own!);
      const context: AgainContext = {
        id,
        record,
        stores,
        executor,
        host: thisHost(),
        checks: new InputChecks(record, stores),
        sandboxFor,
        stop,
        kill: options.kill ?? new AbortController().signal,
        logs,
        secrets,
      };
      let steps = 0;
      const attempts = new Map<Chosen, number>();
      await workThroughQueue(chosen, new StartQueue(slots, machine), stop, {
        asks: async (one) => {
          const attempt = await attemptOf(one);
          attempts.set(one, attempt);
          return asksOf(one, attempt);
        },
        work: (one, grant) =>
          verifyOne(context, one, { grant, step: `verify-${++steps}`, attempt: attempts.get(one)! }),
      });
    } finally {
      clearInterval(trimmer);
      for (const { command, pid } of await executor.endStrays(id)) {
        const message = `a task left a process running that had left its process group (${command}, ${pid}). It was ended`;
        emit({
          event: "warning",
          code: "stray-process",
          message,
          hint: "A task must wait for what it starts.",
        });
      }
      await executor.close();
      letGo?.();
      await removeTree(folder);
    }
  }

  /** Which attempt it was that succeeded: what grows with the attempt is needed as large again. */
  async function attemptOf({ success }: Chosen): Promise<number> {
    return success === undefined ? 1 : ((await record.execution(success.execution))?.attempt ?? 1);
  }

  /** Nothing for what cannot be run here at all: that is told when its turn comes. */
  function asksOf({ plan, name, task }: Chosen, attempt: number): Amounts {
    try {
      const taskOptions = configured.of(plan, name, task);
      machine.refuseTooLarge(task, taskOptions);
      return machine.asks(taskOptions, attempt);
    } catch (error) {
      if (error instanceof AlamodeError) return new Map();
      throw error;
    }
  }

  async function verifyOne(
    context: AgainContext,
    { plan, name, task, output, success }: Chosen,
    { grant, step, attempt }: { readonly grant: Grant; readonly step: string; readonly attempt: number },
  ): Promise<void> {
    const about = { task, output: plan.tasks[name]!.output };
    const impossible = (because: string) => {
      counts.impossible++;
      counts.left--;
      emit({ event: "verify.impossible", ...about, because });
    };
    const planTask = plan.tasks[name]!;
    if (isData(planTask)) return impossible("it is data from outside: alamode verify --stored hashes it");
    if (success === undefined) return impossible(await whyNotDone(output, { record, stores }));
    let again: Again;
    try {
      const runnable = runnableOf(name, planTask);
      const taskOptions = configured.of(plan, name, task);
      machine.refuseTooLarge(task, taskOptions);
      const handed = { ...passed(taskOptions.pass, callerEnv), ...gpuEnv(grant) };
      if (isExpander(planTask)) handed["INPUT_IDS"] = Buffer.from(encode(planTask.inputs)).toString();
      emit({ event: "verify.running", ...about, execution: success.execution });
      const limits = limitsOf(taskOptions, attempt, machine.memoryBytes);
      const fetched = await secrets.of(taskOptions.secrets);
      const request = {
        task,
        planTask,
        runnable,
        limits,
        passed: handed,
        secrets: fetched,
        success,
        store: taskOptions.store,
        step,
        slot: grant.slot,
      };
      again = await runAgain(context, request);
    } catch (error) {
      if (
        !(error instanceof AlamodeError) ||
        !/^(bad-(task|options)|secret-missing|too-large|unknown-pool)$/.test(error.code)
      )
        throw error;
      return impossible(error.message);
    }
    switch (again.kind) {
      case "impossible":
        return impossible(again.because);
      case "failed":
        if (again.failure.kind === "interrupted" && stop.aborted) return;
        counts.failed++;
        counts.left--;
        return emit({ event: "verify.failed", ...about, failure: again.failure });
      case "same":
      case "differs": {
        const { sealed, durationMs } = again;
        const found = sealed.digest;
        const { host } = context.host;
        await record.noteVerification({ success: success.id, at: Date.now(), host, treeDigest: found });
        const reproducibility = (await record.reproducibility([output])).get(output)!;
        counts.left--;
        const told = { ...about, durationMs, treeDigest: success.treeDigest, reproducibility };
        if (again.kind === "same") {
          counts.same++;
          return emit({ event: "verify.same", ...told });
        }
        counts.differ++;
        const { differences, hint } = again;
        return emit({
          event: "verify.differs",
          ...told,
          found,
          differences,
          ...(hint === undefined ? {} : { hint }),
        });
      }
      default:
        return again satisfies never;
    }
  }
}

/** Opens each sandbox once. `demanded` is opened at once, and is the one for all. */
async function sandboxes(plan: Plan, demanded: string | undefined): Promise<AgainContext["sandboxFor"]> {
  const opened = new Map<string, Promise<Sandbox>>();
  const open = (kind: string) => {
    const sandbox = opened.get(kind) ?? openSandbox(kind);
    opened.set(kind, sandbox);
    return sandbox;
  };
  const pinned = demanded === "container" ? (await pinImages(plan)).plan : plan;
  if (demanded !== undefined) await open(demanded);
  return async (planTask, madeIn) => {
    const made = ownIsolation(madeIn);
    const sandbox = await open(demanded ?? made.split(":", 1)[0]!);
    const { kind } = sandbox;
    if (made.startsWith(kind)) return { sandbox, isolation: made };
    const image = plannedDigest(pinned, planTask) ?? "unknown";
    return { sandbox, isolation: kind === "container" ? containerIsolation(image) : kind };
  };
}

/** Keeps others from taking the scratch folder for a dead one's. Returns what lets go of it. */
function hold(slot: string): () => void {
  const fd = openSync(join(slot, "alive"), constants.O_RDWR);
  return () => closeSync(fd);
}

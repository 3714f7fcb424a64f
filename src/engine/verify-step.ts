// One task run again: staged from what its success was made from, performed, sealed and compared. Nothing of it is kept.
import { join } from "node:path";
import { AlamodeError } from "../errors.ts";
import type { PlanTask } from "../plan/types.ts";
import { ownIsolation } from "../record/isolation.ts";
import type { Execution, Failure, Isolation, RecordDb, Success } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import type { Stores } from "../store/stores.ts";
import { decodeTree } from "../store/tree.ts";
import type { SealedTree, Store } from "../store/types.ts";
import { placeOf } from "../store/walk.ts";
import { type Command, judgeCommand, performCommand } from "./command.ts";
import type { TaskFailure } from "./events.ts";
import type { Executor } from "./executors/types.ts";
import { engineFailure } from "./failure.ts";
import type { Host } from "./host.ts";
import type { InputChecks } from "./input-checks.ts";
import { CappedLog, lastLines, TAIL_LINES } from "./log.ts";
import { LostInput, prepareMaking } from "./making.ts";
import type { Limits } from "./options.ts";
import type { Runnable } from "./runnable.ts";
import type { Sandbox } from "./sandbox/types.ts";
import { needlesFor, refuseSecrets } from "./secrets/in-output.ts";
import type { Secrets, StepSecrets } from "./secrets/secrets.ts";
import { clearSlot } from "./slot.ts";
import { keepSources } from "./sources.ts";
import { sqlForFiles } from "./sql-destination.ts";
import { stageStep, topOf } from "./staging.ts";
import { type Difference, firstDifference, treeDifferences } from "./verify-compare.ts";
import type { Differences } from "./verify-events.ts";
import { recordedInputs } from "./verify-inputs.ts";

/** How many differences are told, and in how many files the first other byte is looked for. */
export const SHOWN_DIFFERENCES = 100;
const SHOWN_BYTES = 5;

export interface AgainContext {
  /** Random; the scratch folder's name and all steps' ALAMODE_STEP begin with it. */
  readonly id: string;
  readonly record: RecordDb;
  readonly stores: Stores;
  readonly executor: Executor;
  readonly host: Host;
  readonly checks: InputChecks;
  /** How to shut a task in that was made in this isolation. Throws `unknown-sandbox`, `sandbox-unavailable`. */
  sandboxFor(planTask: PlanTask, isolation: Isolation): Promise<{ sandbox: Sandbox; isolation: Isolation }>;
  /** Told of what steps get to know, so that nobody else does. */
  readonly secrets: Secrets;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** Logs that are growing: whoever trims them looks here. */
  readonly logs: Set<CappedLog>;
}

export interface AgainRequest {
  readonly task: string;
  readonly planTask: PlanTask;
  readonly runnable: Runnable;
  readonly limits: Limits;
  /** What the option `pass` hands over. */
  readonly passed: Readonly<Record<string, string>>;
  readonly secrets: StepSecrets;
  readonly success: Success;
  /** Name or URL of the store that a run would send its output to; undefined for the main one. */
  readonly store: string | undefined;
  /** Distinct among the steps of this verification. */
  readonly step: string;
  /** Absolute folder. */
  readonly slot: string;
}

export type Again =
  | { readonly kind: "same"; readonly sealed: SealedTree; readonly durationMs: number }
  | {
      readonly kind: "differs";
      readonly sealed: SealedTree;
      readonly differences: Differences;
      readonly durationMs: number;
      readonly hint?: string;
    }
  | { readonly kind: "failed"; readonly failure: TaskFailure }
  | { readonly kind: "impossible"; readonly because: string };

/** Codes of errors that say that a step cannot even be staged as it was. */
const CANNOT_BE_STAGED = new Set([
  "bad-task",
  "image-missing",
  "making-lost",
  "no-image",
  "output-missing",
  "packages-missing",
  "sandbox-unavailable",
  "source-changed",
  "source-damaged",
  "source-missing",
  "unknown-sandbox",
  "wrong-platform",
]);

/** Runs a task again, in a slot that is emptied first. Throws errors of the record, and bugs. */
export async function runAgain(context: AgainContext, request: AgainRequest): Promise<Again> {
  const { planTask, success } = request;
  const execution = await context.record.execution(success.execution);
  if (execution === undefined) return { kind: "impossible", because: "the record does not say what it read" };
  const recorded = await recordedInputs(planTask, execution, { ...context, mark: true });
  if (recorded.kind === "gone") return { kind: "impossible", because: recorded.because };
  const attempt = new Attempt(context, request, { execution, inputs: recorded.inputs });
  try {
    return await attempt.perform();
  } catch (error) {
    if (error instanceof LostInput) return { kind: "impossible", because: error.message };
    if (error instanceof AlamodeError && CANNOT_BE_STAGED.has(error.code))
      return { kind: "impossible", because: error.message };
    const failure = engineFailure(error);
    if (failure === undefined) throw error;
    return attempt.failed(failure);
  }
}

class Attempt {
  readonly #context: AgainContext;
  readonly #request: AgainRequest;
  readonly #execution: Execution;
  readonly #inputs: Readonly<Record<string, Success>>;
  readonly #startedMs = performance.now();
  readonly #log: CappedLog;

  constructor(
    context: AgainContext,
    request: AgainRequest,
    { execution, inputs }: { execution: Execution; inputs: Readonly<Record<string, Success>> },
  ) {
    this.#context = context;
    this.#request = request;
    this.#execution = execution;
    this.#inputs = inputs;
    this.#log = new CappedLog(join(request.slot, "log"));
  }

  async perform(): Promise<Again> {
    const { stores, id, stop, kill } = this.#context;
    const { step, slot, planTask, runnable, limits, passed, success } = this.#request;
    const { sandbox, isolation } = await this.#context.sandboxFor(planTask, this.#execution.isolation);
    await sandbox.ready({ isolation, image: runnable.image });
    await clearSlot(slot);
    await removeTree(this.#log.path);
    await keepSources([{ runnable }], stores.main);
    const making = { name: `${id}-${step}`, output: success.output, top: topOf(slot) };
    const store = await this.#makingStore();
    await using prepared = await prepareMaking(store, this.#inputs, this.#context, making, stop);
    const secrets = this.#context.secrets.besides(this.#request.secrets, prepared);
    const [other] = await this.#context.checks.compared(prepared, this.#inputs, "before", stop);
    if (other !== undefined) return { kind: "impossible", because: `input "${other[0]}" ${other[1]}` };
    const inputs = Object.values(prepared.inputs);
    // The PATH is the one of the time: another one could find other programs.
    const { path } = this.#execution;
    const view = sandbox.view(slot);
    const staged = await stageStep({
      slot,
      runnable,
      making: prepared,
      store: stores.main,
      path,
      view,
      passed: { ...passed, ...secrets.env },
    });
    const command: Command = {
      step: `${id}/${step}`,
      runnable,
      limits,
      staged,
      sandbox,
      isolation,
      inputs: [...inputs, ...prepared.reads],
      path,
      slot,
      log: this.#log,
      secrets,
    };
    const ended = await performCommand(this.#context, command);
    // Promise 10 holds here too: a task that writes to its inputs damages what others read.
    const changed = await this.#context.checks.changed(prepared, this.#inputs, kill);
    const failure = changed ?? judgeCommand(command, ended);
    if (failure) {
      if (!stop.aborted) await prepared.checkHeld();
      return this.failed(failure);
    }
    const sealed = await prepared.seal({ inputs, needles: needlesFor(id, secrets) }, kill);
    refuseSecrets(sealed, secrets);
    const durationMs = performance.now() - this.#startedMs;
    if (sealed.digest === success.treeDigest) return { kind: "same", sealed, durationMs };
    const hint = this.#hint(sealed, isolation);
    const differences = await this.#differences(sealed, prepared.output === undefined);
    return { kind: "differs", sealed, differences, durationMs, ...(hint === undefined ? {} : { hint }) };
  }

  /** The one that it lies in; of SQL that was copied to a store of files, the one that a run would use. */
  async #makingStore(): Promise<Store> {
    const { stores } = this.#context;
    const { runnable, success, store, task } = this.#request;
    const own = await stores.of(success);
    if (runnable.sql === undefined || own.performsSql) return own;
    const named = await stores.named(store);
    if (named.performsSql) return named;
    throw sqlForFiles(task, named.url);
  }

  failed(failure: Failure): Again {
    return {
      kind: "failed",
      failure: {
        ...failure,
        logTail: lastLines(this.#log.path, TAIL_LINES),
        durationMs: performance.now() - this.#startedMs,
        attempt: 1,
        attempts: 1,
      },
    };
  }

  /** What may be the reason that other bytes were made, where that can be told. */
  #hint({ needlesIn }: SealedTree, used: Isolation): string | undefined {
    const needleIn = needlesIn?.get(0);
    if (needleIn !== undefined) {
      const what = needleIn === "" ? "It" : `"${needleIn}"`;
      return `${what} holds the path of the scratch folder, which is another one each time: write relative paths into results.`;
    }
    const { host } = this.#execution;
    const isolation = ownIsolation(this.#execution.isolation);
    if (used !== isolation) return `It was made in the sandbox ${isolation} and verified in ${used}.`;
    return host === this.#context.host.host
      ? undefined
      : `It was made on ${host}: other programs there may be the reason.`;
  }

  async #differences(sealed: SealedTree, isFiles: boolean): Promise<Differences> {
    const { record, stores, checks, kill } = this.#context;
    const { success } = this.#request;
    const all = treeDifferences(decodeTree(await record.tree(success.treeDigest)), sealed.tree);
    const shown = all.slice(0, SHOWN_DIFFERENCES);
    // Recorded bytes that are not as they were committed would show a difference of their own.
    const intact = (await checks.before(success)) === undefined;
    using staged = intact && isFiles ? await stores.stage(success) : undefined;
    const top = staged?.path;
    let looked = 0;
    for (const [i, difference] of shown.entries()) {
      if (top === undefined || difference.kind !== "changed" || !difference.content) continue;
      if (looked++ === SHOWN_BYTES) break;
      const { path } = difference;
      const first = await firstDifference(placeOf(top, path), placeOf(sealed.path, path), kill);
      shown[i] = { ...difference, ...(first === undefined ? {} : { first }) } satisfies Difference;
    }
    return { shown, all: all.length };
  }
}

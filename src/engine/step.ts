// One task from claim to commit. Every way out of it leaves the record telling the truth: a success whose bytes are at
// its location, or a failure, or (if we are killed) a lease whose holder is dead.
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { AlamodeError } from "../errors.ts";
import type { OutputId } from "../plan/types.ts";
import type { ClaimRequest, Failure, Holder, Resources, Success } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import type { Making, SealedTree, Store } from "../store/types.ts";
import { type Command, judgeCommand, performCommand } from "./command.ts";
import { commitStep } from "./commit.ts";
import { ENVIRONMENT_FILE } from "./environments.ts";
import { failedThere } from "./failed-there.ts";
import { engineFailure } from "./failure.ts";
import { CappedLog, lastLines, TAIL_LINES } from "./log.ts";
import { LostInput, prepareMaking } from "./making.ts";
import type { TaskOptions } from "./options.ts";
import { resolvedKeyOf } from "./resolved-key.ts";
import { SHORTEST_BYTES } from "./secrets/forms.ts";
import { NO_SECRETS, type StepSecrets } from "./secrets/secrets.ts";
import { clearSlot, keepSlot } from "./slot.ts";
import { makeSource } from "./source-step.ts";
import { stageStep, topOf } from "./staging.ts";
import { digestsOf, madeOutput, type StepContext, type StepOutcome, type StepRequest } from "./step-types.ts";

/** How often a step is made again of which its store lost what it made. */
const MOST_LOST = 2;
/** How many scratch folders of failed executions are kept for each output. */
const KEPT_SCRATCH = 3;

/** Takes one step. Troubles of the engine's own surroundings (full disk, no descriptors) are failures too. */
export async function takeStep(context: StepContext, request: StepRequest): Promise<StepOutcome> {
  const path = request.runnable.env["PATH"] ?? request.passed["PATH"] ?? context.path;
  const resolvedKey =
    request.expansion?.resolvedKey ?? resolvedKeyOf(request.planTask, digestsOf(request.inputs));
  const wanted: ClaimRequest = {
    output: madeOutput(request),
    run: context.run,
    execution: request.execution,
    task: request.task,
    attempt: request.attempt,
    slot: request.slot,
    executor: context.executor.name,
    isolation: request.demanded,
    path,
    resolvedKey,
    inputs: Object.values(request.inputs),
    force: request.force,
    ...(request.waitedFor === undefined ? {} : { waitedFor: request.waitedFor }),
  };
  const claim = await context.record.claim(wanted, request.turn);
  switch (claim.kind) {
    case "outdated": // promise 4: what was decided on earlier in the run may have become stale since
      return { kind: "input-lost", outputs: claim.outputs };
    case "done":
      return { kind: "reused", success: claim.success };
    case "same":
      return { kind: "look-again" };
    case "held":
      return { kind: "held", holder: claim.holder };
    case "failed":
      return {
        kind: "failed",
        failure: await failedThere(context.stores, claim.execution, request),
        execution: claim.execution.id,
      };
    case "claimed":
      return new Step(context, request, { token: claim.token, path, resolvedKey }).take(claim.after);
    default:
      return claim satisfies never;
  }
}

/** A step that holds its lease. */
class Step {
  readonly #context: StepContext;
  readonly #request: StepRequest;
  readonly #token: string;
  readonly #path: string;
  readonly #resolvedKey: string;
  #startedMs = performance.now();
  readonly #log: CappedLog;
  #resources: Resources = {};
  #secrets = NO_SECRETS;
  /** Whether the slot holds something of this step. */
  #staged = false;

  constructor(
    context: StepContext,
    request: StepRequest,
    { token, path, resolvedKey }: { token: string; path: string; resolvedKey: string },
  ) {
    this.#context = context;
    this.#request = request;
    this.#token = token;
    this.#path = path;
    this.#resolvedKey = resolvedKey;
    const { slot, options, execution } = request;
    // With secrets the log is not the command's own to write.
    const own = context.spareLogs && !hasSecrets(options);
    const log = `${context.stores.main.logDir}/${execution}.log`;
    this.#log = new CappedLog(log, undefined, own ? `${slot}/log` : undefined);
  }

  async take(after: Holder | undefined): Promise<StepOutcome> {
    const { run, stores, stop } = this.#context;
    const { slot, sandbox, runnable, options, limits, passed, attempt, execution } = this.#request;
    try {
      if (after) await this.#endLeftovers(after);
      if (stop.aborted) return await this.#fail({ kind: "interrupted", message: "was stopped" });
      const lost = await this.#lostInput();
      if (lost) return lost;
      if (hasSecrets(options)) this.#secrets = await this.#fetchSecrets();

      const named = stores.named(options.store);
      const store = named instanceof Promise ? await named : named;
      if (!this.#context.cleared.delete(slot)) await clearSlot(slot);
      await using making = await this.#prepare(store);
      this.#secrets = this.#context.secrets.besides(this.#secrets, making);
      const other = await this.#otherInput(making);
      if (other) return other;
      this.#staged = true;
      const view = sandbox.view(slot);
      const staged = await stageStep({
        slot,
        runnable,
        making,
        store: stores.main,
        path: this.#path,
        view,
        inputLinks: sandbox.kind === "none" ? this.#context.inputLinks : undefined,
        mayBring: (name) => this.#context.checks.mayHold(this.#request.inputs[name]!, ENVIRONMENT_FILE),
        passed: { ...passed, ...this.#secrets.env },
      });
      const stagedMs = performance.now();
      const { marks } = this.#context.checks;
      // What was found to be changed while it waited may be an input of its own: it is claimed anew.
      if ((await this.#request.turn) === false || this.#context.checks.marks > marks) {
        await this.#fail({ kind: "interrupted", message: "was not started" }, { keepScratch: false });
        return { kind: "look-again" };
      }
      this.#startedMs += performance.now() - stagedMs; // others' time
      let sealed: SealedTree | undefined;
      if (runnable.source === undefined) {
        const command: Command = {
          step: `${run}/${execution}`,
          runnable,
          limits,
          staged,
          sandbox,
          isolation: this.#request.isolation,
          inputs: [...Object.values(making.inputs), ...making.reads],
          path: this.#path,
          slot,
          log: this.#log,
          secrets: this.#secrets,
        };
        this.#context.started(this.#request, this.#log.path);
        const ended = await performCommand(this.#context, command);
        this.#resources = ended.resources;
        const { checks, kill } = this.#context;
        const changed = await checks.changed(making, this.#request.inputs, kill);
        const failure = changed ?? judgeCommand(command, ended);
        if (failure) {
          if (!stop.aborted) await making.checkHeld();
          return await this.#fail(failure);
        }
        this.#request.over(ended.durationMs);
        // The next command first: what claims it takes the first turn, and it runs while this output is hashed.
        if (this.#request.pressing()) {
          await nextTurn();
          await nextTurn();
        }
      } else {
        this.#context.started(this.#request, this.#log.path);
        sealed = await makeSource(this.#context, this.#request, { store, top: staged.top });
      }

      const finished = {
        token: this.#token,
        resolvedKey: this.#resolvedKey,
        store,
        making,
        resources: this.#resources,
        secrets: this.#secrets,
        ...(sealed === undefined ? {} : { sealed }),
        ...this.#logName(),
      };
      const keeping = this.#keepLog();
      const success = await commitStep(this.#context, this.#request, finished).finally(() => keeping);
      // It is a success by now whatever becomes of the slot; the next step clears it too, and tells what is wrong.
      const cleared = clearSlot(slot, { keepInputs: true, untouched: this.#context.untouched });
      await cleared.then(
        () => this.#context.cleared.add(slot),
        () => {},
      );
      const stands = success.state === "current" ? undefined : await this.#standing(success.output);
      const durationMs = performance.now() - this.#startedMs;
      return { kind: "ran", success, attempt, durationMs, ...(stands ? { stands } : {}) };
    } catch (error) {
      if (error instanceof LostInput) {
        this.#warnOfInput(error.input, error.how);
        return this.#inputLost([error.success.output], error.input, error.how);
      }
      if (error instanceof AlamodeError && error.code === "lease-lost") return this.#leaseLost();
      if (error instanceof AlamodeError && error.code === "making-lost") return this.#makingLost(error);
      const failure = engineFailure(error);
      if (failure === undefined) throw error;
      const keepScratch = !(error instanceof AlamodeError && error.code === "secret-in-output");
      return this.#fail(failure, { keepScratch });
    }
  }

  async #fetchSecrets(): Promise<StepSecrets> {
    const { secrets, warn } = this.#context;
    const { options, task } = this.#request;
    const fetched = await secrets.of(options.secrets);
    for (const variable of fetched.short) {
      const message = `the secret ${variable} has fewer than ${SHORTEST_BYTES} bytes: it is masked nowhere, and not looked for in the output`;
      warn("short-secret", message, task, "Use a longer one.");
    }
    return fetched;
  }

  #prepare(store: Store): Promise<Making> {
    const { stop } = this.#context;
    const { inputs, execution: name, slot } = this.#request;
    const request = { name, output: madeOutput(this.#request), top: topOf(slot) };
    return prepareMaking(store, inputs, this.#context, request, stop);
  }

  /** Another may make it by now, and what it makes counts: what was made here is dropped, and the record asked again. */
  async #leaseLost(): Promise<StepOutcome> {
    this.#context.warn(
      "lease-lost",
      "was not heard of for so long that its lease ran out, and so nothing of it is recorded; another run may have made it",
      this.#request.task,
      "Keep this machine awake and in touch with the record, or allow more: lease_seconds in the record's URL.",
    );
    await clearSlot(this.#request.slot).catch(() => {});
    return { kind: "look-again" };
  }

  /** Whatever became of the command, it is made again: a few times, since it may be what brings its store down. */
  async #makingLost(error: AlamodeError): Promise<StepOutcome> {
    const { lostMakings, warn } = this.#context;
    const output = madeOutput(this.#request);
    const times = (lostMakings.get(output) ?? 0) + 1;
    lostMakings.set(output, times);
    const failed = await this.#fail(engineFailure(error)!, { keepScratch: false });
    if (times > MOST_LOST) return failed;
    warn("making-lost", `${error.message}, so it is made again`, this.#request.task);
    return { kind: "look-again" };
  }

  /** Before an output is remade, nothing that its dead maker started here may still be at work on it. */
  async #endLeftovers({ run, execution, host, pid, slot }: Holder): Promise<void> {
    const { executor, warn, stop } = this.#context;
    // Of another host nothing can be told, and its processes are not ours; what they still make is never committed.
    if (this.#context.record.leases === "heartbeat" && host !== this.#context.host.host) return;
    const waiting = () =>
      warn(
        "waiting",
        `waits until nothing of the dead run ${run} (${host}, pid ${pid}) holds ${slot} any more`,
        this.#request.task,
      );
    await executor.endLeftovers(slot, `${run}/${execution}`, waiting, stop);
  }

  async #standing(output: OutputId): Promise<Success | undefined> {
    return (await this.#context.record.successes([output])).get(output);
  }

  /** Promise 10, before: inputs that are not as they were committed are not read. All of them are looked at. */
  async #lostInput(): Promise<StepOutcome | undefined> {
    const wrong = await this.#context.checks.wrongBefore(this.#request.inputs);
    return wrong.size === 0 ? undefined : this.#inputsLost(wrong);
  }

  /** The same of what is read where it lies. */
  async #otherInput(making: Making): Promise<StepOutcome | undefined> {
    const { checks, stop } = this.#context;
    const wrong = await checks.compared(making, this.#request.inputs, "before", stop);
    return wrong.size === 0 ? undefined : this.#inputsLost(wrong);
  }

  /** `wrong`: one input or more. */
  async #inputsLost(wrong: ReadonlyMap<string, string>): Promise<StepOutcome> {
    const [first] = wrong;
    for (const [name, found] of wrong) this.#warnOfInput(name, found);
    const outputs = new Set([...wrong.keys()].map((name) => this.#request.inputs[name]!.output));
    return this.#inputLost([...outputs], ...first!);
  }

  async #inputLost(outputs: readonly OutputId[], name: string, how: string): Promise<StepOutcome> {
    await this.#fail({ kind: "input-damaged", message: `its input "${name}" ${how}` });
    return { kind: "input-lost", outputs };
  }

  #warnOfInput(name: string, how: string): void {
    const message = `its input "${name}" ${how}, so that is made again first`;
    this.#context.warn("input-lost", message, this.#request.task);
  }

  async #fail(told: Failure, { keepScratch = true } = {}): Promise<StepOutcome> {
    const failure = this.#context.secrets.maskedIn(told);
    const { execution, inputs, attempt, options } = this.#request;
    // What filled the disk is not kept on it: the record and other steps need the space.
    const full = failure.kind === "no-space";
    // And data can be looked at where it is.
    const left = full || !keepScratch || this.#request.runnable.source !== undefined;
    if (left) await clearSlot(this.#request.slot).catch(() => {});
    const scratch = this.#staged && !left ? await this.#keepScratch() : undefined;
    await this.#keepLog();
    await this.#context.record.fail(this.#token, execution, failure, {
      endedAt: Date.now(),
      resources: this.#resources,
      inputs: digestsOf(inputs),
      ...this.#logName(),
      ...(scratch === undefined ? {} : { scratch }),
    });
    // Whoever took it over has ended what ran here: that is no failure of the task's.
    const taken =
      this.#context.record.leases === "heartbeat" && (await this.#context.record.execution(execution));
    if (taken && taken.failure?.kind === "abandoned") return this.#leaseLost();
    return {
      kind: "failed",
      execution,
      failure: {
        ...failure,
        logTail: this.#log.kept ? lastLines(this.#log.path, TAIL_LINES) : [],
        ...(this.#log.kept ? { log: this.#log.path } : {}),
        ...(scratch === undefined ? {} : { scratch }),
        durationMs: performance.now() - this.#startedMs,
        attempt,
        attempts: options.retries + 1,
      },
    };
  }

  /** Where others find it. That it cannot be kept there matters less than what came of the step. */
  async #keepLog(): Promise<void> {
    const { log } = this.#logName();
    if (log === undefined) return;
    try {
      await this.#context.stores.main.keepLog(log);
    } catch (error) {
      if (!(error instanceof AlamodeError)) throw error;
      this.#context.warn(
        "log-not-kept",
        `its log stays on this machine: ${error.message}`,
        this.#request.task,
      );
    }
  }

  #logName(): { log?: string } {
    return this.#log.kept ? { log: `${this.#request.execution}.log` } : {};
  }

  /** Moves the scratch folder to where people can look at it. Returns where; undefined if that was not possible. */
  async #keepScratch(): Promise<string | undefined> {
    const { record, stores } = this.#context;
    const { slot, execution } = this.#request;
    const folder = join(stores.main.scratchDir, "failed", execution);
    try {
      await this.#context.inputLinks.straighten(slot);
      keepSlot(slot, folder);
    } catch {
      return undefined; // a full disk, say: that the step failed matters more than its scratch folder
    }
    try {
      for (const old of (await record.keptScratch(madeOutput(this.#request))).slice(KEPT_SCRATCH - 1)) {
        await removeTree(old.scratch);
        await record.forgetScratch(old.execution);
      }
    } catch {
      // Another user's, perhaps: whoever may remove it does so when it fails there again.
    }
    return folder;
  }
}

function hasSecrets({ secrets }: TaskOptions): boolean {
  return Object.keys(secrets).length > 0;
}

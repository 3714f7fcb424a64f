// A folder staged exactly like a step's, for people to look around in and to try the command.
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AlamodeError } from "../errors.ts";
import { graphOf } from "../plan/graph.ts";
import { DEFAULT_PATH } from "../plan/search-path.ts";
import type { OptionsByPattern, Plan } from "../plan/types.ts";
import type { RecordDb } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import { type Stores, storesOf } from "../store/stores.ts";
import type { Making, Store } from "../store/types.ts";
import { demandsOf } from "./demands.ts";
import { thisHost } from "./host.ts";
import { pinImages } from "./images.ts";
import { doneInputs } from "./inputs.ts";
import { prepareMaking } from "./making.ts";
import { ConfiguredOptions } from "./options.ts";
import { passed } from "./pass.ts";
import { runnableOf } from "./runnable.ts";
import { Sandboxes } from "./sandbox/sandboxes.ts";
import type { Wrapped } from "./sandbox/types.ts";
import { Secrets } from "./secrets/secrets.ts";
import { clearSlot } from "./slot.ts";
import { keepSources } from "./sources.ts";
import { sqlForFiles } from "./sql-destination.ts";
import { stageStep, topOf } from "./staging.ts";

export interface Shell {
  /** The command as its author wrote it. */
  readonly command: string;
  /** What is performed: a program and its arguments. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What to start so that a program runs as the command would: with its umask, in the same sandbox. */
  wrap(argv: readonly string[]): Wrapped;
  /** Whether the caller's own programs are not there. */
  readonly inImage: boolean;
  /** The value of $OUTPUT. Nothing written there is committed. */
  readonly output: string;
  /** Removes the folder. */
  close(): Promise<void>;
}

export interface ShellOptions {
  readonly record: RecordDb;
  /** One store, or all that the project knows. */
  readonly store: Store | Stores;
  readonly path?: string;
  readonly callerEnv?: Readonly<Record<string, string | undefined>>;
  /** As for `run`. */
  readonly sandbox?: string;
  readonly usualSandbox?: string;
  readonly options?: OptionsByPattern;
}

/** Stages a task. Throws `unknown-task`, `bad-task`, `input-not-done`, `source-missing`, `secret-missing`, `image-missing`. */
export async function openShell(given: Plan, task: string, options: ShellOptions): Promise<Shell> {
  const { record, callerEnv = process.env } = options;
  const stores = storesOf(options.store);
  const { plan } = await pinImages(given);
  const graph = graphOf(plan);
  graph.nodeOf(task);
  const planTask = plan.tasks[task]!;
  const runnable = runnableOf(task, planTask);
  if (runnable.source !== undefined) {
    throw new AlamodeError("no-command", `task "${task}" is data: it has no command to look into`, {
      hint: `Look at it with  alamode path ${task}`,
    });
  }
  const configured = new ConfiguredOptions(options.options);
  const { pass, secrets, store: named } = configured.of(plan, task);
  const store = await stores.named(named);
  if (runnable.sql !== undefined && !store.performsSql) throw sqlForFiles(task, store.url);
  const { env: secretEnv } = await new Secrets(callerEnv).of(secrets);
  const handed = { ...passed(pass, callerEnv), ...secretEnv };
  await keepSources([{ runnable }], stores.main);
  const shutIn = await new Sandboxes(configured, options).open(plan, graph);
  const sandbox = shutIn.of(planTask);
  const demands = await demandsOf(plan, graph, shutIn, record);
  const isolation = demands.own(planTask);
  await sandbox.ready({ isolation, image: runnable.image });
  const source = { record, stores, host: thisHost(), mark: false, demands };
  const successes = await doneInputs(plan, graph, task, source);
  const id = randomBytes(6).toString("hex");
  const slot = join(stores.main.scratchDir, `shell-${id}`);
  mkdirSync(slot, { mode: 0o755 });
  let making: Making | undefined;
  const close = async () => {
    await making?.[Symbol.asyncDispose]();
    await removeTree(slot);
  };
  try {
    await clearSlot(slot);
    const request = { name: `shell-${id}`, output: planTask.output, top: topOf(slot) };
    making = await prepareMaking(store, successes, { record, stores }, request);
    const path = runnable.env["PATH"] ?? handed["PATH"] ?? options.path ?? DEFAULT_PATH;
    const view = sandbox.view(slot);
    const staged = await stageStep({
      slot,
      runnable,
      making,
      store: stores.main,
      path,
      view,
      passed: handed,
    });
    const env = { ...staged.env, ALAMODE_STEP: `shell/${id}` };
    const confinement = {
      env,
      isolation,
      image: runnable.image,
      interactive: true,
      slot,
      inputs: [...Object.values(making.inputs), ...making.reads, ...runnable.reads],
      path,
      network: runnable.network,
    };
    return {
      ...staged,
      output: staged.output ?? staged.env["OUTPUT"]!,
      env,
      command: runnable.shown,
      argv: runnable.argv,
      inImage: sandbox.kind === "container",
      wrap(argv) {
        const wrapped = sandbox.wrap({ ...confinement, argv });
        return { ...wrapped, argv: ["/bin/sh", "-c", 'umask 022; exec "$@"', "sh", ...wrapped.argv] };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

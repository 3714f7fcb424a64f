// A folder staged exactly like a step's, for people to look around in and to try the command.
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { graphOf } from "../plan/graph.ts";
import type { Plan } from "../plan/types.ts";
import type { RecordDb } from "../record/types.ts";
import { removeTree } from "../store/remove.ts";
import type { Store } from "../store/types.ts";
import { thisHost } from "./host.ts";
import { doneInputs } from "./inputs.ts";
import { optionsOf, passed, runnableOf } from "./runnable.ts";
import { clearSlot } from "./slot.ts";
import { keepSources } from "./sources.ts";
import { DEFAULT_PATH, stageStep } from "./staging.ts";

export interface Shell {
  /** The command as its author wrote it. */
  readonly command: string;
  /** What is performed: a program and its arguments. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** The value of $OUTPUT. Nothing written there is committed. */
  readonly output: string;
  /** Removes the folder. */
  close(): Promise<void>;
}

export interface ShellOptions {
  readonly record: RecordDb;
  readonly store: Store;
  readonly path?: string;
  readonly callerEnv?: Readonly<Record<string, string | undefined>>;
}

/** Stages a task. Throws `unknown-task`, `bad-task`, `input-not-done`, `source-missing`. */
export async function openShell(plan: Plan, task: string, options: ShellOptions): Promise<Shell> {
  const { record, store, callerEnv = process.env } = options;
  const graph = graphOf(plan);
  graph.nodeOf(task);
  const planTask = plan.tasks[task]!;
  const runnable = runnableOf(task, planTask);
  const handed = passed(optionsOf(plan, task).pass, callerEnv);
  await keepSources([runnable], store);
  const successes = await doneInputs(plan, graph, task, { record, store, host: thisHost(), mark: false });
  const slot = join(store.scratchDir, `shell-${randomBytes(6).toString("hex")}`);
  mkdirSync(slot, { mode: 0o755 });
  try {
    await clearSlot(slot);
    const inputs: Record<string, string> = Object.create(null);
    for (const [name, success] of Object.entries(successes))
      inputs[name] = await store.stage(success.location);
    const path = runnable.env["PATH"] ?? handed["PATH"] ?? options.path ?? DEFAULT_PATH;
    const { cwd, env, output } = await stageStep({ slot, runnable, inputs, store, path, passed: handed });
    return { command: runnable.shown, argv: runnable.argv, cwd, env, output, close: () => removeTree(slot) };
  } catch (error) {
    await removeTree(slot);
    throw error;
  }
}

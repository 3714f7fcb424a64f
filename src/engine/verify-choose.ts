// Which tasks are run again: those of the plan, and of the plans that its tasks wrote.
import { randomBytes } from "node:crypto";
import { graphOf } from "../plan/graph.ts";
import type { OutputId, Plan, PlanTask } from "../plan/types.ts";
import type { RecordDb, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import { expansionOutput, MAX_DEPTH, readExpansion } from "./expansion.ts";
import { sampleOf } from "./verify-sample.ts";

export interface Chosen {
  /** The plan that it is a task of, and its name there. */
  readonly plan: Plan;
  readonly name: string;
  /** What people call it: before a task of a plan that a task wrote goes that one's name, and a slash. */
  readonly task: string;
  /** What running it makes: of a task with `expand` the plan that it writes. */
  readonly output: OutputId;
  readonly success: Success | undefined;
}

export interface Choice {
  readonly chosen: readonly Chosen[];
  /** How many there were to choose from. */
  readonly of: number;
  /** What the sample was drawn by. */
  readonly seed?: string;
}

export interface ChoiceOptions {
  readonly record: RecordDb;
  readonly stores: Stores;
  /** Names of tasks; by default all that are done. Those that are not are chosen only if named, and no sample is drawn. */
  readonly tasks?: readonly string[];
  readonly share?: number;
  readonly seed?: string;
}

/** Each output once, under its first name. Throws `unknown-task`. */
export async function choose(plan: Plan, options: ChoiceOptions): Promise<Choice> {
  const { record, stores, tasks, share, seed } = options;
  const seen = new Set<OutputId>();
  const named = await candidatesOf(plan, tasks, "");
  const all = [...named];
  await addWritten(named, 1);
  const done = await thoseDone(all);
  if (share !== undefined) {
    const drawnBy = seed ?? String(randomBytes(4).readUInt32BE());
    const chosen = done.length === 0 ? [] : sampleOf(done, ({ output }) => output, share, drawnBy);
    return { of: done.length, chosen, seed: drawnBy };
  }
  if (tasks === undefined) return { of: done.length, chosen: done };
  const chosen = new Set([...named, ...done]);
  return { of: chosen.size, chosen: [...chosen] };

  async function candidatesOf(
    plan: Plan,
    names: readonly string[] | undefined,
    prefix: string,
  ): Promise<Chosen[]> {
    const graph = graphOf(plan);
    const found: Omit<Chosen, "success">[] = [];
    for (const name of names ?? Object.keys(plan.tasks)) {
      graph.nodeOf(name);
      const planTask = plan.tasks[name]!;
      const output = isExpander(planTask) ? expansionOutput(planTask.output) : planTask.output;
      if (seen.has(output)) continue;
      seen.add(output);
      found.push({ plan, name, task: `${prefix}${name}`, output });
    }
    const successes = await record.successes(found.map(({ output }) => output));
    return found.map((one) => ({ ...one, success: successes.get(one.output) }));
  }

  /** The tasks of the plans that these wrote, and so on. */
  async function addWritten(candidates: readonly Chosen[], depth: number): Promise<void> {
    const expanders = candidates.filter(({ plan, name }) => isExpander(plan.tasks[name]!));
    for (const { task, success } of depth > MAX_DEPTH ? [] : await thoseDone(expanders)) {
      using staged = await stores.stage(success!);
      const written = await readExpansion(staged.path, new Set(), stores.main);
      const below = await candidatesOf(written.plan, undefined, `${task}/`);
      for (const one of below) all.push(one);
      await addWritten(below, depth + 1);
    }
  }

  async function thoseDone(candidates: readonly Chosen[]): Promise<Chosen[]> {
    const made = candidates.filter(
      ({ plan, name, success }) => success !== undefined && !isData(plan.tasks[name]!),
    );
    const there = await stores.present(made.map(({ success }) => success!));
    return made.filter((_, i) => there[i]);
  }
}

/** Whether nothing makes it, because it comes from outside. */
export function isData(task: PlanTask): boolean {
  return "source" in task && !("command" in task) && !("module" in task);
}

export function isExpander(task: PlanTask): boolean {
  return task["expand"] === 1;
}

// What the engine needs to know of each due node: read and checked before anything starts, all bad tasks in one error.
import { AlamodeError } from "../errors.ts";
import type { PlanGraph } from "../plan/graph.ts";
import { type Place, placeOf } from "../plan/places.ts";
import type { Plan, PlanTask } from "../plan/types.ts";
import type { Cause, Decision } from "./decide.ts";
import type { Machine } from "./machine.ts";
import type { ConfiguredOptions, TaskOptions } from "./options.ts";
import { passed } from "./pass.ts";
import { throwAll } from "./problems.ts";
import { type Runnable, runnableOf } from "./runnable.ts";
import { whyMissing } from "./secrets/references.ts";

export interface Parsed {
  readonly task: string;
  readonly planTask: PlanTask;
  readonly runnable: Runnable;
  readonly options: TaskOptions;
  /** What the option `pass` hands over. */
  readonly passed: Readonly<Record<string, string>>;
  /** Where the data of a source task is to be had. */
  readonly place: Place | undefined;
}

/** What a run brings along for the tasks of its plans. */
export interface Surroundings {
  /** The caller's environment, where `pass` finds variables. */
  readonly callerEnv: Readonly<Record<string, string | undefined>>;
  readonly configured: ConfiguredOptions;
  readonly machine: Machine;
}

/** What is said of an external input that cannot be used. */
const WHY_MISSING: Readonly<Record<Cause["kind"], string>> = {
  none: "no record holds",
  lost: "is gone from the store",
  damaged: "was changed in the store",
  elsewhere: "lies in a store that this project does not name",
  stale: "rests on bytes that have since been made otherwise",
};

export class Work {
  #plan: Plan;
  #graph: PlanGraph;
  #surroundings: Surroundings;
  #prefix: string;
  #parsed = new Map<number, Parsed>();
  #causes = new Map<number, Cause>();
  /** Whether the options of all tasks were looked at. */
  #checked = false;

  /** `prefix`: what the tasks' names begin with where patterns are held against them. */
  constructor(plan: Plan, graph: PlanGraph, surroundings: Surroundings, prefix = "") {
    this.#plan = plan;
    this.#graph = graph;
    this.#surroundings = surroundings;
    this.#prefix = prefix;
  }

  /** Reads every due task, and the options of all others. Throws `bad-task`, `bad-options`, `too-large`, `unknown-pool`, `external-missing`, with all that is wrong. */
  add({ due }: Decision): void {
    const problems: AlamodeError[] = [];
    for (const [node, cause] of due) {
      this.#causes.set(node, cause);
      try {
        this.#parse(node, cause);
      } catch (error) {
        if (!(error instanceof AlamodeError)) throw error;
        problems.push(error);
      }
    }
    // Of tasks that are done too: an option that means nothing must not wait for the day when it is needed.
    const told = new Set(problems.map(({ message }) => message));
    const all = this.#checked ? [] : this.#surroundings.configured.problems(this.#plan, this.#prefix);
    this.#checked = true;
    throwAll([...problems, ...all.filter(({ message }) => !told.has(message))]);
  }

  of(node: number): Parsed {
    return this.#parsed.get(node)!;
  }

  cause(node: number): Cause {
    return this.#causes.get(node)!;
  }

  /** The secrets of due tasks that cannot be had, one line each: that is told before anything runs. */
  missingSecrets(): string[] {
    const { callerEnv } = this.#surroundings;
    const missing = new Set<string>();
    for (const { task, options } of this.#parsed.values()) {
      for (const [variable, reference] of Object.entries(options.secrets)) {
        const why = whyMissing(reference, callerEnv);
        if (why !== undefined) missing.add(`${variable} of task "${task}": ${why}`);
      }
    }
    return [...missing];
  }

  /** Everything that was read so far. */
  parsed(): Iterable<Parsed> {
    return this.#parsed.values();
  }

  *runnables(): Iterable<Runnable> {
    for (const { runnable } of this.#parsed.values()) yield runnable;
  }

  #parse(node: number, cause: Cause): void {
    if (this.#parsed.has(node)) return;
    const task = this.#graph.names(node)[0];
    if (task === undefined) throw externalMissing(this.#graph, node, cause);
    const { callerEnv, configured, machine } = this.#surroundings;
    const name = this.#prefix + task;
    const options = configured.of(this.#plan, task, name);
    machine.refuseTooLarge(name, options);
    const planTask = this.#plan.tasks[task]!;
    const runnable = runnableOf(task, planTask);
    const place = placeOf(this.#plan, task);
    refuseBoth(task, runnable, options);
    this.#parsed.set(node, {
      task,
      planTask,
      runnable,
      options,
      passed: passed(options.pass, callerEnv),
      place,
    });
  }
}

/** The spec's word wins over what is passed; a secret that is silently another value would be worse than none. */
function refuseBoth(task: string, { env }: Runnable, { secrets }: TaskOptions): void {
  const variable = Object.keys(secrets).find((name) => Object.hasOwn(env, name));
  if (variable === undefined) return;
  throw new AlamodeError(
    "bad-options",
    `options of task "${task}": ${variable} is a secret, and in its spec's env too`,
    {
      hint: "Take it out of the spec: all of that is hashed, recorded and shared.",
    },
  );
}

function externalMissing(graph: PlanGraph, node: number, cause: Cause): AlamodeError {
  const output = graph.outputs[node]!;
  const { task, dependency } = graph.external.find((input) => input.output === output)!;
  return new AlamodeError(
    "external-missing",
    `input "${dependency}" of task "${task}" is output ${output.slice(0, 8)}, which no task of this plan makes and ${WHY_MISSING[cause.kind]}.`,
    {
      facts: { output },
      hint: "Run the pipeline that makes it first, or point --record at the one that did.",
    },
  );
}

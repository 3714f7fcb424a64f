// What the engine needs to know of each due node: read and checked before anything starts, all bad tasks in one error. Nothing of it
// is kept: of a hundred thousand tasks that took 30 MB, and reading one again when its turn comes takes 1 µs.
import { AlamodeError } from "../errors.ts";
import type { PlanGraph } from "../plan/graph.ts";
import { type Place, placeOf } from "../plan/places.ts";
import type { Plan, PlanTask } from "../plan/types.ts";
import { type Cause, type Decision, NEVER_MADE } from "./decide.ts";
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

/** Of so many is kept what was read: more than run at once. */
const MOST_RECENT = 1024;

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
  /** Of those that are due for more than never having been made. */
  readonly #causes = new Map<number, Cause>();
  /** Those of which something is to be seen to before anything runs: most name nothing. */
  readonly #notable = new Set<number>();
  readonly #storeNames = new Set<string | undefined>();
  #grows = false;
  /** The last that were asked for: each is asked for several times in a row. */
  readonly #recent = new Map<number, Parsed>();
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
      if (cause.kind === "none") this.#causes.delete(node);
      else this.#causes.set(node, cause);
      try {
        this.#check(node);
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
    const known = this.#recent.get(node);
    if (known !== undefined) return known;
    const parsed = this.#parse(node);
    if (this.#recent.size >= MOST_RECENT) this.#recent.clear();
    this.#recent.set(node, parsed);
    return parsed;
  }

  cause(node: number): Cause {
    return this.#causes.get(node) ?? NEVER_MADE;
  }

  /** Where outputs of due tasks go, as their options say. */
  get storeNames(): Iterable<string | undefined> {
    return this.#storeNames;
  }

  /** Whether a due task writes a plan. */
  get grows(): boolean {
    return this.#grows;
  }

  /** The secrets of due tasks that cannot be had, one line each: that is told before anything runs. */
  missingSecrets(): string[] {
    const { callerEnv } = this.#surroundings;
    const missing = new Set<string>();
    for (const { task, options } of this.notable()) {
      for (const [variable, reference] of Object.entries(options.secrets)) {
        const why = whyMissing(reference, callerEnv);
        if (why !== undefined) missing.add(`${variable} of task "${task}": ${why}`);
      }
    }
    return [...missing];
  }

  /** These, each read anew. */
  *parsed(nodes: Iterable<number>): Iterable<Parsed> {
    for (const node of nodes) yield this.#parse(node);
  }

  /** Those that have files, a module, SQL, an image or secrets, of all that were added. */
  notable(): Iterable<Parsed> {
    return this.parsed(this.#notable);
  }

  /** Throws what is wrong with it. */
  #check(node: number): void {
    const { runnable, options } = this.#parse(node);
    const { files, module, sql, image } = runnable;
    this.#storeNames.add(options.store);
    this.#grows ||= runnable.expand;
    const isNotable = module !== undefined || sql !== undefined || image !== undefined;
    if (isNotable || hasKeys(files) || hasKeys(options.secrets)) this.#notable.add(node);
  }

  #parse(node: number): Parsed {
    const task = this.#graph.names(node)[0];
    if (task === undefined) throw externalMissing(this.#graph, node, this.cause(node));
    const { callerEnv, configured, machine } = this.#surroundings;
    const name = this.#prefix + task;
    const options = configured.of(this.#plan, task, name);
    machine.refuseTooLarge(name, options);
    const planTask = this.#plan.tasks[task]!;
    const runnable = runnableOf(task, planTask);
    const place = placeOf(this.#plan, task);
    refuseBoth(task, runnable, options);
    return { task, planTask, runnable, options, passed: passed(options.pass, callerEnv), place };
  }
}

function hasKeys(map: object): boolean {
  for (const _ in map) return true;
  return false;
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

// How tasks are run: all options there are, one entry each, and what pipeline and configuration come to for one task. They change
// no ID. What the configuration says of a pattern of names wins over the pipeline's own word, for it knows the machine; what is
// passed and what is secret adds up.
import { matchesGlob } from "node:path";
import { AlamodeError } from "../errors.ts";
import { nearNames } from "../plan/near.ts";
import type { Options, OptionsByPattern, Plan } from "../plan/types.ts";
import { atAttempt, durationMs, type Quantity, quantity, sizeBytes } from "../quantities.ts";
import { SANDBOX_KINDS, type SandboxKind } from "./sandbox/types.ts";
import { type SecretReferences, secretReferences } from "./secrets/references.ts";

interface Option<T> {
  /** A value of the pipeline's meta or of the configuration; undefined is the answer for one that it cannot have. */
  readonly read: (value: unknown) => T | undefined;
  readonly otherwise: T;
  /** What is said of a wrong value, after the option's name and "must be". */
  readonly must: string;
  readonly hint: string;
  /** What two that hold for one task come to, where the later one does not simply win. */
  readonly added?: (some: T, more: T) => T;
}

/** No command comes by with less: whoever writes `memory: 4` does not mean bytes. */
const LEAST_MEMORY_BYTES = 2 ** 20;

const DURATIONS = "Write seconds, or text such as '90s', '10m', '2h', '1d'";

const OPTIONS = {
  /** How often it is tried again. */
  retries: option<number>({
    read: (value) => wholeNumber(value, 0),
    otherwise: 0,
    must: "a whole number from 0",
    hint: "Write e.g. { retries: 2 }.",
  }),
  /** Milliseconds before it is tried again; twice as many each time. */
  backoff: option<number>({
    read: (value) => durationMs(value, 0),
    otherwise: 1000,
    must: "a duration",
    hint: `${DURATIONS}.`,
  }),
  /** Milliseconds that an attempt may take. */
  timeout: option<Quantity | undefined>({
    read: (value) => quantity(value, durationMs),
    otherwise: undefined,
    must: "a duration",
    hint: `${DURATIONS}, or '10m * attempt'.`,
  }),
  /** How many processor cores it keeps busy. */
  cpus: option<number>({
    read: (value) => wholeNumber(value, 1),
    otherwise: 1,
    must: "a whole number from 1",
    hint: "Write e.g. { cpus: 4 }.",
  }),
  /** Bytes of memory that an attempt may use. */
  memory: option<Quantity | undefined>({
    read: (value) => quantity(value, (size) => sizeBytes(size, LEAST_MEMORY_BYTES)),
    otherwise: undefined,
    must: "a size of 1 MiB or more",
    hint: "Write text such as '512MiB', '1.5GiB', '4GB', or '1GiB * attempt'.",
  }),
  /** How many GPUs it uses, alone. */
  gpus: option<number>({
    read: (value) => wholeNumber(value, 0),
    otherwise: 0,
    must: "a whole number from 0",
    hint: "Write e.g. { gpus: 1 }.",
  }),
  /** Pool → how much of it it takes. How much there is, the configuration says under `pools`. */
  pool: option<Readonly<Record<string, number>>>({
    read: (value) => (typeof value === "string" && value !== "" ? { [value]: 1 } : counts(value)),
    otherwise: {},
    must: "a pool's name, or a map of names, each to a whole number from 1",
    hint: "Write e.g. { pool: 'database' } or { pool: { database: 2 } }.",
  }),
  /** Of tasks that could start, those with more start first. */
  priority: option<number>({
    read: (value) => wholeNumber(value, Number.MIN_SAFE_INTEGER),
    otherwise: 0,
    must: "a whole number",
    hint: "Write e.g. { priority: 10 }, or -10 for what may wait.",
  }),
  /** How its command is shut in. */
  sandbox: option<SandboxKind | undefined>({
    read: (value) => SANDBOX_KINDS.find((kind) => kind === value),
    otherwise: undefined,
    must: `one of ${SANDBOX_KINDS.join(", ")}`,
    hint: "Write e.g. { sandbox: 'bubblewrap' }.",
  }),
  /** Where in the project people find what it makes, always as it was last made. */
  publish: option<Published | undefined>({
    read: published,
    otherwise: undefined,
    must: "a path in the project, or { path, copy }",
    hint: "Write e.g. { publish: 'results/report.html' }, 'results/{task}.csv' for many, or { path: 'results/report.html', copy: true }.",
  }),
  /** Names, or patterns with `*`, of the caller's variables that are handed to the step. */
  pass: option<readonly string[]>({
    read: (value) => texts(typeof value === "string" ? [value] : value),
    otherwise: [],
    must: "a list of names",
    hint: "Write e.g. { pass: ['TOKEN', 'AWS_*'] }.",
    added: (some, more) => [...some, ...more],
  }),
  /** Variables of the step whose values nobody else may see → where these are. */
  secrets: option<SecretReferences>({
    read: secretReferences,
    otherwise: Object.freeze({}),
    must: "a map of variables, each to { env }, { file } or { command }",
    hint: "Write e.g. { secrets: { API_KEY: { env: 'SHOP_API_KEY' }, TOKEN: { file: '~/.token' } } }.",
    added: (some, more) => ({ ...some, ...more }),
  }),
  /** Where its output is kept: a name from `stores` in the configuration, a URL, or an absolute path. */
  store: option<string | undefined>({
    read: (value) => (typeof value === "string" && value !== "" ? value : undefined),
    otherwise: undefined,
    must: "the name or URL of a store",
    hint: "Write e.g. { store: 'team' }, and in alamode.config.ts  stores: { team: 's3://bucket/prefix' }.",
  }),
};

/** What all the options of one task come to. */
export type TaskOptions = { readonly [Name in keyof typeof OPTIONS]: (typeof OPTIONS)[Name]["otherwise"] };

/** `path` may hold `{task}`, the task's name, and `{name}`, what follows its last slash. A link leads there, or a copy lies there. */
export interface Published {
  readonly path: string;
  readonly copy: boolean;
}

/** What one attempt may use. */
export interface Limits {
  readonly timeoutMs?: number;
  readonly memoryBytes?: number;
}

interface Rule {
  readonly pattern: string;
  /** What every name that it matches begins with. */
  readonly start: string;
  readonly options: Options;
}

/** What a configuration says of tasks, ready to be asked of each. */
export class ConfiguredOptions {
  readonly #rules: readonly Rule[];

  /** Throws `bad-options`. */
  constructor(byPattern: OptionsByPattern = {}) {
    this.#rules = Object.entries(byPattern).map(([pattern, options]) => {
      readOptions(options, `options for "${pattern}"`);
      return { pattern, start: /^[^*?[\]{}()!+@\\]*/.exec(pattern)![0], options };
    });
  }

  /** The options of a task. `name`: what patterns are held against, which says more where a task wrote the plan. Throws `bad-options`. */
  of(plan: Plan, task: string, name = task): TaskOptions {
    const all = plan.meta["options"];
    const own = isMap(all) ? all[task] : undefined;
    const where = `options of task "${name}"`;
    const rules = this.#rules.filter((rule) => matches(rule, name));
    if (rules.length === 0) return own === undefined ? NONE : readOptions(own, where);
    const merged: Record<string, unknown> = Object.create(null);
    for (const options of [own ?? {}, ...rules.map((rule) => rule.options)]) {
      if (!isMap(options)) return readOptions(options, where);
      for (const [key, value] of Object.entries(options))
        if (value !== undefined) merged[key] = both(key, merged[key], value);
    }
    return readOptions(merged, where);
  }

  /** What is wrong with the options of the plan's tasks, due or not: one `bad-options` for each such task. */
  problems(plan: Plan, prefix = ""): AlamodeError[] {
    const all = plan.meta["options"];
    const problems: AlamodeError[] = [];
    for (const task of isMap(all) ? Object.keys(all) : []) {
      if (!Object.hasOwn(plan.tasks, task)) continue;
      try {
        this.of(plan, task, prefix + task);
      } catch (error) {
        if (!(error instanceof AlamodeError)) throw error;
        problems.push(error);
      }
    }
    return problems;
  }

  /** The tasks of a plan to which this option was given, whatever its value. `prefix`: what their names begin with for patterns. */
  tasksWith(plan: Plan, key: keyof TaskOptions, prefix = ""): string[] {
    const all = plan.meta["options"];
    const rules = this.#rules.filter(({ options }) => options[key] !== undefined);
    const has = (task: string) => {
      const own = isMap(all) ? all[task] : undefined;
      return (isMap(own) && own[key] !== undefined) || rules.some((rule) => matches(rule, prefix + task));
    };
    if (rules.length === 0 && !isMap(all)) return [];
    return Object.keys(plan.tasks).filter(has);
  }

  /** Patterns that match none of these names. */
  unmatched(names: readonly string[]): string[] {
    return this.#rules
      .filter((rule) => !names.some((name) => matches(rule, name)))
      .map(({ pattern }) => pattern);
  }
}

/** The limits of an attempt, counted from 1. Of memory there is never more than the machine has. */
export function limitsOf({ timeout, memory }: TaskOptions, attempt: number, memoryBytes: number): Limits {
  return {
    ...(timeout === undefined ? {} : { timeoutMs: atAttempt(timeout, attempt) }),
    ...(memory === undefined ? {} : { memoryBytes: Math.min(atAttempt(memory, attempt), memoryBytes) }),
  };
}

/** Reads what is said of a task or pattern; `where` begins the message. Throws `bad-options`. */
export function readOptions(given: unknown, where: string): TaskOptions {
  const fail = (what: string, hint: string): never => {
    throw new AlamodeError("bad-options", `${where}: ${what}`, { hint });
  };
  if (!isMap(given)) return fail("must be a map", "Write e.g. { retries: 2 }.");
  const known = Object.keys(OPTIONS);
  const found: Record<string, unknown> = { ...NONE };
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(OPTIONS, key)) {
      const [meant] = nearNames(key, known);
      fail(
        `"${key}" is not an option`,
        meant ? `Did you mean "${meant}"?` : `There are ${known.join(", ")}.`,
      );
    }
    if (value === undefined) continue;
    const { read, must, hint } = OPTIONS[key as keyof TaskOptions];
    found[key] = read(value) ?? fail(`${key} must be ${must}`, hint);
  }
  return found as TaskOptions;
}

const NONE = Object.fromEntries(
  Object.entries(OPTIONS).map(([key, { otherwise }]) => [key, otherwise]),
) as unknown as TaskOptions;

function option<T>(entry: Option<T>): Option<T> {
  return entry;
}

/** What is said twice: the later one, or both where they add up. What cannot be read is left for whoever tells of it. */
function both(key: string, some: unknown, more: unknown): unknown {
  if (some === undefined || !Object.hasOwn(OPTIONS, key)) return more;
  const { read, added } = OPTIONS[key as keyof TaskOptions] as Option<unknown>;
  const [one, other] = [read(some), read(more)];
  return added === undefined || one === undefined || other === undefined ? more : added(one, other);
}

function matches({ pattern, start }: Rule, name: string): boolean {
  return name === pattern || (start !== pattern && name.startsWith(start) && matchesGlob(name, pattern));
}

function wholeNumber(value: unknown, least: number): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= least ? (value as number) : undefined;
}

function published(value: unknown): Published | undefined {
  if (typeof value === "string") return value === "" ? undefined : { path: value, copy: false };
  if (!isMap(value) || Object.keys(value).some((key) => key !== "path" && key !== "copy")) return undefined;
  const { path, copy = false } = value;
  // In a plan true is 1.
  if (typeof path !== "string" || path === "" || ![true, false, 0, 1].includes(copy as boolean | number))
    return undefined;
  return { path, copy: copy === true || copy === 1 };
}

function counts(value: unknown): Readonly<Record<string, number>> | undefined {
  if (!isMap(value) || Object.values(value).some((count) => wholeNumber(count, 1) === undefined))
    return undefined;
  return value as Readonly<Record<string, number>>;
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
}

function isMap(value: unknown): value is { readonly [key: string]: unknown } {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

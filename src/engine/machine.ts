// What this machine has for the tasks of a run, and what each asks of it: cores, memory, GPUs, and pools, which are limits by name.
import { readdirSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { AlamodeError } from "../errors.ts";
import { nearNames } from "../plan/near.ts";
import { atAttempt, shownBytes, sizeBytes } from "../quantities.ts";
import type { TaskOptions } from "./options.ts";

/** What a configuration says that there is; the rest is looked up. */
export interface Resources {
  readonly cpus?: number;
  /** Bytes, or text such as `16GiB`. */
  readonly memory?: number | string;
  readonly gpus?: number;
}

/** Pool → how much of it may be taken at once. */
export type Pools = Readonly<Record<string, number>>;

/** How much of each thing: `cpus`, `memory` (bytes), `gpus`, `pool <name>`. What is absent is not asked for. */
export type Amounts = ReadonlyMap<string, number>;

export interface MachineOptions {
  readonly resources?: Resources | undefined;
  readonly pools?: Pools | undefined;
  /** How many tasks may run at once, where somebody said so. */
  readonly jobs?: number | undefined;
  /** The caller's environment: CUDA_VISIBLE_DEVICES says which GPUs may be used. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export class Machine {
  readonly amounts: Amounts;
  /** Names of the GPUs, as CUDA_VISIBLE_DEVICES takes them. */
  readonly gpus: readonly string[];
  readonly memoryBytes: number;
  readonly #pools: Pools;
  readonly #cpus = new Map<number, Amounts>();

  /** Throws `bad-settings` for sizes that are none. */
  constructor({ resources = {}, pools = {}, jobs = 1, env = process.env }: MachineOptions = {}) {
    const memory = resources.memory === undefined ? memoryBytes() : sizeBytes(resources.memory);
    if (memory === undefined) {
      throw new AlamodeError(
        "bad-settings",
        `resources.memory must be a size, and is "${resources.memory}"`,
        {
          hint: "Write text such as '16GiB'.",
        },
      );
    }
    this.gpus = gpuNames(resources.gpus, env["CUDA_VISIBLE_DEVICES"]);
    this.#pools = pools;
    this.memoryBytes = memory;
    this.amounts = new Map([
      // Who asks for more tasks at once than there are cores wants just that, of tasks that do not say what they need.
      ["cpus", resources.cpus ?? Math.max(availableParallelism(), jobs)],
      ["memory", memory],
      ["gpus", this.gpus.length],
      ...Object.entries(pools).map(([name, size]): [string, number] => [`pool ${name}`, size]),
    ]);
  }

  /** What an attempt of a task takes. Memory that has grown beyond the machine's is all of it. */
  asks({ cpus, memory, gpus, pool }: TaskOptions, attempt: number): Amounts {
    const asks = new Map([["cpus", cpus]]);
    if (memory === undefined && gpus === 0 && Object.keys(pool).length === 0) {
      // One for all that want only that: all tasks of a wide plan may wait at once.
      const same = this.#cpus.get(cpus) ?? asks;
      this.#cpus.set(cpus, same);
      return same;
    }
    if (memory !== undefined) asks.set("memory", Math.min(atAttempt(memory, attempt), this.memoryBytes));
    if (gpus > 0) asks.set("gpus", gpus);
    for (const [name, count] of Object.entries(pool)) asks.set(`pool ${name}`, count);
    return asks;
  }

  /** Throws `too-large` for a task that could never start here, `unknown-pool`. */
  refuseTooLarge(task: string, options: TaskOptions): void {
    const { memory, pool } = options;
    for (const name of Object.keys(pool)) {
      if (Object.hasOwn(this.#pools, name)) continue;
      const [near] = nearNames(name, Object.keys(this.#pools));
      throw new AlamodeError(
        "unknown-pool",
        `task "${task}" takes of pool "${name}", and nobody says how large that is`,
        {
          hint:
            near === undefined
              ? `Say it in alamode.config.ts:  pools: { ${JSON.stringify(name)}: 4 }`
              : `Did you mean "${near}"?`,
        },
      );
    }
    const asks = new Map(this.asks(options, 1));
    if (memory !== undefined) asks.set("memory", memory.first);
    for (const [name, amount] of asks) {
      const have = this.amounts.get(name)!;
      if (amount <= have) continue;
      const [asked, there] = name === "memory" ? [shownBytes(amount), shownBytes(have)] : [amount, have];
      const isPool = name.startsWith("pool ");
      const what = isPool ? `of ${name.replace(" ", ' "')}"` : name;
      throw new AlamodeError(
        "too-large",
        `task "${task}" asks for ${asked} ${what}, and there are ${there} here`,
        {
          hint: isPool
            ? "Let it ask for less, or make the pool larger in alamode.config.ts."
            : `Let it ask for less:  options: { ${JSON.stringify(task)}: { ${name}: … } }, or say in alamode.config.ts what there is:  resources: { ${name}: … }`,
        },
      );
    }
  }
}

/** The machine's memory, or what its container may use of it. */
function memoryBytes(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

function gpuNames(said: number | undefined, visible: string | undefined): string[] {
  const named =
    visible === undefined ? installedGpus() : visible.split(",").filter((name) => name.trim() !== "");
  if (said === undefined) return named;
  return visible === undefined ? Array.from({ length: said }, (_, n) => String(n)) : named.slice(0, said);
}

/** Numbers of the GPUs that NVIDIA's driver knows. */
function installedGpus(): string[] {
  try {
    return readdirSync("/dev").flatMap((name) => /^nvidia(\d+)$/.exec(name)?.[1] ?? []);
  } catch {
    return [];
  }
}

// A plan out of its file's bytes: one pass, each ID one string, and each task hashed as it lies there.
import { createHash, hash } from "node:crypto";
import { emptyMap } from "../bencode/empty-map.ts";
import { BencodeReader } from "../bencode/reader.ts";
import type { Bnormal, BnormalMap } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import type { OutputId, Plan, PlanTask } from "./types.ts";

type Writable<T> = { -readonly [key in keyof T]: T[key] };

const ID_DIGITS = 64;

export interface ReadOptions {
  readonly name: string;
  /** False only for bytes that this process has just made. */
  readonly verify: boolean;
}

/** As `decodePlan`, and without checking the IDs where `verify` is false. */
export function readPlan(bytes: Uint8Array, options: ReadOptions): Plan {
  try {
    return new PlanReader(bytes, options).plan();
  } catch (error) {
    if (!(error instanceof AlamodeError) || error.code !== "not-bencode") throw error;
    const { facts, hint } = error;
    const message = `${options.name}: ${error.message}`;
    throw new AlamodeError(error.code, message, {
      facts,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

class PlanReader {
  readonly #bytes: Uint8Array;
  readonly #reader: BencodeReader;
  readonly #name: string;
  readonly #verify: boolean;
  /** Each ID once, however many tasks name it. */
  readonly #ids = new Map<string, OutputId>();

  constructor(bytes: Uint8Array, { name, verify }: ReadOptions) {
    this.#bytes = bytes;
    this.#reader = new BencodeReader(bytes);
    this.#name = name;
    this.#verify = verify;
  }

  plan(): Plan {
    const reader = this.#reader;
    let meta: BnormalMap | undefined;
    let tasks: Plan["tasks"] | undefined;
    if (!reader.atMap()) throw this.#notAPlan("it is not a map");
    reader.entries((key) => {
      if (key === "meta") meta = this.#meta();
      else if (key === "tasks") tasks = this.#tasks();
      else throw this.#notAPlan(`it has the key "${key}", where only meta and tasks belong`);
    });
    reader.end();
    if (meta === undefined || tasks === undefined) {
      throw this.#notAPlan(`it has no ${meta === undefined ? "meta" : "tasks"}`);
    }
    return { meta, tasks };
  }

  #meta(): BnormalMap {
    if (!this.#reader.atMap()) throw this.#notAPlan("its meta is not a map");
    return this.#reader.value() as BnormalMap;
  }

  #tasks(): Plan["tasks"] {
    if (!this.#reader.atMap()) throw this.#notAPlan("its tasks are not a map");
    const tasks: Writable<Plan["tasks"]> = Object.create(null);
    this.#reader.entries((name) => {
      tasks[name] = this.#task(name);
    });
    return tasks;
  }

  #task(name: string): PlanTask {
    const reader = this.#reader;
    const start = reader.offset;
    let outputStart = start;
    let outputEnd = start;
    if (!reader.atMap()) throw this.#notAPlan(`task "${name}" is not a map`);
    const task = emptyMap<Bnormal>();
    reader.entries((key, keyOffset) => {
      if (key === "inputs") {
        task[key] = this.#inputs(name);
      } else if (key === "output") {
        task[key] = this.#id(() => `the output of task "${name}"`);
        outputStart = keyOffset;
        outputEnd = reader.offset;
      } else {
        task[key] = reader.value();
      }
    });
    const { inputs, output } = task as Partial<PlanTask>;
    if (inputs === undefined) throw this.#notAPlan(`task "${name}" has no inputs`);
    if (output === undefined) throw this.#notAPlan(`task "${name}" has no output`);
    if (this.#verify) {
      // What was hashed are these very bytes without the output: decoding is strict, so nobody can write them otherwise.
      const made = hashWithout(
        this.#bytes.subarray(start, reader.offset),
        outputStart - start,
        outputEnd - start,
      );
      if (made !== output) throw mismatch(this.#name, name, output, made);
    }
    return task as PlanTask;
  }

  #inputs(task: string): PlanTask["inputs"] {
    if (!this.#reader.atMap()) throw this.#notAPlan(`the inputs of task "${task}" are not a map`);
    const inputs: Writable<PlanTask["inputs"]> = Object.create(null);
    this.#reader.entries((dependency) => {
      inputs[dependency] = this.#id(() => `input "${dependency}" of task "${task}"`);
    });
    return inputs;
  }

  /** `whose`: what it is of, for an error. */
  #id(whose: () => string): OutputId {
    const text = this.#reader.ahead(ID_DIGITS) ?? "";
    let id = this.#ids.get(text);
    if (id === undefined && /^[0-9a-f]{64}$/.test(text)) {
      id = text as OutputId;
      this.#ids.set(text, id);
    }
    if (id === undefined) {
      if (this.#reader.atString()) this.#reader.text();
      throw this.#notAPlan(`${whose()} is not an ID of 64 hex digits`);
    }
    this.#reader.skip(ID_DIGITS);
    return id;
  }

  #notAPlan(why: string): AlamodeError {
    return new AlamodeError("not-a-plan", `${this.#name}: not a plan: ${why}.`, {
      facts: { offset: this.#reader.offset },
      hint: "Write one with dag.save(path) or `alamode plan -o FILE`.",
    });
  }
}

/** sha256 (hex) of `bytes` without those from `start` to `end`. */
function hashWithout(bytes: Uint8Array, start: number, end: number): string {
  if (bytes.length <= scratch.length) {
    scratch.set(bytes.subarray(0, start));
    scratch.set(bytes.subarray(end), start);
    return hash("sha256", scratch.subarray(0, bytes.length - (end - start)), "hex");
  }
  return createHash("sha256").update(bytes.subarray(0, start)).update(bytes.subarray(end)).digest("hex");
}

/** One-shot hashing of a copy is several times faster than a hash object where specs are small. */
const scratch = new Uint8Array(16 * 1024);

/** What `plan-mismatch` says: a task whose output is not the one its spec and inputs make. */
export function mismatch(name: string, task: string, says: string, made: string): AlamodeError {
  const message = `${name}: task "${task}" says its output is ${says.slice(0, 8)}, but its spec makes it ${made.slice(0, 8)}.`;
  return new AlamodeError("plan-mismatch", message, {
    facts: { task, output: says, made },
    hint: "The file was edited or damaged; encode it again.",
  });
}

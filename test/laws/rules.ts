// The rules by which a run decides, as a model: it keeps what the record should hold and tells what a run has to execute,
// the least that the rules allow. Written from the promises in ARCHITECTURE.md, not from the code.
import { hash } from "node:crypto";
import { encode } from "../../src/bencode/encode.ts";
import { type PlanTask, specOf } from "../../src/plan/types.ts";
import { meaning, type SketchTask } from "./sketch.ts";

/** A success, as the record should have it. */
export interface Made {
  readonly output: string;
  readonly key: string;
  readonly digest: string;
  readonly bytes: string;
  readonly inputs: readonly { readonly output: string; readonly digest: string }[];
  readonly location: string;
  /** What it is an alias of. */
  readonly original?: Made;
  state: "current" | "lost" | "damaged" | "superseded" | "other";
}

export interface Node {
  readonly task: SketchTask;
  readonly planned: PlanTask;
  /** Dependency name and output, in the order of the names' bytes. */
  readonly inputs: readonly (readonly [name: string, output: string])[];
}

export interface Asked {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly goals: readonly string[];
  readonly force: ReadonlySet<string>;
  readonly tick: string;
}

/** What a run does; outputs. */
export interface Told {
  readonly ran: string[];
  readonly same: string[];
  /** Due, and valid again when what they were made from was made again. */
  readonly reused: string[];
  readonly failed: string[];
  /** Found out to be needed only when a step was about to read changed bytes. */
  readonly late: Set<string>;
  /** What was executed depends on what came first, of steps that do not wait for each other. */
  raced: boolean;
}

/** A location's bytes; null for a link that shows another location's. */
export type Disk = Map<string, string | null>;

export class Rules {
  /** In the order in which they were made. */
  successes: Made[] = [];
  /** What stands for an output, or did before its bytes went. */
  standing = new Map<string, Made>();
  disk: Disk = new Map();
  readonly #movesAside: boolean;

  constructor({ movesAside }: { readonly movesAside: boolean }) {
    this.#movesAside = movesAside;
  }

  /** Made from bytes that something else stands for now. */
  stale({ inputs }: Pick<Made, "inputs">): boolean {
    return inputs.some(({ output, digest }) => {
      const now = this.standing.get(output);
      return now?.digest !== digest || this.stale(now);
    });
  }

  current(output: string): Made | undefined {
    const made = this.standing.get(output);
    return made?.state === "current" ? made : undefined;
  }

  #there(made: Made): boolean {
    return typeof this.disk.get(made.location) === "string";
  }

  mark(made: Made, state: "lost" | "damaged"): void {
    const original = made.original ?? made;
    for (const other of this.successes) if ((other.original ?? other) === original) other.state = state;
  }

  run({ nodes, goals, force: forced, tick }: Asked): Told {
    const force = new Set(forced);
    const told: Told = { ran: [], same: [], reused: [], failed: [], late: new Set(), raced: false };
    const due = new Set<string>();
    /** Demand: what a goal or something due needs, and is not there to be used. */
    const need = (output: string, asInput: boolean) => {
      if (due.has(output)) return;
      const made = this.current(output);
      if (made && !this.#there(made)) this.mark(made, "lost");
      const done = this.current(output);
      if (done && !force.has(output) && !(asInput && this.stale(done))) return;
      due.add(output);
      for (const [, input] of nodes.get(output)!.inputs) need(input, true);
    };
    const needLate = (output: string) => {
      const before = new Set(due);
      need(output, true);
      for (const node of due.difference(before)) told.late.add(node);
    };
    /** Makes what is due above it, and then itself. False where that fails. */
    const make = (output: string): boolean => {
      if (told.failed.includes(output)) return false;
      const { task, planned, inputs } = nodes.get(output)!;
      for (;;) {
        if (inputs.some(([, input]) => due.has(input) && !make(input))) return false;
        for (const [, input] of inputs) needLate(input);
        if (inputs.some(([, input]) => due.has(input))) continue;
        const read = inputs.map(([name, input]) => ({ name, made: this.current(input)! }));
        const digests = Object.fromEntries(read.map(({ name, made }) => [name, made.digest]));
        const key = sha256(encode({ v: 1, spec: specOf(planned), inputs: digests }));
        const from = read.map(({ made }) => ({ output: made.output, digest: made.digest }));
        const earlier = force.has(output) ? undefined : this.#candidate(key);
        if (earlier) {
          // Of two that are the same by what they read, either may come first, unless one waits for the other.
          if (told.ran.includes(earlier.output) && !waits.get(output)?.has(earlier.output)) told.raced = true;
          const standing = this.current(output);
          if (standing === undefined || this.stale(standing)) this.#alias(output, earlier, from);
          (this.current(output)!.original ? told.same : told.reused).push(output);
          this.#view(output);
          due.delete(output);
          return true;
        }
        const damaged = read.find(({ made }) => this.disk.get(made.location) !== made.bytes);
        if (damaged) {
          this.mark(damaged.made, this.#there(damaged.made) ? "damaged" : "lost");
          continue;
        }
        if (task.kind === "broken") {
          told.failed.push(output);
          return false;
        }
        const bytes = meaning(task, read.map(({ made }) => made.bytes).join(""), tick);
        const digest = digestOf(bytes);
        const location = this.#placeFor(output, digest);
        this.disk.set(location, bytes);
        this.#take({ output, key, digest, bytes, inputs: from, location, state: "other" });
        force.delete(output);
        told.ran.push(output);
        due.delete(output);
        return true;
      }
    };
    for (const goal of goals) need(goal, false);
    const waits = waitsOf(due, nodes);
    const valid = new Map([...this.standing].filter(([, made]) => !this.stale(made)));
    for (const output of due) make(output);
    // Whether a step began before another step made its inputs stale is left open where it does not wait for that one.
    for (const [output, above] of waits) {
      for (const [, input] of nodes.get(output)!.inputs) {
        const before = valid.get(input);
        if (before && !above.has(input) && !this.#becameStaleBy(before, above)) told.raced = true;
      }
    }
    return told;
  }

  /** Whether it is valid, or what made it stale is all among these outputs. */
  #becameStaleBy(made: Made, above: ReadonlySet<string>): boolean {
    return made.inputs.every(({ output, digest }) => {
      const now = this.standing.get(output);
      if (now?.digest !== digest) return above.has(output);
      return this.#becameStaleBy(now, above);
    });
  }

  /** The earliest that was made under this key and has its bytes. */
  #candidate(key: string): Made | undefined {
    return this.successes.find((made) => {
      if (made.original || made.key !== key || made.state === "lost" || made.state === "damaged")
        return false;
      if (!this.#there(made)) this.mark(made, "lost");
      return this.#there(made);
    });
  }

  #alias(output: string, original: Made, inputs: Made["inputs"]): void {
    this.#take({ ...original, output, inputs, original, state: "other" });
  }

  /** The first success wins while its bytes exist and it is valid. */
  #take(made: Made): void {
    const before = this.standing.get(made.output);
    this.successes.push(made);
    const wins = before?.state !== "current" || (this.stale(before) && !this.stale(made));
    if (!wins) return;
    if (before?.state === "current") before.state = "superseded";
    made.state = "current";
    this.standing.set(made.output, made);
  }

  #placeFor(output: string, digest: string): string {
    const plain = plainPlace(output);
    const taken = this.successes.some(
      (made) =>
        made.output === output &&
        made.location === plain &&
        made.state !== "lost" &&
        made.state !== "damaged",
    );
    const free = this.#movesAside ? this.disk.get(plain) !== null : !this.disk.has(plain);
    if (!taken && free) return plain;
    return `${plain}.${digest.slice(0, 16)}`;
  }

  #view(output: string): void {
    const plain = plainPlace(output);
    if (!this.disk.has(plain)) this.disk.set(plain, null);
  }
}

/** For each due output the due ones that it waits for. */
function waitsOf(due: ReadonlySet<string>, nodes: Asked["nodes"]): Map<string, ReadonlySet<string>> {
  const waits = new Map<string, ReadonlySet<string>>();
  for (const output of due) {
    const above = new Set<string>([output]);
    for (const next of above)
      for (const [, input] of nodes.get(next)!.inputs) if (due.has(input)) above.add(input);
    waits.set(output, above);
  }
  return waits;
}

export function plainPlace(output: string): string {
  return `${output.slice(0, 2)}/${output}`;
}

/** The tree digest of a lone file. */
export function digestOf(bytes: string): string {
  const sha = sha256(bytes);
  return sha256(encode({ "": { executable: 0, sha256: sha, size: Buffer.byteLength(bytes) } }));
}

function sha256(bytes: string | Uint8Array): string {
  return hash("sha256", bytes);
}

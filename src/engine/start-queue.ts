// Which task starts next, of all that are ready in the plans that a run performs: the first in rank that fits. What a better-ranked
// task lacks is kept for it, so that a large one is not passed over for ever by small ones. While commands are short, some tasks go
// *ahead*: they have a slot, in which they claim and stage, and run when what they ask for is given back. Knows no clock.
import { Heap } from "./heap.ts";
import type { Amounts } from "./machine.ts";
import { RecentCommands } from "./recent-commands.ts";

/** Of two ready tasks that with the higher priority comes first, else that with more work below it, else that which came first. */
export interface Rank {
  readonly priority: number;
  /** How long the longest chain of tasks from this one on takes. */
  readonly path: number;
}

/** What a started task holds until it gives it back. */
export interface Grant {
  readonly slot: string;
  readonly gpus: readonly string[];
  readonly amounts: Amounts;
  /** Of a task that goes ahead: resolves to true once the amounts are its own and it may run; to false when it is not to. */
  readonly turn?: Promise<boolean>;
}

/** The variable that says which GPUs a task may use; none for a task that uses none. */
export function gpuEnv({ gpus }: Grant): Readonly<Record<string, string>> {
  return gpus.length > 0 ? { CUDA_VISIBLE_DEVICES: gpus.join(",") } : {};
}

/** A ready task that waits for its turn. */
export interface Waiting {
  readonly rank: Rank;
  readonly asks: Amounts;
  start(grant: Grant): void;
}

interface Place {
  readonly waiting: Waiting;
  /** Counts those that were offered. */
  readonly turn: number;
}

/** All waiting tasks that ask for the same. */
interface Kind {
  readonly asks: Amounts;
  readonly places: Heap<Place>;
  /** For which of them it stands among the firsts of all kinds. */
  entered: Place | undefined;
  /** What the first of them has lacked since it became the first that is looked at: nobody behind it may take of that. */
  readonly kept: Set<string>;
}

/** So many different wants that cannot be met are looked at each time; what is behind them waits. */
const MOST_LOOKED_AT = 16;

export class StartQueue {
  readonly #slots: string[];
  /** How many more may run. */
  #jobs: number;
  /** What runs no more and keeps its slot yet. */
  readonly #over = new Set<Grant>();
  readonly #free: Map<string, number>;
  readonly #gpus: string[];
  readonly #kinds = new Map<string, Kind>();
  /** Each kind that has somebody waiting is in here by its first, and perhaps by what was its first before, which is passed by. */
  readonly #firsts = new Heap<{ readonly kind: Kind; readonly place: Place }>((a, b) =>
    isBefore(a.place, b.place),
  );
  readonly #waiting = new Set<Waiting>();
  #turns = 0;
  /** Asks → how many run that ask for just that. */
  readonly #running = new Map<Amounts, number>();
  /** Those that have a slot and nothing else yet, in the order in which they got it. */
  readonly #ahead = new Map<Grant, (mayRun: boolean) => void>();
  readonly #mostAhead: number;
  readonly #recent = new RecentCommands();

  /**
   * `slots`: absolute folders. `jobs`: how many tasks may run at once; each keeps its slot a little longer. `mostAhead`: how many
   * may have one before.
   */
  constructor(
    slots: readonly string[],
    machine: { readonly amounts: Amounts; readonly gpus: readonly string[] },
    jobs = slots.length,
    mostAhead = 0,
  ) {
    this.#mostAhead = mostAhead;
    this.#slots = [...slots].reverse();
    this.#jobs = jobs;
    this.#free = new Map(machine.amounts);
    this.#gpus = [...machine.gpus];
  }

  /** Lets a task wait. It must be able to fit where nothing else runs. */
  offer(waiting: Waiting): void {
    const key = [...waiting.asks].map(([name, amount]) => `${name}=${amount}`).join("\n");
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { asks: waiting.asks, places: new Heap(isBefore), entered: undefined, kept: new Set() };
      this.#kinds.set(key, kind);
    }
    this.#waiting.add(waiting);
    kind.places.push({ waiting, turn: this.#turns++ });
    this.#enter(kind);
  }

  /** Lets it wait no longer. No matter if it does not. */
  withdraw(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  /**
   * Takes back what a task held that runs no more: all but its slot. May be told more than once. `commandMs`: how long its command
   * took, where it had one.
   */
  over(grant: Grant, commandMs?: number): void {
    if (this.#over.has(grant)) return;
    if (this.#ahead.has(grant)) {
      this.#leaveAhead(grant, false);
      return;
    }
    this.#over.add(grant);
    if (commandMs !== undefined) this.#recent.note(commandMs);
    const { amounts } = grant;
    this.#jobs++;
    this.#gpus.push(...grant.gpus);
    for (const [name, amount] of amounts) this.#free.set(name, this.#free.get(name)! + amount);
    this.#running.set(amounts, this.#running.get(amounts)! - 1);
    this.#runAhead();
  }

  /** Lets a task that goes ahead run no more. No matter if it runs already. What is recalled has waited too long: no other goes ahead. */
  recall(grant: Grant): void {
    if (!this.#ahead.has(grant)) return;
    this.#recent.forget();
    this.#leaveAhead(grant, false);
  }

  /** Takes back all that a task held. */
  giveBack(grant: Grant): void {
    this.over(grant);
    this.#over.delete(grant);
    this.#slots.push(grant.slot);
  }

  /** Whether some task is to start as soon as another runs no more: there is a slot for it. */
  get pressing(): boolean {
    return this.#waiting.size > 0 && this.#slots.length > 0;
  }

  /** Starts all that can be started now. */
  startAll(): void {
    const blocked = new Set<Kind>();
    const kept = new Map<string, number>();
    while (this.#slots.length > 0 && this.#jobs > 0 && blocked.size < MOST_LOOKED_AT) {
      const kind = this.#nextKind();
      if (kind === undefined) break;
      const lacking = [...kind.asks].filter(
        ([name, amount]) => this.#free.get(name)! - (kept.get(name) ?? 0) < amount,
      );
      if (lacking.length === 0) {
        kind.kept.clear();
        this.#start(kind);
        this.#enter(kind);
        continue;
      }
      blocked.add(kind);
      // Not only what it lacks now: else two things that it needs could be taken from it in turn, for ever.
      for (const [name] of lacking) kind.kept.add(name);
      for (const name of kind.kept) kept.set(name, (kept.get(name) ?? 0) + kind.asks.get(name)!);
    }
    for (const kind of blocked) this.#enter(kind);
    if (blocked.size === 0) this.#startAhead();
  }

  /** Gives slots to those that come next, where each can run as soon as one that asks for the same is over. */
  #startAhead(): void {
    while (
      this.#jobs === 0 &&
      this.#slots.length > 0 &&
      this.#ahead.size < this.#mostAhead &&
      this.#recent.areShort
    ) {
      const kind = this.#nextKind();
      if (kind === undefined) return;
      const { asks } = kind;
      const before = [...this.#ahead.keys()].filter(({ amounts }) => amounts === asks).length;
      // Which GPUs are free then is not known yet, and a step is told while it is staged.
      const may = !asks.has("gpus") && (this.#running.get(asks) ?? 0) > before;
      if (may) {
        const { promise: turn, resolve } = Promise.withResolvers<boolean>();
        const grant = { slot: this.#slots.pop()!, gpus: [], amounts: asks, turn };
        this.#ahead.set(grant, resolve);
        this.#take(kind).start(grant);
      }
      this.#enter(kind);
      if (!may) return;
    }
  }

  /** Lets those run that went ahead and for which there is room now. */
  #runAhead(): void {
    for (const grant of this.#ahead.keys()) {
      if (this.#jobs === 0) return;
      if (![...grant.amounts].every(([name, amount]) => this.#free.get(name)! >= amount)) continue;
      this.#hold(grant.amounts);
      this.#leaveAhead(grant, true);
    }
  }

  #leaveAhead(grant: Grant, mayRun: boolean): void {
    const tell = this.#ahead.get(grant)!;
    this.#ahead.delete(grant);
    if (!mayRun) this.#over.add(grant); // it holds its slot and nothing else
    tell(mayRun);
  }

  /** Takes out the kind whose first waiting task is the first of all. */
  #nextKind(): Kind | undefined {
    for (let next = this.#firsts.pop(); next !== undefined; next = this.#firsts.pop()) {
      const { kind, place } = next;
      if (place !== kind.entered) continue;
      kind.entered = undefined;
      if (this.#waiting.has(place.waiting)) return kind;
      this.#enter(kind);
    }
    return undefined;
  }

  /** Puts a kind where its first waiting task belongs, after those that were withdrawn are dropped. */
  #enter(kind: Kind): void {
    const { places } = kind;
    while (places.first !== undefined && !this.#waiting.has(places.first.waiting)) places.pop();
    if (places.first === kind.entered) return;
    kind.entered = places.first;
    if (places.first !== undefined) this.#firsts.push({ kind, place: places.first });
  }

  #start(kind: Kind): void {
    this.#hold(kind.asks);
    const gpus = this.#gpus.splice(0, kind.asks.get("gpus") ?? 0);
    this.#take(kind).start({ slot: this.#slots.pop()!, gpus, amounts: kind.asks });
  }

  /** Its first that waits waits no more. */
  #take(kind: Kind): Waiting {
    const { waiting } = kind.places.pop()!;
    this.#waiting.delete(waiting);
    return waiting;
  }

  #hold(asks: Amounts): void {
    for (const [name, amount] of asks) this.#free.set(name, this.#free.get(name)! - amount);
    this.#jobs--;
    this.#running.set(asks, (this.#running.get(asks) ?? 0) + 1);
  }
}

function isBefore(a: Place, b: Place): boolean {
  const { rank: one } = a.waiting;
  const { rank: other } = b.waiting;
  if (one.priority !== other.priority) return one.priority > other.priority;
  if (one.path !== other.path) return one.path > other.path;
  return a.turn < b.turn;
}

// One queue of starts for several runs in one process: together they take no more than the machine has, and start no more steps at
// once than was said. Each run works in scratch slots of its own.
import { Machine, type MachineOptions } from "./machine.ts";
import { type Grant, StartQueue, type Waiting } from "./start-queue.ts";

/** What a run's loop needs of a queue. */
export type RunQueue = Pick<
  StartQueue,
  "offer" | "withdraw" | "over" | "recall" | "giveBack" | "startAll" | "pressing"
>;

const MOST_BESIDES = 4;

/** How many steps may claim and stage while so many commands run, and how many may hash and commit what they have made. */
export function besides(jobs: number): number {
  return Math.min(jobs, MOST_BESIDES);
}

/** How many scratch slots a run needs that runs so many tasks at once. */
export function slotsFor(jobs: number): number {
  return jobs + 2 * besides(jobs);
}

export class SharedQueue {
  readonly jobs: number;
  readonly #queue: StartQueue;

  /** Throws `bad-settings`. */
  constructor(jobs: number, options: MachineOptions) {
    this.jobs = jobs;
    const slots = Array.from({ length: slotsFor(jobs) }, (_, n) => String(n));
    this.#queue = new StartQueue(slots, new Machine({ ...options, jobs }), jobs, besides(jobs));
  }

  /** The queue as one run sees it. `folders`: its scratch slots, `slotsFor(jobs)` of them. */
  forRun(folders: readonly string[]): RunQueue {
    const queue = this.#queue;
    const offered = new Map<Waiting, Waiting>();
    /** What the run was granted → what the queue knows it as. */
    const granted = new Map<Grant, Grant>();
    return {
      offer(waiting) {
        const here: Waiting = {
          ...waiting,
          start(grant) {
            offered.delete(waiting);
            const here = { ...grant, slot: folders[Number(grant.slot)]! };
            granted.set(here, grant);
            waiting.start(here);
          },
        };
        offered.set(waiting, here);
        queue.offer(here);
      },
      withdraw(waiting) {
        const here = offered.get(waiting);
        if (here !== undefined) queue.withdraw(here);
        offered.delete(waiting);
      },
      over: (grant, commandMs) => queue.over(granted.get(grant)!, commandMs),
      recall: (grant) => queue.recall(granted.get(grant)!),
      giveBack(grant) {
        queue.giveBack(granted.get(grant)!);
        granted.delete(grant);
      },
      startAll: () => queue.startAll(),
      get pressing() {
        return queue.pressing;
      },
    };
  }
}

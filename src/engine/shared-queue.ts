// One queue of starts for several runs in one process: together they take no more than the machine has, and start no more steps at
// once than was said. Each run works in scratch slots of its own.
import { Machine, type MachineOptions } from "./machine.ts";
import { type Grant, StartQueue, type Waiting } from "./start-queue.ts";

/** What a run's loop needs of a queue. */
export type RunQueue = Pick<StartQueue, "offer" | "withdraw" | "giveBack" | "startAll">;

export class SharedQueue {
  readonly jobs: number;
  readonly #queue: StartQueue;

  /** Throws `bad-settings`. */
  constructor(jobs: number, options: MachineOptions) {
    this.jobs = jobs;
    const slots = Array.from({ length: jobs }, (_, n) => String(n));
    this.#queue = new StartQueue(slots, new Machine({ ...options, jobs }));
  }

  /** The queue as one run sees it. `folders`: its scratch slots, `jobs` of them. */
  forRun(folders: readonly string[]): RunQueue {
    const queue = this.#queue;
    const offered = new Map<Waiting, Waiting>();
    return {
      offer(waiting) {
        const here: Waiting = {
          ...waiting,
          start(grant) {
            offered.delete(waiting);
            waiting.start({ ...grant, slot: folders[Number(grant.slot)]! });
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
      giveBack: (grant: Grant) => queue.giveBack({ ...grant, slot: String(folders.indexOf(grant.slot)) }),
      startAll: () => queue.startAll(),
    };
  }
}

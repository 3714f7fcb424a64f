// Several at once, through one list.
import type { Amounts } from "./machine.ts";
import type { Grant, StartQueue, Waiting } from "./start-queue.ts";

/**
 * Gives each item to the first of `places` that is free, until there are no more or `stop` is aborted. Where one throws,
 * nothing new is begun; the first error is thrown when all have come to their end.
 */
export async function workThrough<Item, Place>(
  items: Iterable<Item> | AsyncIterable<Item>,
  places: readonly Place[],
  stop: AbortSignal,
  work: (item: Item, place: Place) => Promise<void>,
): Promise<void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let fatal: { error: unknown } | undefined;
  const worker = async (place: Place) => {
    try {
      while (!stop.aborted && fatal === undefined) {
        const next = await iterator.next();
        if (next.done) return;
        await work(next.value, place);
      }
    } catch (error) {
      fatal ??= { error };
    }
  };
  await Promise.all(places.map(worker));
  if (fatal !== undefined) throw fatal.error;
}

/** The same, each item once the machine has what it asks for. */
export async function workThroughQueue<Item>(
  items: readonly Item[],
  queue: StartQueue,
  stop: AbortSignal,
  { asks, work }: { asks(item: Item): Promise<Amounts>; work(item: Item, grant: Grant): Promise<void> },
): Promise<void> {
  const waiting = new Set<Waiting>();
  let running = 0;
  let fatal: { error: unknown } | undefined;
  const over = Promise.withResolvers<void>();
  const next = () => {
    if (stop.aborted || fatal !== undefined) for (const one of waiting) queue.withdraw(one);
    else queue.startAll();
    if (running === 0) over.resolve(); // whatever waits fits where nothing runs: so nothing does
  };
  for (const item of items) {
    const one: Waiting = {
      rank: { priority: 0, path: 0 },
      asks: await asks(item),
      start(grant) {
        waiting.delete(one);
        running++;
        work(item, grant)
          .catch((error) => {
            fatal ??= { error };
          })
          .finally(() => {
            running--;
            queue.giveBack(grant);
            next();
          });
      },
    };
    waiting.add(one);
    queue.offer(one);
  }
  next();
  await over.promise;
  if (fatal !== undefined) throw fatal.error;
}

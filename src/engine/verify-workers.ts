// Several at once, through one list.

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

// A random share of outputs that the same seed gives again, in whatever order they come.
import { hash } from "node:crypto";
import type { OutputId } from "../plan/types.ts";

/** `share` of `outputs`, from above 0 to 1; at least one of them. Keeps their order. */
export function sampleOf<Item>(
  items: readonly Item[],
  outputOf: (item: Item) => OutputId,
  share: number,
  seed: string,
): Item[] {
  const size = Math.min(items.length, Math.max(1, Math.round(items.length * share)));
  const drawn = items
    .map((item) => ({ item, lot: hash("sha256", `${seed}\n${outputOf(item)}`) }))
    .sort((a, b) => (a.lot < b.lot ? -1 : 1))
    .slice(0, size)
    .map(({ item }) => item);
  const chosen = new Set(drawn);
  return items.filter((item) => chosen.has(item));
}

// What locations are called, whatever the kind of store: relative to it, and made from nothing but IDs and digests.
import type { OutputId } from "../plan/types.ts";
import type { Location, TreeDigest } from "./types.ts";

/** What the names of locations end in that lead to trees in place. */
export const IN_PLACE = ".place";

/** Where the first tree of an output lies: `<2 hex>/<output>`. */
export function plainLocation(output: OutputId): Location {
  return `${output.slice(0, 2)}/${output}` as Location;
}

/** Where another tree of it lies: `<2 hex>/<output>.<16 hex of its digest>`. */
export function suffixedLocation(output: OutputId, digest: TreeDigest): Location {
  return `${plainLocation(output)}.${digest.slice(0, 16)}` as Location;
}

/** What leads to a tree of it that stays where it is. */
export function inPlaceLocation(output: OutputId, digest: TreeDigest): Location {
  return `${suffixedLocation(output, digest)}${IN_PLACE}` as Location;
}

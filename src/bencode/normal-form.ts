// What encoding and decoding a value would give, without the bytes between, so that its texts are shared.
import { isUtf8 } from "node:buffer";
import { emptyMap } from "./empty-map.ts";
import { sortUtf8 } from "./order.ts";
import type { Bnormal, Bvalue } from "./types.ts";

/** A copy of `value`, which has to be one that `encode` accepts, in normal form: decode(encode(value)). */
export function normalForm(value: Bvalue): Bnormal {
  if (typeof value === "string") return value;
  if (typeof value === "number") return value === 0 ? 0 : value; // -0 is 0
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (value instanceof Uint8Array)
    return isUtf8(value) ? Buffer.from(value).toString("utf8") : new Uint8Array(value);
  if (isList(value)) return value.map(normalForm);
  if (value instanceof Map) {
    // Each has keys of its own, as inputs do: a shape for each of them takes longer than a hash table.
    const map: Record<string, Bnormal> = Object.create(null);
    for (const key of sortUtf8([...value.keys()])) map[key] = normalForm(value.get(key));
    return map;
  }
  const map = emptyMap<Bnormal>();
  const entries = value as { readonly [key: string]: Bvalue };
  for (const key of sortUtf8(Object.keys(entries))) map[key] = normalForm(entries[key]!);
  return map;
}

function isList(value: Bvalue): value is readonly Bvalue[] {
  return Array.isArray(value);
}

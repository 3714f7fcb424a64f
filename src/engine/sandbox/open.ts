// The sandbox of a kind.
import { AlamodeError } from "../../errors.ts";
import { nearNames } from "../../plan/near.ts";
import type { Demands } from "../demands.ts";
import type { Parsed } from "../work.ts";
import type { PlanSandboxes } from "./sandboxes.ts";
import { SANDBOX_KINDS, type Sandbox, unconfined } from "./types.ts";

/** How many tasks are told of that a sandbox cannot be had for. */
const SHOWN_TASKS = 10;

/** Asks for the sandbox of each task that is to be run. Throws `no-image`, `image-missing`, with every task that is concerned. */
export async function readyFor(
  sandboxes: PlanSandboxes,
  due: Iterable<Pick<Parsed, "task" | "planTask" | "runnable">>,
  demands: Demands,
): Promise<void> {
  if (!sandboxes.has("container")) return;
  const problems: { task: string; error: AlamodeError }[] = [];
  for (const { task, planTask, runnable } of due) {
    if (runnable.source !== undefined) continue;
    try {
      await sandboxes.of(planTask).ready({ isolation: demands.own(planTask), image: runnable.image });
    } catch (error) {
      if (!(error instanceof AlamodeError)) throw error;
      problems.push({ task, error });
    }
  }
  const [first, ...more] = problems;
  if (first === undefined) return;
  const { code, facts, hint } = first.error;
  const texts = problems
    .slice(0, SHOWN_TASKS)
    .map(({ task, error }) => `task "${task}" cannot be run: ${error.message}`);
  if (more.length >= SHOWN_TASKS) texts.push(`and ${problems.length - SHOWN_TASKS} more`);
  throw new AlamodeError(code, texts.join("\n"), { facts, ...(hint === undefined ? {} : { hint }) });
}

/** Throws `unknown-sandbox`, `sandbox-unavailable`. */
export async function openSandbox(kind: string): Promise<Sandbox> {
  switch (kind) {
    case "none":
      return unconfined;
    case "bubblewrap": {
      const { openBubblewrap } = await import("./bubblewrap.ts");
      return openBubblewrap();
    }
    case "container": {
      const { openContainers } = await import("./container.ts");
      return openContainers();
    }
    default: {
      const [meant] = nearNames(kind, SANDBOX_KINDS);
      throw new AlamodeError("unknown-sandbox", `there is no sandbox "${kind}"`, {
        hint: meant === undefined ? `There are ${SANDBOX_KINDS.join(", ")}.` : `Did you mean "${meant}"?`,
      });
    }
  }
}

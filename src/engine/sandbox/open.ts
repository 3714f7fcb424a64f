// The sandbox of a kind.
import { AlamodeError } from "../../errors.ts";
import { nearNames } from "../../plan/near.ts";
import { type Sandbox, type SandboxKind, unconfined } from "./types.ts";

export const SANDBOXES: readonly SandboxKind[] = ["none", "bubblewrap"];

/** Throws `unknown-sandbox`, `sandbox-unavailable`. */
export async function openSandbox(kind: string): Promise<Sandbox> {
  switch (kind) {
    case "none":
      return unconfined;
    case "bubblewrap": {
      const { openBubblewrap } = await import("./bubblewrap.ts");
      return openBubblewrap();
    }
    default: {
      const [meant] = nearNames(kind, SANDBOXES);
      throw new AlamodeError("unknown-sandbox", `there is no sandbox "${kind}"`, {
        hint: meant === undefined ? `There are ${SANDBOXES.join(" and ")}.` : `Did you mean "${meant}"?`,
      });
    }
  }
}

// How a command is shut in: one interface, a file per kind. A sandbox is an argv around an argv; it starts nothing itself.
import { join } from "node:path";
import type { Isolation } from "../../record/types.ts";

export type SandboxKind = "none" | "bubblewrap";

/** The slot's folders as the command sees them: absolute paths. */
export interface View {
  readonly work: string;
  readonly home: string;
  readonly tmp: string;
  readonly out: string;
}

export interface Confinement {
  readonly argv: readonly string[];
  /** Absolute folder. */
  readonly slot: string;
  /** Absolute paths of what may be read: the inputs' locations. */
  readonly inputs: readonly string[];
  readonly path: string;
  readonly network: boolean;
}

export interface Sandbox {
  readonly isolation: Isolation;
  view(slot: string): View;
  wrap(confinement: Confinement): readonly string[];
  /** What to say beside a failure that the sandbox may be the reason of. */
  readonly hint: string | undefined;
}

/** No sandbox: the command sees the machine as it is. */
export const unconfined: Sandbox = {
  isolation: "none",
  view: (slot) => ({
    work: join(slot, "work"),
    home: join(slot, "home"),
    tmp: join(slot, "tmp"),
    out: join(slot, "out"),
  }),
  wrap: ({ argv }) => argv,
  hint: undefined,
};

// How a command is shut in: one interface, a file per kind. A sandbox is an argv around an argv; it starts nothing itself.
import type { Isolation } from "../../record/types.ts";

export const SANDBOX_KINDS = ["none", "bubblewrap", "container"] as const;
export type SandboxKind = (typeof SANDBOX_KINDS)[number];

/** The slot's folders as the command sees them: absolute paths. */
export interface View {
  readonly work: string;
  readonly home: string;
  readonly tmp: string;
  readonly out: string;
}

/** What a command is to be shut in by. */
export interface Wanted {
  /** Of its own, without what is above it. */
  readonly isolation: Isolation;
  /** The image that its spec names. */
  readonly image: string | undefined;
}

export interface Confinement extends Wanted {
  readonly argv: readonly string[];
  /** What the command's environment is to be. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute folder. */
  readonly slot: string;
  /** Absolute paths of what may be read: the inputs' locations. */
  readonly inputs: readonly string[];
  readonly path: string;
  readonly network: boolean;
  /** Whether a person is at its terminal. */
  readonly interactive?: boolean;
}

/** What to start in a command's place. */
export interface Wrapped {
  readonly argv: readonly string[];
  /** With that environment. Values are in it, and never in `argv`, which everybody on the machine can read. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Sandbox {
  readonly kind: SandboxKind;
  view(slot: string): View;
  /** Whether it can be had here for a task. To be asked before `wrap`. Throws `no-image`, `image-missing`. */
  ready(wanted: Wanted): Promise<void>;
  wrap(confinement: Confinement): Wrapped;
  /** What to say beside a failure that the sandbox may be the reason of. */
  readonly hint: string | undefined;
}

/** No sandbox: the command sees the machine as it is. */
export const unconfined: Sandbox = {
  kind: "none",
  view: (slot) => ({
    work: `${slot}/work`,
    home: `${slot}/home`,
    tmp: `${slot}/tmp`,
    out: `${slot}/out`,
  }),
  ready: async () => {},
  wrap: ({ argv, env }) => ({ argv, env }),
  hint: undefined,
};

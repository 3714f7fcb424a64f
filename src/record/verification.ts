// What running commands again came to.
import type { TreeDigest } from "../store/types.ts";
import type { Millis } from "./types.ts";

/** The command of a success was run again from the inputs that it was made from. */
export interface Verification {
  /** Id of a success; of an alias counts what it rests on. */
  readonly success: number;
  readonly at: Millis;
  readonly host: string;
  /** What was made this time. */
  readonly treeDigest: TreeDigest;
}

/** How often what an output is made by was verified, and how often that gave the same bytes. */
export interface Reproducibility {
  readonly verified: number;
  readonly same: number;
}

// What an engine may claim, a name each, and what then has to hold. ARCHITECTURE.md and docs/ENGINES.md tell of the promises.

import * as making from "./claims-making.ts";
import * as sharing from "./claims-sharing.ts";
import type { World } from "./world.ts";

export interface Claim {
  /** What is claimed, as a sentence. */
  readonly says: string;
  /** Throws where it does not hold. */
  readonly holds: (world: World) => Promise<void>;
}

export const CLAIMS = {
  ids: {
    says: "a plan whose IDs are not those of its specs is refused, and nothing is executed",
    holds: making.ids,
  },
  staging: { says: "a command finds what it was promised, and nothing else", holds: making.staging },
  outputs: {
    says: "what cannot be kept is refused, what can is closed, and what is missing is told",
    holds: making.kept,
  },
  failures: { says: "a failure is kept, told by exit code 1, and never reused", holds: making.failures },
  demand: { says: "only what the goals need is executed", holds: making.demand },
  "cut-off": { says: "what was made once from the same bytes is not executed again", holds: making.cutOff },
  "record-decides": {
    says: "bytes without a success are ignored; a success without bytes is made again",
    holds: making.recordDecides,
  },
  stale: {
    says: "what was made from bytes that have come out otherwise since is stale, and no input",
    holds: making.stale,
  },
  inputs: {
    says: "a step that changes its input fails, and the input is made again when it is needed",
    holds: making.inputs,
  },
  reuse: { says: "what one engine made no other makes again, and the other way round", holds: sharing.reuse },
  "one-maker": {
    says: "of many at once one makes each output, and the others take it",
    holds: sharing.oneMaker,
  },
  "dead-makers": {
    says: "what a killed engine was making is made by who waited for it",
    holds: sharing.deadMakers,
  },
  killed: {
    says: "killed at any instant, alone or beside another engine, the next goes on and redoes what was in flight",
    holds: sharing.killed,
  },
  "nothing-left": {
    says: "nothing that a step started outlives it, or its engine",
    holds: sharing.nothingLeft,
  },
} satisfies Record<string, Claim>;

export type ClaimName = keyof typeof CLAIMS;

// The measurements of single parts, by name.
import { hashing } from "./hashing.ts";
import { phases } from "./phases.ts";
import { plans } from "./plans.ts";
import { startUp } from "./start-up.ts";
import { trees } from "./trees.ts";
import type { Micro } from "./types.ts";

export const MICRO = { "start-up": startUp, plans, hashing, trees, phases } satisfies Record<string, Micro>;
export type MicroName = keyof typeof MICRO;

// Errors that every kind of record throws, in the same words.
import { AlamodeError } from "../errors.ts";
import type { OutputId } from "../plan/types.ts";
import type { Millis } from "./types.ts";

export function leaseLost(request: { execution: string; output: OutputId }): AlamodeError {
  return new AlamodeError("lease-lost", `the lease of ${request.execution} is no longer its own`, {
    facts: { execution: request.execution, output: request.output },
    hint: "Run again: what another run has made meanwhile is reused.",
  });
}

/** `run` is the number of the run that has the slot. */
export function slotTaken(startsAt: Millis, run: number): AlamodeError {
  return new AlamodeError("slot-taken", `run ${run} has this slot of the schedule already`, {
    facts: { slot: new Date(startsAt).toISOString(), run },
  });
}

/** A run was to be noted without its plan, which is not noted either. */
export function planUnknown(planDigest: string): AlamodeError {
  return new AlamodeError("plan-unknown", `the record holds no plan ${planDigest.slice(0, 8)}`, {
    facts: { plan: planDigest },
  });
}

export function notThere(what: string, record: string): AlamodeError {
  return new AlamodeError("record-damaged", `the record names ${what}, but does not hold it`, {
    facts: { record },
    hint: "Restore the record from a backup, or move it aside and begin a new one.",
  });
}

export function recordNewer(record: string, schema: number, known: number): AlamodeError {
  return new AlamodeError("record-newer", `${record} was written by a newer version of a-la-mode`, {
    facts: { record, schema, "schema known here": known },
    hint: "Upgrade: npm install a-la-mode@latest.",
  });
}

/** An execution of a run that the record has never heard of. */
export function ofNoRun(execution: string): Error {
  return new Error(`execution ${execution} belongs to no run. This is a bug; please report it.`);
}

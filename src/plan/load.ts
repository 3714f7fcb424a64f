// Plan files: read, and believed only once every ID has been computed again.
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { AlamodeError, errnoOf } from "../errors.ts";
import { outputOf } from "./encode.ts";
import { mismatch, readPlan } from "./plan-reader.ts";
import { type Plan, specOf } from "./types.ts";

/** Reads a plan file. Throws `plan-not-found`, and what `decodePlan` throws. */
export async function loadPlan(path: string): Promise<Plan> {
  return decodePlan(await bytesOf(path), basename(path));
}

/** The same, with the plan's digest: its file's, since decoding takes no other bytes than encoding gives. */
export async function loadWithDigest(
  path: string,
): Promise<{ readonly plan: Plan; readonly digest: string }> {
  const bytes = await bytesOf(path);
  return { plan: decodePlan(bytes, basename(path)), digest: hash("sha256", bytes, "hex") };
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const code = errnoOf(cause);
    if (code === "ENOENT")
      throw new AlamodeError("plan-not-found", `there is no plan file ${path}.`, { cause });
    const why = code === "EISDIR" ? "it is a folder" : cause instanceof Error ? cause.message : String(cause);
    throw new AlamodeError("plan-unreadable", `the plan file ${path} cannot be read: ${why}.`, { cause });
  }
}

/**
 * The plan of a plan file's bytes; `name` is what messages call it. Throws `not-bencode`, `not-a-plan` where its
 * structure is another, and `plan-mismatch` where an ID is not the one its spec and inputs make.
 */
export function decodePlan(bytes: Uint8Array, name = "plan"): Plan {
  return readPlan(bytes, { name, verify: true });
}

/** Computes every ID of a plan again. Throws `plan-mismatch`, `not-encodable`. */
export function verifyPlan(plan: Plan, name = "plan"): void {
  for (const task of Object.keys(plan.tasks)) {
    const { inputs, output } = plan.tasks[task]!;
    const made = outputOf(specOf(plan.tasks[task]!), inputs);
    if (made !== output) throw mismatch(name, task, output, made);
  }
}

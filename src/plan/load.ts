// Plan files: read, and believed only once every ID has been computed again.
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { AlamodeError, errnoOf } from "../errors.ts";
import { outputOf } from "./encode.ts";
import { whatStays } from "./growing.ts";
import { mismatch, readPlan } from "./plan-reader.ts";
import { type Plan, specOf } from "./types.ts";

/** Reads a plan file. Throws `plan-not-found`, and what `decodePlan` throws. */
export async function loadPlan(path: string): Promise<Plan> {
  return fromFile(path, (bytes) => decodePlan(bytes, basename(path)));
}

/** The same, with the plan's digest: its file's, since decoding takes no other bytes than encoding gives. */
export async function loadWithDigest(
  path: string,
): Promise<{ readonly plan: Plan; readonly digest: string }> {
  return fromFile(path, (bytes) => ({
    plan: decodePlan(bytes, basename(path)),
    digest: hash("sha256", bytes, "hex"),
  }));
}

/** Of this size a file has a buffer of its own. */
const LARGE_BYTES = 1024 * 1024;

/** What `read` gives must not refer to the bytes: they go when it returns, and not only when V8 looks for garbage. */
function fromFile<T>(path: string, read: (bytes: Uint8Array) => T): T {
  const bytes = bytesOf(path);
  const value = read(bytes);
  if (bytes.byteLength >= LARGE_BYTES) (bytes.buffer as ArrayBuffer).transfer(0);
  return value;
}

function bytesOf(path: string): Uint8Array {
  try {
    return readFileSync(path); // read in pieces it would lie in memory twice
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
  return whatStays(() => readPlan(bytes, { name, verify: true }));
}

/** Computes every ID of a plan again. Throws `plan-mismatch`, `not-encodable`. */
export function verifyPlan(plan: Plan, name = "plan"): void {
  for (const task of Object.keys(plan.tasks)) {
    const { inputs, output } = plan.tasks[task]!;
    const made = outputOf(specOf(plan.tasks[task]!), inputs);
    if (made !== output) throw mismatch(name, task, output, made);
  }
}

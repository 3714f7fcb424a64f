// Keeps the files that specs name in a store's folder, before a plan that refers to them is written.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { AlamodeError } from "../errors.ts";
import { findProject } from "./project-folder.ts";
import { digestOf, type SourceFile, sourceBase } from "./sources.ts";

/** Where sources go unless told otherwise: `ALAMODE_STORE`, else `.alamode` beside the pipeline's package.json. */
export function defaultStoreDir(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env["ALAMODE_STORE"] || join(findProject(sourceBase()), ".alamode"));
}

/**
 * Copies each source that was read in this process to `<store>/sources/<2 hex>/<sha256>`, unless it is there.
 * Throws `source-changed` where a file's content is another by now.
 */
export async function keepSources(storeDir: string, sources: Iterable<SourceFile>): Promise<void> {
  for (const { sha256, file } of sources) {
    const kept = join(storeDir, "sources", sha256.slice(0, 2), sha256);
    if (file !== undefined && !existsSync(kept)) await keep(kept, sha256, file);
  }
}

async function keep(kept: string, sha256: string, file: string): Promise<void> {
  await mkdir(dirname(kept), { recursive: true });
  const partial = `${kept}.${randomBytes(6).toString("hex")}.partial`;
  try {
    await copyFile(file, partial);
    if (digestOf(partial) !== sha256) {
      throw new AlamodeError(
        "source-changed",
        `the source file ${file} has changed since the pipeline was described.`,
        {
          facts: { sha256 },
          hint: "Describe the pipeline again.",
        },
      );
    }
    await chmod(partial, 0o444);
    await rename(partial, kept);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

// Keeps the files that specs name in a store's folder, before a plan that refers to them is written.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AlamodeError } from "../errors.ts";
import { makeFolder } from "../make-folder.ts";
import { type CodeKeeper, keepModule, modulesIn } from "./module-keep.ts";
import { storeFolder } from "./project-folder.ts";
import { digestOf, sourceBase, sourcesIn } from "./sources.ts";
import type { Spec } from "./types.ts";

/** Where sources go unless told otherwise: `ALAMODE_STORE`, else `.alamode` beside the pipeline's package.json. */
export function defaultStoreDir(env: NodeJS.ProcessEnv = process.env): string {
  return storeFolder(sourceBase(), env);
}

/**
 * Copies each file and module that specs name, and that was read in this process, to `<store>/sources/<2 hex>/`, unless it is
 * there. Throws `source-changed` where a file's content is another by now.
 */
export async function keepSources(storeDir: string, specs: readonly Spec[]): Promise<void> {
  await keepAll(
    folderKeeper((name) => join(storeDir, "sources", name.slice(0, 2), name)),
    specs,
  );
}

/** The same, wherever that keeper has its files. */
export async function keepAll(keeper: CodeKeeper, specs: readonly Spec[]): Promise<void> {
  for (const { sha256, file } of sourcesIn(specs)) {
    if (file !== undefined) await keeper.keepSource(sha256, file);
  }
  for (const module of modulesIn(specs)) await keepModule(module, keeper);
}

/** Keeps code as files. `placeOf`: the absolute path for a digest or a derived name. */
export function folderKeeper(placeOf: (name: string) => string): CodeKeeper {
  return {
    async keepSource(sha256, content) {
      if (!existsSync(placeOf(sha256))) await keep(placeOf(sha256), content, sha256);
    },
    async keepDerived(name, content) {
      if (!existsSync(placeOf(name))) await keep(placeOf(name), content);
    },
    derived: async (name) => (existsSync(placeOf(name)) ? placeOf(name) : undefined),
  };
}

async function keep(kept: string, content: string | Uint8Array, sha256?: string): Promise<void> {
  makeFolder(dirname(kept));
  const partial = `${kept}.${randomBytes(6).toString("hex")}.partial`;
  try {
    if (typeof content === "string") await copyFile(content, partial);
    else await writeFile(partial, content);
    if (sha256 !== undefined && digestOf(partial) !== sha256) {
      throw new AlamodeError(
        "source-changed",
        `the source file ${content} has changed since the pipeline was described.`,
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

// A dag's plan file on disk, and beside it in the store the files that its specs name.
import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import type { DagContent } from "./dag.ts";
import { dagChunks } from "./encode.ts";
import { defaultStoreDir, keepSources } from "./keep-sources.ts";

export async function saveDag(dag: DagContent, path: string): Promise<void> {
  const specs = [...dag.tasks.values()].map((task) => task.spec);
  await keepSources(defaultStoreDir(), specs);
  await writeWhole(path, dagChunks(dag));
}

/** Writes a file so that `path` holds either all of it or what it held before. */
export async function writeWhole(path: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const partial = `${path}.${randomBytes(6).toString("hex")}.partial`;
  const file = await open(partial, "wx");
  try {
    try {
      for (const chunk of chunks) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

// Code and small data that specs name by sha256: kept in the store before anything runs, so that what runs is the copy.
import { readFileSync } from "node:fs";
import type { ReadSource } from "../plan/module-changes.ts";
import { keepModule } from "../plan/module-keep.ts";
import { knownSource } from "../plan/sources.ts";
import type { Store } from "../store/types.ts";
import type { Runnable } from "./runnable.ts";

/**
 * Keeps the files and modules that `files()` and `module()` saw in this process. Those that they did not see (a plan read from a file) are expected to be
 * kept already; staging says so if not. Throws `source-changed` if a file was edited since it was planned.
 */
export async function keepSources(
  tasks: Iterable<{ readonly runnable: Pick<Runnable, "files" | "module"> }>,
  store: Store,
): Promise<void> {
  const kept = new Set<string>();
  for (const { runnable } of tasks) {
    const { files, module } = runnable;
    if (module !== undefined && !kept.has(module.module)) {
      kept.add(module.module);
      await keepModule(module.module, store);
    }
    for (const sha256 of Object.values(files)) {
      if (kept.has(sha256)) continue;
      kept.add(sha256);
      const file = knownSource(sha256);
      if (file !== undefined) await store.keepSource(sha256, file);
    }
  }
}

/** Reads what the store keeps of sources. */
export function sourceReader(store: Store): ReadSource {
  return async (sha256) => {
    const path = await store.source(sha256);
    return path === undefined ? undefined : readFileSync(path);
  };
}

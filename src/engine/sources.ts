// Code and small data that specs name by sha256: kept in the store before anything runs, so that what runs is the copy.
import { sourceFile } from "../plan/sources.ts";
import type { Store } from "../store/types.ts";

/**
 * Keeps the files that `files()` saw in this process. Those that it did not see (a plan read from a file) are expected to be
 * kept already; staging says so if not. Throws `source-changed` if a file was edited since it was planned.
 */
export async function keepSources(
  runnables: Iterable<{ readonly files: Readonly<Record<string, string>> }>,
  store: Store,
): Promise<void> {
  const kept = new Set<string>();
  for (const { files } of runnables) {
    for (const sha256 of Object.values(files)) {
      if (kept.has(sha256)) continue;
      kept.add(sha256);
      const file = sourceFile(sha256);
      if (file !== undefined) await store.keepSource(sha256, file);
    }
  }
}

// A folder of 100,000 files on its way into a folder store: sealed, committed, looked up, checked.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OutputId } from "../../src/plan/types.ts";
import { openFolderStore } from "../../src/store/folder.ts";
import type { Micro, MicroRow } from "./types.ts";

const FILES = 100_000;

export const trees: Micro = async (dir) => {
  const store = await openFolderStore(join(dir, "store"));
  const made = join(store.scratchDir, "made");
  for (let i = 0; i < FILES; i++) {
    if (i % 1000 === 0) mkdirSync(join(made, String(i / 1000)), { recursive: true });
    writeFileSync(join(made, String(Math.floor(i / 1000)), String(i)), `${i}\n`);
  }
  const rows: MicroRow[] = [];
  const lap = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const startedMs = performance.now();
    const done = await work();
    rows.push({ what: `${what} ${FILES} files`, value: (performance.now() - startedMs) / 1000, unit: "s" });
    return done;
  };
  const sealed = await lap("seal (modes and hashes)", () => store.seal(made, {}));
  const output = "0".repeat(64) as OutputId;
  const { location, stamps } = await lap("move to its place", () =>
    store.commit(output, sealed, { taken: [], mayMoveAside: true }),
  );
  await lap("check sizes and times of", async () => store.check(location, { ...sealed, stamps }));
  await lap("hash again", () => store.rehash(location));
  await store.close();
  return rows;
};

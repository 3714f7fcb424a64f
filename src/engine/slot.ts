// A scratch slot: the folder one step at a time works in. `work` is its working directory, `out` holds $OUTPUT.
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../store/remove.ts";

const PARTS = ["work", "home", "tmp", "out"] as const;

/** Makes the slot's folders, empty. */
export async function clearSlot(slot: string): Promise<void> {
  for (const part of PARTS) {
    const path = join(slot, part);
    await removeTree(path);
    mkdirSync(path, { recursive: true, mode: 0o755 });
  }
  mkdirSync(join(slot, "work", "inputs"), { mode: 0o755 });
}

/** Moves what a failed step left to a folder of its own, for people to look at. */
export function keepSlot(slot: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const part of PARTS) {
    if (readdirSync(slot).includes(part)) renameSync(join(slot, part), join(folder, part));
  }
}

// A scratch slot: the folder one step at a time works in. `work` is its working directory, `out` holds $OUTPUT.
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../store/remove.ts";

const PARTS = ["work", "home", "tmp", "out"] as const;
const MODE = 0o755;

/**
 * Makes the slot's folders, empty. Folders that are there are emptied and used again: making and removing them for every
 * step took a fifth of the engine's own time for small tasks.
 */
export async function clearSlot(slot: string): Promise<void> {
  for (const part of PARTS) await clearFolder(join(slot, part), part === "work" ? "inputs" : undefined);
  await clearFolder(join(slot, "work", "inputs"));
}

/** Moves what a failed step left to a folder of its own, for people to look at. */
export function keepSlot(slot: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const there = readdirSync(slot);
  for (const part of PARTS) if (there.includes(part)) renameSync(join(slot, part), join(folder, part));
}

/** An empty folder with our mode, whatever a task made of the one that was there. */
async function clearFolder(path: string, spared?: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isDirectory()) await removeTree(path);
  if (stats === undefined || !stats.isDirectory()) {
    mkdirSync(path, { recursive: true, mode: MODE });
    chmodSync(path, MODE);
    return;
  }
  if ((stats.mode & 0o7777) !== MODE) chmodSync(path, MODE);
  // Names as bytes: a task may have made some that are not UTF-8, and those are removed with the whole folder.
  const names = readdirSync(path).filter((name) => name !== spared);
  if (names.some((name) => name.includes("\ufffd"))) {
    await removeTree(path);
    return clearFolder(path);
  }
  for (const name of names) await removeTree(join(path, name));
}

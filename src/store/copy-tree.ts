// Copies a tree from wherever it lies: between file systems, and from one store's folder to another's.
import { chmodSync, constants, copyFileSync, lstatSync, mkdirSync, symlinkSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { Turn } from "./turn.ts";
import type { Tree } from "./types.ts";
import { placeOf, targetOf, walk } from "./walk.ts";

/** A larger file is copied while other work goes on. */
const SMALL_BYTES = 1024 * 1024;

/** Copies the file or folder `from` to `to`, where nothing lies; links as they are. System errors come through. */
export async function copyTree(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const turn = new Turn(signal);
  const top = lstatSync(from);
  if (!top.isDirectory()) return copyOne(from, to, top.size);
  mkdirSync(to, { mode: 0o755 });
  for (const { path, kind } of await walk(from, false, turn)) {
    if (turn.over()) await turn.next();
    const [source, place] = [placeOf(from, path), placeOf(to, path)];
    if (kind === "folder") mkdirSync(place, { mode: 0o755 });
    else if (kind === "link") symlinkSync(targetOf(from, path), place);
    else await copyOne(source, place, lstatSync(source).size);
  }
}

async function copyOne(from: string, to: string, sizeBytes: number): Promise<void> {
  const mode = constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL;
  if (sizeBytes <= SMALL_BYTES) copyFileSync(from, to, mode);
  else await copyFile(from, to, mode);
}

/** Makes all of it read-only but the top folder, which has to be moved first; files are executable as the tree has it. */
export function closeModes(top: string, tree: Tree): void {
  for (const [path, entry] of [...tree].reverse()) {
    if (entry.kind === "file") chmodSync(placeOf(top, path), entry.executable ? 0o555 : 0o444);
    if (entry.kind === "folder") chmodSync(placeOf(top, path), 0o555);
  }
}

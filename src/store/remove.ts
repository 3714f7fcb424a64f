// Removes a whole tree, read-only folders and odd names included. Never follows a link.
import { randomBytes } from "node:crypto";
import { chmodSync, type Dirent, lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync } from "node:fs";
import { errnoOf } from "../errors.ts";
import { systemError } from "./system-error.ts";
import { Turn } from "./turn.ts";

/** Below PATH_MAX (4096 on Linux, 1024 on macOS) by more than one name's length. */
const longPathBytes = process.platform === "darwin" ? 700 : 3700;

/** Removes what lies at `path`, whatever its modes; nothing there is fine. Throws `no-permission` where it is another's. */
export async function removeTree(path: string): Promise<void> {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return;
    if (stats.isDirectory()) await removeFolders(Buffer.from(path));
    else unlinkSync(path);
  } catch (error) {
    throw systemError(error, `removing ${path}`);
  }
}

/** Paths are bytes here, because names may not be UTF-8. */
async function removeFolders(top: Buffer): Promise<void> {
  const turn = new Turn();
  const found = [top];
  // A folder is met twice: first its content goes, then, all below it gone, itself.
  const emptied = new Set<Buffer>();
  for (let folder = found.at(-1); folder !== undefined; folder = found.at(-1)) {
    if (turn.over()) await turn.next();
    if (emptied.has(folder)) {
      unlessGone(folder, rmdirSync);
      found.pop();
      continue;
    }
    emptied.add(folder);
    for (const entry of takeEntries(folder)) {
      if (turn.over()) await turn.next();
      const place = Buffer.concat([folder, slash, entry.name]);
      if (!entry.isDirectory()) unlessGone(place, unlinkSync);
      else found.push(place.length < longPathBytes ? place : movedUp(place, top));
    }
  }
}

const slash = Buffer.from("/");

/** Entries of a folder that is made changeable first where its mode forbids it. */
function takeEntries(folder: Buffer): Dirent<NonSharedBuffer>[] {
  if ((lstatSync(folder).mode & 0o700) !== 0o700) chmodSync(folder, 0o700);
  return readdirSync(folder, { withFileTypes: true, encoding: "buffer" });
}

/** Folders nested deeper than a path can name are moved to the top, where they can be named again. */
function movedUp(folder: Buffer, top: Buffer): Buffer {
  const place = Buffer.concat([top, slash, Buffer.from(randomBytes(16).toString("hex"))]);
  // To change its parent, a folder itself has to be writable.
  chmodSync(folder, 0o700);
  renameSync(folder, place);
  return place;
}

function unlessGone(place: Buffer, remove: (place: Buffer) => void): void {
  try {
    remove(place);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

// A scratch slot: the folder one step at a time works in. `work` is its working directory, `out` holds $OUTPUT.
import { chmodSync, lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { removeTree } from "../store/remove.ts";

const PARTS = ["work", "home", "tmp", "out"] as const;
const MODE = 0o755;
/** The bit by which a folder hands its group on to what is made in it: a shared store's folders have it, and it stays. */
const SETGID = 0o2000;
const GROUP_WRITES = 0o020;

/**
 * Makes the slot's folders, empty; with `keepInputs` what lies in `inputs` stays, for `placeInputs` to judge. Folders that are
 * there are emptied and used again: making and removing them for every step took a fifth of the engine's own time for small
 * tasks.
 */
export async function clearSlot(slot: string, { keepInputs = false } = {}): Promise<void> {
  for (const part of PARTS)
    await clearFolder(join(slot, part), part === "work" ? (name) => name === "inputs" : undefined);
  await clearFolder(join(slot, "work", "inputs"), keepInputs ? () => true : undefined);
}

/**
 * Makes `inputs` hold these links (name → target) and nothing else. What the step before had there too stays: a link made and
 * removed takes 50 µs, and ten times that where the disk is busy; to look at one takes two.
 */
export async function placeInputs(slot: string, links: ReadonlyMap<string, string>): Promise<void> {
  const folder = join(slot, "work", "inputs");
  const there = new Set<string>();
  for (const name of readdirSync(folder)) {
    const place = join(folder, name);
    const wanted = links.get(name);
    if (wanted !== undefined && lstatSync(place).isSymbolicLink() && readlinkSync(place) === wanted)
      there.add(name);
    else await removeTree(place);
  }
  for (const [name, target] of links) if (!there.has(name)) symlinkSync(target, join(folder, name));
}

/** Moves what a failed step left to a folder of its own, for people to look at. */
export function keepSlot(slot: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const there = readdirSync(slot);
  for (const part of PARTS) if (there.includes(part)) renameSync(join(slot, part), join(folder, part));
  const { mode } = lstatSync(dirname(folder));
  if ((mode & SETGID) !== 0 && (mode & GROUP_WRITES) !== 0) openToGroup(folder);
}

/** Lets others of the group clear it away: commands run with a umask of their own. Names are bytes: they may not be UTF-8. */
function openToGroup(top: string): void {
  const folders = [Buffer.from(top)];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    chmodSync(folder, (lstatSync(folder).mode & 0o7777) | 0o700 | GROUP_WRITES);
    for (const entry of readdirSync(folder, { withFileTypes: true, encoding: "buffer" })) {
      if (entry.isDirectory()) folders.push(Buffer.concat([folder, Buffer.from("/"), entry.name]));
    }
  }
}

/** An empty folder with our mode, but for what is spared, whatever a task made of the one that was there. */
async function clearFolder(path: string, spared = (_name: string): boolean => false): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isDirectory()) await removeTree(path);
  if (stats === undefined || !stats.isDirectory()) {
    mkdirSync(path, { recursive: true, mode: MODE });
    chmodSync(path, MODE | (lstatSync(path).mode & SETGID)); // whatever the umask
    return;
  }
  const group = stats.mode & SETGID;
  if ((stats.mode & 0o7777) !== (MODE | group)) chmodSync(path, MODE | group);
  // Names as bytes: a task may have made some that are not UTF-8, and those are removed with the whole folder.
  const names = readdirSync(path);
  if (names.some((name) => name.includes("\ufffd"))) {
    await removeTree(path);
    return clearFolder(path);
  }
  for (const name of names) if (!spared(name)) await removeTree(join(path, name));
}

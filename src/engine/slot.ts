// A scratch slot: the folder one step at a time works in. `work` is its working directory, `out` holds $OUTPUT.
import {
  type BigIntStats,
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf } from "../errors.ts";
import { removeTree } from "../store/remove.ts";
import { Untouched } from "./untouched.ts";

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
export async function clearSlot(
  slot: string,
  { keepInputs = false, untouched = new Untouched() } = {},
): Promise<void> {
  for (const part of PARTS)
    await clearFolder(
      `${slot}/${part}`,
      untouched,
      part === "work" ? (name) => name === "inputs" : undefined,
    );
  const inputs = inputsOf(slot);
  if (keepInputs) openFolder(inputs, await folderAt(inputs));
  else await clearFolder(inputs, untouched);
}

export function inputsOf(slot: string): string {
  return `${slot}/work/inputs`;
}

/**
 * Makes `inputs` hold these links (name → target) and nothing else. What the step before had there too stays: a link made and
 * removed takes 50 µs, and ten times that where the disk is busy; to look at one takes two.
 */
export async function placeInputs(slot: string, links: ReadonlyMap<string, string>): Promise<void> {
  const folder = inputsOf(slot);
  const there = new Set<string>();
  for (const name of await namesIn(folder)) {
    const place = `${folder}/${name}`;
    const wanted = links.get(name);
    if (wanted !== undefined && linkTarget(place) === wanted) there.add(name);
    else await removeTree(place);
  }
  for (const [name, target] of links) if (!there.has(name)) symlinkSync(target, `${folder}/${name}`);
}

/** Where the link at `place` leads; undefined where none is. */
export function linkTarget(place: string): string | undefined {
  try {
    return readlinkSync(place);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "EINVAL" || errno === "ENOENT") return undefined; // it is no link, or nothing
    throw error;
  }
}

/** What lies in a folder of ours. Names as bytes: a task may have made some that are not UTF-8; then it is emptied. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  const names = readdirSync(folder);
  if (!names.some((name) => name.includes("\ufffd"))) return names;
  await removeTree(folder);
  makeFolder(folder);
  return [];
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
async function clearFolder(
  path: string,
  untouched: Untouched,
  spared = (_name: string): boolean => false,
): Promise<void> {
  const stats = await folderAt(path);
  if (untouched.holds(path, stats)) return;
  openFolder(path, stats);
  let isAsFound = true;
  for (const name of await namesIn(path)) {
    if (spared(name)) continue;
    isAsFound = false;
    await removeTree(`${path}/${name}`);
  }
  if (isAsFound) untouched.note(path, stats);
}

/** What a folder looks like, which is made where something else is, or nothing. */
async function folderAt(path: string): Promise<BigIntStats> {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats?.isDirectory()) return stats;
  if (stats !== undefined) await removeTree(path);
  makeFolder(path);
  return lstatSync(path, { bigint: true });
}

function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: MODE });
  chmodSync(path, MODE | (lstatSync(path).mode & SETGID)); // whatever the umask
}

/** Gives a folder our mode. */
function openFolder(path: string, { mode }: BigIntStats): void {
  const ours = MODE | (Number(mode) & SETGID);
  if ((Number(mode) & 0o7777) !== ours) chmodSync(path, ours);
}

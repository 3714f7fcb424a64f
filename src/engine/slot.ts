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
  unlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf } from "../errors.ts";
import { removeTree } from "../store/remove.ts";
import { Untouched } from "./untouched.ts";

const PARTS = ["work", "home", "tmp", "out"] as const;
const INPUTS = "inputs";
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
  for (const part of PARTS) {
    const [folder, spared] = [`${slot}/${part}`, part === "work" ? INPUTS : undefined];
    if (!isClear(folder, untouched, spared)) await clearFolder(folder, spared);
  }
  const inputs = inputsOf(slot);
  if (keepInputs) openFolder(inputs, folderAt(inputs));
  else if (!isClear(inputs, untouched)) await clearFolder(inputs);
}

export function inputsOf(slot: string): string {
  return `${slot}/work/${INPUTS}`;
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

/** What lies in a folder of ours. A task may have made names that are not UTF-8, of which we could remove none: then it is emptied. */
export function namesIn(folder: string): readonly string[] | Promise<readonly string[]> {
  const names = readdirSync(folder);
  return names.some(isDoubtful) ? emptied(folder) : names;
}

/** Bytes that are not UTF-8 are told as this, which may also be in a name rightfully. */
function isDoubtful(name: string): boolean {
  return name.includes("\ufffd");
}

async function emptied(folder: string): Promise<readonly string[]> {
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

/** Whether there is an empty folder with our mode, but for the name that is spared: told without a promise, for nearly always it is so. */
function isClear(path: string, untouched: Untouched, spared?: string): boolean {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined || !stats.isDirectory()) return false;
  if (untouched.holds(path, stats)) return true;
  if (permissions(stats) !== ourMode(stats)) return false;
  if (!readdirSync(path).every((name) => name === spared)) return false;
  untouched.note(path, stats);
  return true;
}

/** Makes it so, whatever a task made of the one that was there. */
async function clearFolder(path: string, spared?: string): Promise<void> {
  openFolder(path, folderAt(path));
  for (const name of await namesIn(path)) if (name !== spared) await removeTree(`${path}/${name}`);
}

/** What a folder looks like, which is made where something else is, or nothing. */
function folderAt(path: string): BigIntStats {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats?.isDirectory()) return stats;
  if (stats !== undefined) unlinkSync(path);
  makeFolder(path);
  return lstatSync(path, { bigint: true });
}

function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: MODE });
  chmodSync(path, MODE | (lstatSync(path).mode & SETGID)); // whatever the umask
}

/** Gives a folder our mode. */
function openFolder(path: string, stats: BigIntStats): void {
  const ours = ourMode(stats);
  if (permissions(stats) !== ours) chmodSync(path, ours);
}

function ourMode({ mode }: BigIntStats): number {
  return MODE | (Number(mode) & SETGID);
}

function permissions({ mode }: BigIntStats): number {
  return Number(mode) & 0o7777;
}

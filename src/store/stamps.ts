// Stamps: what a tree looked like to lstat when it was committed, so that a change is seen without reading anything.
// Two signed 64-bit little-endian integers for each entry, in the tree's order, then for the top folder (a lone file
// is its own top and has one pair): mtime in nanoseconds since 1970, and size in bytes (0 for folders). Never ctime:
// a link or a rename changes it.
import { type BigIntStats, lstatSync, readdirSync } from "node:fs";
import type { Turn } from "./turn.ts";
import type { Check, Tree, TreeEntry } from "./types.ts";
import { placeOf } from "./walk.ts";

const pairBytes = 16;
const INTACT: Check = { kind: "intact" };

/** Notes pairs by their place in the tree's order; the top folder's place is the number of entries. */
export class StampWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(entries: number, isLoneFile: boolean) {
    this.bytes = new Uint8Array(pairBytes * (isLoneFile ? 1 : entries + 1));
    this.#view = new DataView(this.bytes.buffer);
  }

  set(place: number, stats: BigIntStats): void {
    this.#view.setBigInt64(place * pairBytes, stats.mtimeNs, true);
    this.#view.setBigInt64(place * pairBytes + 8, stats.isDirectory() ? 0n : stats.size, true);
  }
}

/** The stamps of a sealed tree once it lies at `path`: the top's pair is written anew, the others stay. */
export function restampTop(stamps: Uint8Array, tree: Tree, path: string): Uint8Array {
  const isLoneFile = tree.has("");
  const writer = new StampWriter(tree.size, isLoneFile);
  writer.bytes.set(stamps);
  writer.set(isLoneFile ? 0 : tree.size, lstatSync(path, { bigint: true }));
  return writer.bytes;
}

/** The stamps of the tree that lies at `path`, all taken now. */
export async function stampsOf(path: string, tree: Tree, turn: Turn): Promise<Uint8Array> {
  const writer = new StampWriter(tree.size, tree.has(""));
  let place = 0;
  for (const relative of tree.keys()) {
    if (turn.over()) await turn.next();
    writer.set(place++, lstatSync(placeOf(path, relative), { bigint: true }));
  }
  return restampTop(writer.bytes, tree, path);
}

/**
 * Compares what lies at `path` with its tree and stamps; the first difference in the tree's order, the top first. Whether files
 * are executable is looked at unless `modes` is false.
 */
export function checkStamps(
  path: string,
  tree: Tree,
  stamps: Uint8Array,
  turn: Turn,
  { modes = true } = {},
): Check | Promise<Check> {
  const isLoneFile = tree.has("");
  const pairs = isLoneFile ? 1 : tree.size + 1;
  if (stamps.length !== pairs * pairBytes) return damaged("", "its stamps are of another tree");
  const view = new DataView(stamps.buffer, stamps.byteOffset, stamps.byteLength);
  const differs = (relative: string, entry: TreeEntry, place: number): Check | undefined => {
    const stats = lstatSync(placeOf(path, relative), { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return relative === "" ? { kind: "missing" } : damaged(relative, "is gone");
    const how = difference(entry, stats, view, place, modes);
    if (how === undefined) return undefined;
    return stats.isDirectory() && entry.kind === "folder"
      ? whatChanged(path, relative, tree)
      : damaged(relative, how);
  };
  const top = isLoneFile ? differs("", tree.get("")!, 0) : differs("", { kind: "folder" }, tree.size);
  if (top !== undefined || isLoneFile) return top ?? INTACT;
  return firstDifference(tree, differs, turn);
}

async function firstDifference(
  tree: Tree,
  differs: (relative: string, entry: TreeEntry, place: number) => Check | undefined,
  turn: Turn,
): Promise<Check> {
  let place = 0;
  for (const [relative, entry] of tree) {
    if (turn.over()) await turn.next();
    const difference = differs(relative, entry, place++);
    if (difference !== undefined) return difference;
  }
  return INTACT;
}

function difference(
  entry: TreeEntry,
  stats: BigIntStats,
  view: DataView,
  place: number,
  modes: boolean,
): string | undefined {
  const now = stats.isFile()
    ? "file"
    : stats.isDirectory()
      ? "folder"
      : stats.isSymbolicLink()
        ? "link"
        : "special";
  if (now !== entry.kind) return `was a ${entry.kind} and is a ${now} now`;
  const size = view.getBigInt64(place * pairBytes + 8, true);
  if (now !== "folder" && stats.size !== size) return `had ${size} bytes and has ${stats.size} now`;
  if (stats.mtimeNs !== view.getBigInt64(place * pairBytes, true)) {
    return `was modified at ${new Date(Number(stats.mtimeMs)).toISOString()}`;
  }
  if (modes && entry.kind === "file" && entry.executable !== ((stats.mode & 0o100n) !== 0n)) {
    return entry.executable ? "is no longer executable" : "has become executable";
  }
  return undefined;
}

/** A folder's time says that names came or went: finds which. */
function whatChanged(path: string, folder: string, tree: Tree): Check {
  const prefix = folder === "" ? "" : `${folder}/`;
  const names = new Set(readdirSync(placeOf(path, folder)));
  for (const name of names) if (!tree.has(prefix + name)) return damaged(prefix + name, "was added");
  for (const relative of tree.keys()) {
    if (!relative.startsWith(prefix)) continue;
    const name = relative.slice(prefix.length);
    if (!name.includes("/") && !names.has(name)) return damaged(relative, "is gone");
  }
  return damaged(folder, "had something added, removed or replaced in it");
}

function damaged(path: string, how: string): Check {
  return { kind: "damaged", path, how };
}

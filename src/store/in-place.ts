// Trees that stay where they are: a location that is a link to an absolute path, which the store neither owns nor changes. What
// lies there is known by content as any tree is; but modes are not its own (many file systems make every file executable), so
// no file of it counts as executable, and links are refused, for what they lead to could change unseen.
import { lstatSync, readlinkSync, realpathSync, symlinkSync, unlinkSync } from "node:fs";
import { hashEntries, summed } from "./hash.ts";
import { IN_PLACE } from "./locations.ts";
import { StampWriter } from "./stamps.ts";
import { systemError } from "./system-error.ts";
import { Turn } from "./turn.ts";
import type { HashedTree, SealedTree, TreeEntry } from "./types.ts";
import { badOutput, type Listed, placeOf, walk } from "./walk.ts";

/** Where a location leads that is a tree in place; undefined for one whose tree the store holds, and where nothing is. */
export function inPlaceTarget(place: string): string | undefined {
  if (!place.endsWith(IN_PLACE)) return undefined;
  return lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(place) : undefined;
}

/**
 * The tree at `path`, with digests (64 hex) that are known by other means than by reading all. Changes nothing. As
 * `Store.sealInPlace` says, for every kind of store.
 */
export async function sealInPlace(
  path: string,
  digests: (files: readonly string[]) => readonly string[],
  signal?: AbortSignal,
): Promise<SealedTree> {
  try {
    return await treeInPlace(path, digests, signal);
  } catch (error) {
    throw systemError(error, "looking at what is read in place");
  }
}

async function treeInPlace(
  path: string,
  digests: (files: readonly string[]) => readonly string[],
  signal: AbortSignal | undefined,
): Promise<SealedTree> {
  const top = realpathSync.native(path);
  const listed = await listInPlace(top, new Turn(signal));
  const stamps = new StampWriter(listed.length, listed[0]?.path === "");
  // Noted before any content is read: a change after this is seen by the next check.
  const looks = listed.map(({ path }) => lstatSync(placeOf(top, path), { bigint: true }));
  for (const [i, stats] of looks.entries()) stamps.set(i, stats);
  if (listed[0]?.path !== "") stamps.set(listed.length, lstatSync(top, { bigint: true }));

  const files = listed.filter(({ kind }) => kind === "file");
  const known = digests(files.map(({ path }) => placeOf(top, path)));
  const sha256 = new Map(files.map(({ path }, i) => [path, known[i]!]));
  const tree = new Map<string, TreeEntry>();
  for (const [i, { path }] of listed.entries()) {
    const digest = sha256.get(path);
    tree.set(
      path,
      digest === undefined
        ? { kind: "folder" }
        : { kind: "file", size: Number(looks[i]!.size), sha256: digest, executable: false },
    );
  }
  return { ...summed(tree), path: top, stamps: stamps.bytes, inPlace: true };
}

/** Reads and hashes all of a tree in place. */
export async function hashInPlace(path: string, signal?: AbortSignal): Promise<HashedTree> {
  const turn = new Turn(signal);
  const look = (place: string) => ({ size: lstatSync(place).size, executable: false });
  const listed = await listInPlace(path, turn);
  return hashEntries(path, listed, { look, turn, ...(signal === undefined ? {} : { signal }) });
}

/** Makes a location lead to a tree in place, also where it led elsewhere. False where something else than a link lies. */
export function linkInPlace(path: string, place: string): boolean {
  const there = inPlaceTarget(place);
  if (there === path) return true;
  if (there !== undefined) unlinkSync(place);
  else if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) return false;
  symlinkSync(path, place);
  return true;
}

async function listInPlace(top: string, turn: Turn): Promise<readonly Listed[]> {
  if (lstatSync(top).isFile()) return [{ path: "", kind: "file" }];
  const listed = await walk(top, false, turn);
  const link = listed.find(({ kind }) => kind === "link");
  if (link !== undefined) {
    throw badOutput(link.path, "it is a link, whose end may change unseen", { facts: { folder: top } });
  }
  return listed;
}

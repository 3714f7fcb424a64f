// Moves sealed trees to their locations in a folder store, never over another tree: a file by link, which refuses what
// exists, then unlink; a folder by rename, which refuses whatever holds anything.
import { randomBytes } from "node:crypto";
import {
  type BigIntStats,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import { AlamodeError, errnoOf } from "../errors.ts";
import type { OutputId } from "../plan/types.ts";
import { hashTree } from "./hash.ts";
import { linkInPlace } from "./in-place.ts";
import { inPlaceLocation, plainLocation, suffixedLocation } from "./locations.ts";
import { restampTop, stampsOf } from "./stamps.ts";
import { Turn } from "./turn.ts";
import type { CommitOptions, Location, SealedTree, Tree } from "./types.ts";

/** How often what is damaged at a suffixed location is set aside, should it come back. */
const MOST_ATTEMPTS = 3;

/** As `Store.commit` says; `outputsDir` is absolute. System errors come through. */
export async function commitToFolder(
  outputsDir: string,
  output: OutputId,
  sealed: SealedTree,
  { taken, mayMoveAside }: CommitOptions,
): Promise<{ location: Location; stamps: Uint8Array }> {
  const plain = plainLocation(output);
  const suffixed = suffixedLocation(output, sealed.digest);
  if (sealed.inPlace) return leave(outputsDir, output, sealed);
  const place = `${outputsDir}/${plain}`;
  const suffixedPlace = `${outputsDir}/${suffixed}`;
  const moved = (location: Location) => {
    // A file keeps its time and its size as it gets another name.
    if (sealed.tree.has("")) return { location, stamps: sealed.stamps };
    const stamps = restampTop(sealed.stamps, sealed.tree, `${outputsDir}/${location}`);
    return { location, stamps };
  };

  // A rename replaces an empty folder. At its suffixed location no other tree will ever want to go.
  if (sealed.tree.size > 0 && !taken.includes(plain)) {
    if (moveExclusively(sealed, place)) return moved(plain);
    // A link there is a view of the tree that stands for this output: it counts as occupied.
    const there = lstatSync(place, { throwIfNoEntry: false });
    if (mayMoveAside && there !== undefined && !there.isSymbolicLink()) {
      setAside(place);
      if (moveExclusively(sealed, place)) return moved(plain);
    }
  }
  for (let attempt = 1; ; attempt++) {
    if (moveExclusively(sealed, suffixedPlace)) return moved(suffixed);
    const found = lstatSync(suffixedPlace, { bigint: true, throwIfNoEntry: false });
    if (await holds(suffixedPlace, sealed)) {
      return { location: suffixed, stamps: await stampsOf(suffixedPlace, sealed.tree, new Turn()) };
    }
    if (attempt > MOST_ATTEMPTS) throw occupied(suffixedPlace, sealed);
    // By its name it would have to be this very tree: whoever relied on it, of whichever record, has lost it already.
    if (found !== undefined) setDamagedAside(suffixedPlace, found);
  }
}

/**
 * Leaves a tree in place: a location of its own leads to it. Where a place has moved, it leads to the new one, which holds the
 * same. Where nothing else lies at the output's usual location, that is made to lead there too, for people.
 */
function leave(outputsDir: string, output: OutputId, { path, stamps, ...sealed }: SealedTree) {
  const location = inPlaceLocation(output, sealed.digest);
  const place = `${outputsDir}/${location}`;
  mkdirSync(dirname(place), { recursive: true });
  if (!linkInPlace(path, place)) throw occupied(place, sealed);
  const usual = `${outputsDir}/${plainLocation(output)}`;
  if (lstatSync(usual, { throwIfNoEntry: false }) === undefined) symlinkSync(`../${location}`, usual);
  return { location, stamps };
}

function occupied(place: string, { digest }: Pick<SealedTree, "digest">): AlamodeError {
  return new AlamodeError("location-occupied", `something else lies where the output has to go: ${place}`, {
    facts: { tree: digest },
    hint: "It was changed by hand, or damaged: move it away, and run again.",
  });
}

/** Whether the location holds this very tree already, made by another; its top is closed, should its maker have died. */
async function holds(place: string, sealed: SealedTree): Promise<boolean> {
  try {
    if ((await hashTree(place)).digest !== sealed.digest) return false;
  } catch (error) {
    if (error instanceof AlamodeError && error.code === "bad-output") return false;
    throw error;
  }
  closeTop(sealed, place);
  return true;
}

/** False where something lies already. The folder above is made where it is missing. */
function moveExclusively(sealed: SealedTree, place: string): boolean {
  const act = move(sealed.tree);
  let moved: boolean;
  try {
    moved = act(sealed.path, place);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    mkdirSync(dirname(place), { recursive: true }); // this output is the first to go there
    moved = act(sealed.path, place);
  }
  if (moved) closeTop(sealed, place);
  return moved;
}

function move(tree: Tree): (from: string, to: string) => boolean {
  if (tree.has("")) return moveFile;
  return tree.size === 0 ? moveEmptyFolder : moveFolder;
}

function moveFile(from: string, to: string): boolean {
  try {
    linkSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST" || !isSameFile(from, to)) {
      if (errnoOf(error) === "EEXIST") return false;
      throw error;
    }
    // A network file system answered a repeated request: the first had done it.
  }
  unlinkSync(from);
  return true;
}

function isSameFile(a: string, b: string): boolean {
  const [one, other] = [lstatSync(a, { bigint: true }), lstatSync(b, { bigint: true })];
  return one.ino === other.ino && one.dev === other.dev;
}

function moveFolder(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (["EEXIST", "ENOTEMPTY", "ENOTDIR"].includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

/** A rename would replace another empty folder, whose stamps somebody may have noted. */
function moveEmptyFolder(from: string, to: string): boolean {
  try {
    mkdirSync(to);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
  rmdirSync(from);
  return true;
}

/** A folder's own mode can only be closed once it was moved: to change its parent it has to be writable. */
function closeTop(sealed: SealedTree, place: string): void {
  if (!sealed.tree.has("")) chmodSync(place, 0o555);
}

/** Sets aside what was found there. What another has put there since is another's, and whole: it is put back. */
function setDamagedAside(place: string, found: BigIntStats): void {
  const aside = setAside(place);
  if (aside === undefined) return;
  const stats = lstatSync(aside, { bigint: true });
  if (stats.ino === found.ino && stats.dev === found.dev) return;
  if (stats.isDirectory()) moveFolder(aside, place);
  else moveFile(aside, place);
}

/** Moves what lies at `place` to `<place>.aside-<8 hex>`; undefined where nothing lies. */
export function setAside(place: string): string | undefined {
  const aside = `${place}.aside-${randomBytes(4).toString("hex")}`;
  try {
    renameSync(place, aside);
    return aside;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

// Makes what a step left into a tree that can be kept: judges its links, gives it files of its own, normalises modes,
// and hashes it. After this nothing in it is writable but the top folder, which has to be moved first.
import { randomBytes } from "node:crypto";
import {
  type BigIntStats,
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import { type FileFacts, hashEntries } from "./hash.ts";
import { type Copied, judgeCopiedLink, judgeLink, type LinkFate, type Surroundings } from "./links.ts";
import { StampWriter } from "./stamps.ts";
import { systemError } from "./system-error.ts";
import { Turn } from "./turn.ts";
import type { SealedTree, SealOptions } from "./types.ts";
import { badOutput, type Listed, placeOf, specialKind, targetOf, walk } from "./walk.ts";

/** A copy of fewer bytes is made at once; a larger one while other work goes on. */
const smallBytes = 1024n * 1024n;

const LONE_FILE: readonly Listed[] = [{ path: "", kind: "file" }];

/**
 * Seals the file or folder at `path`. On the way, files that have another name somewhere (hard links) become copies,
 * links into declared inputs become what they lead to, absolute links into the output become relative ones; files get
 * mode 0444 or 0555, subfolders 0555. Throws `bad-output` with what and where, `no-space`, `too-many-files`.
 */
export async function seal(path: string, options: SealOptions, signal?: AbortSignal): Promise<SealedTree> {
  try {
    signal?.throwIfAborted();
    return await sealTree(isAbsolute(path) ? path : resolve(path), options, signal);
  } catch (error) {
    throw systemError(error, "sealing the output");
  }
}

async function sealTree(top: string, options: SealOptions, signal?: AbortSignal): Promise<SealedTree> {
  const turn = new Turn(signal);
  let first = lstatSync(top, { bigint: true, throwIfNoEntry: false });
  if (first?.isSymbolicLink()) {
    await act(
      top,
      judgeLink("", targetOf(top, ""), { top, realTop: top, inputs: options.inputs ?? [] }),
      turn,
    );
    first = lstatSync(top, { bigint: true, throwIfNoEntry: false });
  }
  if (first === undefined) throw badOutput("", "nothing lies there", { facts: { place: top } });
  const isLoneFile = first.isFile();
  if (!isLoneFile && !first.isDirectory()) throw badOutput("", `it is a ${specialKind(first)}`);
  const listed = isLoneFile ? LONE_FILE : await settleLinks(top, options.inputs ?? [], turn);
  const stamps = new StampWriter(listed.length, isLoneFile);
  let place = 0;
  const places = new Map(listed.map(({ path }) => [path, place++]));

  // Noted before the content is read: a change after this is seen by the next check.
  const note = (path: string, stats: BigIntStats): FileFacts => {
    stamps.set(places.get(path)!, stats);
    return { size: Number(stats.size), executable: (stats.mode & 0o100n) !== 0n };
  };
  const look = (file: string, path: string): FileFacts | Promise<FileFacts> => {
    const found = isLoneFile ? first : lstatSync(file, { bigint: true });
    // A mode is changed through a link: were one put there since the walk, it would be another file's.
    if (!found.isFile())
      throw badOutput(path, "it was replaced by something else while the output was sealed");
    if (found.nlink > 1n) return ownCopy(file, top, found).then((stats) => note(path, stats));
    const mode = closedMode(found);
    if (Number(found.mode & 0o7777n) !== mode) chmodSync(file, mode);
    return note(path, found);
  };
  const hashed = await hashEntries(top, listed, {
    look,
    turn,
    ...(options.needles === undefined ? {} : { needles: options.needles }),
    ...(signal === undefined ? {} : { signal }),
  });

  for (const { path, kind } of listed.toReversed()) {
    if (turn.over()) await turn.next();
    if (kind === "file") continue;
    if (kind === "folder") chmodSync(placeOf(top, path), 0o555);
    stamps.set(places.get(path)!, lstatSync(placeOf(top, path), { bigint: true }));
  }
  if (!isLoneFile) {
    chmodSync(top, 0o755);
    stamps.set(listed.length, lstatSync(top, { bigint: true }));
  }
  return { ...hashed, path: top, stamps: stamps.bytes };
}

/** Lists the folder with all its links in their final form. */
async function settleLinks(top: string, inputs: readonly string[], turn: Turn): Promise<readonly Listed[]> {
  const listed = await walk(top, true, turn);
  const links = listed.filter(({ kind }) => kind === "link");
  if (links.length === 0) return listed;
  // All are judged as the task left them, before the first is changed.
  const surroundings: Surroundings = { top, realTop: realpathSync.native(top), inputs };
  const fates: { readonly place: string; readonly fate: LinkFate }[] = [];
  for (const { path } of links) {
    if (turn.over()) await turn.next();
    const fate = judgeLink(path, targetOf(top, path), surroundings);
    if (fate.kind !== "stays") fates.push({ place: placeOf(top, path), fate });
  }
  for (const { place, fate } of fates) await act(place, fate, turn);
  return fates.some(({ fate }) => fate.kind === "copy") ? walk(top, true, turn) : listed;
}

async function act(place: string, fate: LinkFate, turn: Turn): Promise<void> {
  if (fate.kind === "stays") return;
  unlinkSync(place);
  if (fate.kind === "becomes") symlinkSync(fate.target, place);
  else await copyContent(fate.from, place, [], turn);
}

/** Copies a file or folder of an input to `to`, where nothing lies. */
async function copyContent(from: string, to: string, outer: readonly Copied[], turn: Turn): Promise<void> {
  const stats = lstatSync(from, { bigint: true });
  if (!stats.isDirectory()) return copyOneFile(from, to, stats.size);
  mkdirSync(to, 0o755);
  const copied = [...outer, { from, to }];
  for (const { path, kind } of await walk(from, false, turn)) {
    if (turn.over()) await turn.next();
    const [source, place] = [placeOf(from, path), placeOf(to, path)];
    if (kind === "folder") mkdirSync(place, 0o755);
    else if (kind === "file") await copyOneFile(source, place, lstatSync(source, { bigint: true }).size);
    else {
      const target = targetOf(from, path);
      const fate = judgeCopiedLink(source, target, copied, place);
      if (fate.kind === "copy") await copyContent(fate.from, place, copied, turn);
      else symlinkSync(fate.kind === "stays" ? target : fate.target, place);
    }
  }
}

async function copyOneFile(from: string, to: string, size: bigint): Promise<void> {
  const mode = constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL;
  if (size <= smallBytes) copyFileSync(from, to, mode);
  else await copyFile(from, to, mode);
}

/**
 * Puts a read-only copy in the place of a file that has another name, and returns how that is. By the other name, perhaps outside, it
 * could be changed later; and its mode is not ours to change.
 */
async function ownCopy(file: string, top: string, stats: BigIntStats): Promise<BigIntStats> {
  const mode = closedMode(stats);
  if ((stats.mode & 0o400n) === 0n) chmodSync(file, mode);
  const copy = `${dirname(top)}/.own-${randomBytes(8).toString("hex")}`;
  await copyOneFile(file, copy, stats.size);
  chmodSync(copy, mode);
  renameSync(copy, file);
  return lstatSync(file, { bigint: true });
}

function closedMode({ mode }: BigIntStats): number {
  return (mode & 0o100n) === 0n ? 0o444 : 0o555;
}

// Content to sha256: files one by one, and whole trees without changing anything.
import { createHash, hash as digestOf } from "node:crypto";
import { closeSync, lstatSync, openSync, readFileSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { Needles } from "./needles.ts";
import { encodeTree, treeDigest } from "./tree.ts";
import { Turn } from "./turn.ts";
import type { HashedTree, Tree, TreeEntry } from "./types.ts";
import { badOutput, type Listed, placeOf, specialKind, targetOf, walk } from "./walk.ts";

const chunkBytes = 1024 * 1024;
const short = Buffer.allocUnsafeSlow(64 * 1024);
const NO_NEEDLES = new Needles([]);

/** What reading a file to its end gave. */
export interface FileContent {
  readonly sha256: string;
  readonly size: number;
  /** Which of the needles are in it, by their index; none where none were given. */
  readonly found: ReadonlySet<number>;
}

/** Hashes a small file (up to 1 MiB or so) at once: a few microseconds, where promises cost ten times as much. */
function hashSmallFile(path: string, sizeBytes: number, needles: Needles): FileContent {
  const bytes = (sizeBytes < short.length ? shortContent(path, sizeBytes) : undefined) ?? readFileSync(path);
  return {
    sha256: digestOf("sha256", bytes),
    size: bytes.length,
    found: needles.in(bytes),
  };
}

/**
 * All of a file of about that size, valid until the next call; undefined for one that is longer than the buffer. Takes half of what
 * `readFileSync` does.
 */
function shortContent(path: string, sizeBytes: number): Buffer | undefined {
  const fd = openSync(path, "r");
  try {
    let size = 0;
    // A read that gets less than it asks for, and all that is there, has come to the end.
    let got: number;
    do {
      got = readSync(fd, short, size, short.length - size, null);
      size += got;
    } while (got > 0 && size !== sizeBytes && size < short.length);
    return size < short.length ? short.subarray(0, size) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** Hashes a file of any size in pieces of 1 MiB; other work goes on between them. Throws the signal's reason. */
async function hashLargeFile(path: string, needles: Needles, signal?: AbortSignal): Promise<FileContent> {
  const hash = createHash("sha256");
  // What was read last stays in front of the next piece, so that a needle across the border is seen.
  const kept = Math.max(0, needles.longest - 1);
  const buffer = Buffer.allocUnsafe(kept + chunkBytes);
  let before = 0;
  let size = 0;
  let found: ReadonlySet<number> = new Set();
  await using file = await open(path, "r");
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, before, chunkBytes);
    if (bytesRead === 0) return { sha256: hash.digest("hex"), size, found };
    size += bytesRead;
    hash.update(buffer.subarray(before, before + bytesRead));
    if (found.size < needles.count) {
      const end = before + bytesRead;
      const more = needles.in(buffer.subarray(0, end));
      if (more.size > 0) found = found.union(more);
      before = Math.min(kept, end);
      buffer.copy(buffer, 0, end - before, end);
    }
  }
}

/** sha256 and size of a file. `sizeBytes` is what it is expected to have, and only chooses the way. */
export function hashFile(
  path: string,
  sizeBytes: number,
  needles: Needles = NO_NEEDLES,
  signal?: AbortSignal,
): FileContent | Promise<FileContent> {
  return sizeBytes <= chunkBytes
    ? hashSmallFile(path, sizeBytes, needles)
    : hashLargeFile(path, needles, signal);
}

/** What a file is before its content is read. */
export interface FileFacts {
  readonly size: number;
  readonly executable: boolean;
}

export interface HashEntriesOptions {
  /** Called before each file is read; what it says is held against what is read. */
  readonly look: (place: string, path: string) => FileFacts | Promise<FileFacts>;
  readonly needles?: Needles;
  readonly turn: Turn;
  readonly signal?: AbortSignal;
}

/** Reads what was listed below `top`, in its order. Throws `bad-output` for a file that changes meanwhile. */
export async function hashEntries(
  top: string,
  listed: readonly Listed[],
  options: HashEntriesOptions,
): Promise<HashedTree & { needlesIn?: ReadonlyMap<number, string> }> {
  const { look, needles = NO_NEEDLES, turn, signal } = options;
  const tree = new Map<string, TreeEntry>();
  const needlesIn = new Map<number, string>();
  const note = (found: ReadonlySet<number>, path: string) => {
    for (const needle of found) if (!needlesIn.has(needle)) needlesIn.set(needle, path);
  };
  for (const { path, kind } of listed) {
    if (turn.over()) await turn.next();
    note(needles.inText(path), path);
    if (kind === "folder") tree.set(path, { kind });
    else if (kind === "link") {
      const target = targetOf(top, path);
      note(needles.inText(target), path);
      tree.set(path, { kind, target });
    } else {
      const place = placeOf(top, path);
      const looked = look(place, path);
      const { size, executable } = looked instanceof Promise ? await looked : looked;
      // Once all are found there is nothing to look for.
      const wanted = needlesIn.size < needles.count ? needles : NO_NEEDLES;
      const reading = hashFile(place, size, wanted, signal);
      const content = reading instanceof Promise ? await reading : reading;
      if (content.size !== size) {
        throw badOutput(path, `it changed from ${size} to ${content.size} bytes while it was read`, {
          hint: "Wait in the task for everything that it started.",
        });
      }
      note(content.found, path);
      tree.set(path, { kind, size, sha256: content.sha256, executable });
    }
  }
  return { ...summed(tree), ...(needlesIn.size === 0 ? {} : { needlesIn }) };
}

/** A tree of which every entry is known, with its digest. */
export function summed(tree: Tree): HashedTree {
  const encoded = encodeTree(tree);
  let sizeBytes = 0;
  let files = 0;
  for (const entry of tree.values()) {
    if (entry.kind !== "file") continue;
    files++;
    sizeBytes += entry.size;
  }
  return { tree, digest: treeDigest(encoded), encoded, sizeBytes, files };
}

/**
 * The tree at `path` as it lies there, a lone file or a folder; changes nothing. Throws `bad-output` for what no tree
 * can hold, a lone link included; system errors come through.
 */
export async function hashTree(path: string, signal?: AbortSignal): Promise<HashedTree> {
  signal?.throwIfAborted();
  const turn = new Turn(signal);
  const options = { look: lookOnly, turn, ...(signal === undefined ? {} : { signal }) };
  const top = lstatSync(path);
  if (top.isFile()) return hashEntries(path, [{ path: "", kind: "file" }], options);
  if (top.isDirectory()) return hashEntries(path, await walk(path, false, turn), options);
  throw badOutput("", `it is a ${top.isSymbolicLink() ? "link" : specialKind(top)}`);
}

function lookOnly(place: string): FileFacts {
  const { size, mode } = lstatSync(place);
  return { size, executable: (mode & 0o100) !== 0 };
}

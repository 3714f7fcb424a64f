// Content to sha256: files one by one, and whole trees without changing anything.
import { hash as digestOf } from "node:crypto";
import { closeSync, lstatSync, openSync, readFileSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { HASH_THREADS, hashInThread } from "./hash-threads.ts";
import { Needles } from "./needles.ts";
import { type FileContent, readThrough } from "./read-through.ts";
import { encodeTree, treeDigest } from "./tree.ts";
import { Turn } from "./turn.ts";
import type { HashedTree, Tree, TreeEntry } from "./types.ts";
import { badOutput, type Listed, placeOf, specialKind, targetOf, walk } from "./walk.ts";

/** Read at once. */
const SMALL_BYTES = 1024 * 1024;
/** Larger ones are left to threads, of which each takes 20 ms to start. */
const FEW_MIB = 8 * 1024 * 1024;
const short = Buffer.allocUnsafeSlow(64 * 1024);
const NO_NEEDLES = new Needles([]);
const NOTHING: FileContent = { sha256: "", size: 0, found: new Set() };

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

/** Hashes a file in pieces here; other work goes on between them. Throws the signal's reason. */
async function hashHere(path: string, needles: Needles, signal?: AbortSignal): Promise<FileContent> {
  const turn = new Turn(signal);
  const reading = readThrough(path, needles);
  try {
    for (;;) {
      const step = reading.next();
      if (step.done) return step.value;
      if (turn.over()) await turn.next();
    }
  } finally {
    reading.return(NOTHING); // closes the file where it was left
  }
}

/** sha256 and size of a file. `sizeBytes` is what it is expected to have, and only chooses the way. */
export function hashFile(
  path: string,
  sizeBytes: number,
  needles: Needles = NO_NEEDLES,
  signal?: AbortSignal,
): FileContent | Promise<FileContent> {
  if (sizeBytes <= SMALL_BYTES) return hashSmallFile(path, sizeBytes, needles);
  if (sizeBytes <= FEW_MIB) return hashHere(path, needles, signal);
  return hashInThread({ path: resolve(path), needles: needles.all }, signal).then(
    (content) => content ?? hashHere(path, needles, signal),
  );
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

/**
 * Reads what was listed below `top`, large files some at a time, and gives it in its order. Throws `bad-output` for a file that
 * changes meanwhile.
 */
export async function hashEntries(
  top: string,
  listed: readonly Listed[],
  options: HashEntriesOptions,
): Promise<HashedTree & { needlesIn?: ReadonlyMap<number, string> }> {
  const { look, needles = NO_NEEDLES, turn, signal } = options;
  const underWay = new Set<Promise<void>>();
  let failed: AbortController | undefined;
  const tree = new Map<string, TreeEntry>();
  /** Needle → place in the order of what is listed: the first, whichever was read first. */
  const firsts = new Map<number, number>();
  const note = (found: ReadonlySet<number>, at: number) => {
    for (const needle of found) if (at < (firsts.get(needle) ?? listed.length)) firsts.set(needle, at);
  };
  const take = (path: string, at: number, { size, executable }: FileFacts, content: FileContent) => {
    if (content.size !== size) {
      throw badOutput(path, `it changed from ${size} to ${content.size} bytes while it was read`, {
        hint: "Wait in the task for everything that it started.",
      });
    }
    note(content.found, at);
    tree.set(path, { kind: "file", size, sha256: content.sha256, executable });
  };
  try {
    for (const [at, { path, kind }] of listed.entries()) {
      if (turn.over()) await turn.next();
      note(needles.inText(path), at);
      if (kind === "folder") tree.set(path, { kind });
      else if (kind === "link") {
        const target = targetOf(top, path);
        note(needles.inText(target), at);
        tree.set(path, { kind, target });
      } else {
        const place = placeOf(top, path);
        const looked = look(place, path);
        const facts = looked instanceof Promise ? await looked : looked;
        // Once all are found there is nothing to look for.
        const wanted = firsts.size < needles.count ? needles : NO_NEEDLES;
        if (facts.size <= SMALL_BYTES) {
          take(path, at, facts, hashSmallFile(place, facts.size, wanted));
          continue;
        }
        tree.set(path, { kind, ...facts, sha256: "" }); // keeps its place
        failed ??= new AbortController();
        const end = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
        const taking = Promise.resolve(hashFile(place, facts.size, wanted, end)).then((content) =>
          take(path, at, facts, content),
        );
        underWay.add(taking);
        taking.then(() => underWay.delete(taking)).catch(() => {}); // one that failed stays, and is met below
        if (underWay.size >= HASH_THREADS) await Promise.race(underWay);
      }
    }
    if (underWay.size > 0) await Promise.all(underWay);
  } finally {
    failed?.abort();
    if (underWay.size > 0) await Promise.allSettled(underWay);
  }
  if (firsts.size === 0) return summed(tree);
  const needlesIn = new Map([...firsts].map(([needle, at]) => [needle, listed[at]!.path]));
  return { ...summed(tree), needlesIn };
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

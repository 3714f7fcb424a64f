// How two trees differ, and where in a file the first other byte is.
import { open } from "node:fs/promises";
import { compareUtf8 } from "../bencode/order.ts";
import type { Tree, TreeEntry } from "../store/types.ts";

export type Difference =
  | { readonly kind: "added" | "missing"; readonly path: string; readonly entry: TreeEntry["kind"] }
  | {
      readonly kind: "changed";
      /** "" is the output itself. */
      readonly path: string;
      /** E.g. `12 bytes, was 10`. */
      readonly how: string;
      /** Whether it is a file in both, with other content. */
      readonly content: boolean;
      readonly first?: FirstDifference;
    };

/** The first byte that is not the same, and what lies around it in both files. */
export interface FirstDifference {
  /** From 0. In the shorter file it may be the end. */
  readonly offset: number;
  /** Where the bytes shown begin: a few before `offset`. */
  readonly from: number;
  /** Bytes in hex, two digits each, without blanks. */
  readonly recorded: string;
  readonly found: string;
}

const CHUNK_BYTES = 1024 * 1024;
/** How many bytes are shown before the first other one, and from it on. */
const BEFORE_BYTES = 8;
const AFTER_BYTES = 8;

/** What is other in `found`, ordered by path. Linear in entries. */
export function treeDifferences(recorded: Tree, found: Tree): Difference[] {
  if (recorded.has("") !== found.has("")) {
    const how = recorded.has("") ? "is a folder, was a file" : "is a file, was a folder";
    return [{ kind: "changed", path: "", how, content: false }];
  }
  const differences: Difference[] = [];
  for (const [path, was] of recorded) {
    const is = found.get(path);
    if (is === undefined) differences.push({ kind: "missing", path, entry: was.kind });
    else {
      const how = howChanged(was, is);
      if (how !== undefined) differences.push({ kind: "changed", path, ...how });
    }
  }
  for (const [path, is] of found) {
    if (!recorded.has(path)) differences.push({ kind: "added", path, entry: is.kind });
  }
  return differences.sort((a, b) => compareUtf8(a.path, b.path));
}

function howChanged(
  was: TreeEntry,
  is: TreeEntry,
): { readonly how: string; readonly content: boolean } | undefined {
  if (was.kind === "file" && is.kind === "file") {
    const parts: string[] = [];
    const content = was.sha256 !== is.sha256;
    if (was.size !== is.size) parts.push(`${is.size} bytes, was ${was.size}`);
    else if (content) parts.push(`other bytes, ${is.size} as before`);
    if (was.executable !== is.executable)
      parts.push(is.executable ? "is executable, was not" : "is not executable, was");
    return parts.length === 0 ? undefined : { how: parts.join("; "), content };
  }
  if (was.kind === "link" && is.kind === "link") {
    if (was.target === is.target) return undefined;
    return { how: `leads to ${is.target}, was ${was.target}`, content: false };
  }
  return was.kind === is.kind ? undefined : { how: `is a ${is.kind}, was a ${was.kind}`, content: false };
}

/** Compares two files to the first other byte; undefined where there is none. System errors come through. */
export async function firstDifference(
  recorded: string,
  found: string,
  signal?: AbortSignal,
): Promise<FirstDifference | undefined> {
  await using a = await open(recorded, "r");
  await using b = await open(found, "r");
  const [inA, inB] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
  for (let at = 0; ; ) {
    signal?.throwIfAborted();
    const [readA, readB] = await Promise.all([
      a.read(inA, 0, CHUNK_BYTES, at),
      b.read(inB, 0, CHUNK_BYTES, at),
    ]);
    // A short read is not the end: only what both gave is compared.
    const common = Math.min(readA.bytesRead, readB.bytesRead);
    const same = sameBytes(inA, inB, common);
    if (same < common || common === 0) {
      if (same === common && readA.bytesRead === readB.bytesRead) return undefined;
      const offset = at + same;
      const from = Math.max(0, offset - BEFORE_BYTES);
      const around = async (file: typeof a) => {
        const bytes = Buffer.alloc(offset - from + AFTER_BYTES);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
        return bytes.toString("hex", 0, bytesRead);
      };
      return { offset, from, recorded: await around(a), found: await around(b) };
    }
    at += common;
  }
}

/** How many of the first `length` bytes are the same, up to the first other one. */
function sameBytes(a: Buffer, b: Buffer, length: number): number {
  if (a.subarray(0, length).equals(b.subarray(0, length))) return length;
  let same = 0;
  while (a[same] === b[same]) same++;
  return same;
}

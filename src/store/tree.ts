// A tree as bytes: bencode of a map from relative path to entry, the thing that a tree digest is the sha256 of.
//   file    { executable: 0 | 1, sha256: 64 hex digits, size: bytes }
//   folder  { folder: 1 }         every subfolder has its entry, the top folder has none
//   link    { link: target }      the target as readlink gives it
import { hash } from "node:crypto";
import { decode } from "../bencode/decode.ts";
import { encode } from "../bencode/encode.ts";
import { compareUtf8 } from "../bencode/order.ts";
import type { Bmap, Bnormal, BnormalMap } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import type { Tree, TreeDigest, TreeEntry } from "./types.ts";

/** Canonical bencoding of a tree, in whatever order its map is. An empty folder is the empty map. */
export function encodeTree(tree: Tree): Uint8Array {
  const entries = new Map<string, Bmap>();
  for (const [path, entry] of tree) entries.set(path, encodable(entry));
  return encode(entries);
}

function encodable(entry: TreeEntry): Bmap {
  switch (entry.kind) {
    case "file":
      return { executable: entry.executable, sha256: entry.sha256, size: entry.size };
    case "folder":
      return { folder: 1 };
    case "link":
      return { link: entry.target };
    default:
      return entry satisfies never;
  }
}

/** sha256 of a tree's canonical bencoding. */
export function treeDigest(encoded: Uint8Array): TreeDigest {
  return hash("sha256", encoded) as TreeDigest;
}

/**
 * Undoes `encodeTree`, and accepts nothing that it does not give. Throws `bad-tree` for another shape, for paths that
 * would leave the tree and for entries whose folder is missing; `not-bencode` where the bytes are no bencode.
 */
export function decodeTree(bytes: Uint8Array): Tree {
  const value = decode(bytes);
  if (!isMap(value)) throw badTree("", "it is not a map");
  const tree = new Map<string, TreeEntry>();
  // An object puts keys that look like numbers first, so the order has to be made again.
  for (const path of Object.keys(value).sort(compareUtf8)) {
    const entry = decodeEntry(path, value[path]);
    if (path !== "" || entry.kind !== "file") checkPlace(tree, path);
    tree.set(path, entry);
  }
  if (tree.has("") && tree.size > 1) throw badTree("", "a lone file has company");
  return tree;
}

function decodeEntry(path: string, value: Bnormal | undefined): TreeEntry {
  if (!isMap(value)) throw badTree(path, "it is not a map");
  const shape = Object.keys(value).sort().join();
  if (shape === "folder" && value["folder"] === 1) return { kind: "folder" };
  if (shape === "link") {
    const target = value["link"];
    if (typeof target === "string" && target !== "" && !target.includes("\0"))
      return { kind: "link", target };
  }
  if (shape === "executable,sha256,size") {
    const { executable, sha256, size } = value;
    const isSize = typeof size === "number" && size >= 0;
    const isDigest = typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256);
    if (isSize && isDigest && (executable === 0 || executable === 1)) {
      return { kind: "file", size, sha256, executable: executable === 1 };
    }
  }
  throw badTree(path, "it is neither a file, a folder nor a link");
}

/** Paths are in order, so an entry's folder comes before it. */
function checkPlace(tree: Tree, path: string): void {
  if (path.includes("\0")) throw badTree(path, "a path holds NUL");
  for (const name of path.split("/")) {
    if (name === "" || name === "." || name === "..")
      throw badTree(path, "a path has an empty name, . or ..");
  }
  const slash = path.lastIndexOf("/");
  if (slash > 0 && tree.get(path.slice(0, slash))?.kind !== "folder")
    throw badTree(path, "its folder has no entry");
}

function isMap(value: Bnormal | undefined): value is BnormalMap {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function badTree(path: string, why: string): AlamodeError {
  return new AlamodeError("bad-tree", `this is not the encoding of a tree: ${why}`, { facts: { path } });
}

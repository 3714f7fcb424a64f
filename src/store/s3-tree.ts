// A tree as objects: each file is one, below the tree's location or, alone, at it; folders, links and which files are executable
// are told by the tree's bencoding, which is an object elsewhere and the last to be written: what has none was never finished.
import { mkdirSync, symlinkSync } from "node:fs";
import { eachOf } from "../plan/source-s3.ts";
import { summed } from "./hash.ts";
import type { S3Objects } from "./s3-objects.ts";
import type { HashedTree, Location, SealedTree, Tree, TreeEntry } from "./types.ts";
import { placeOf } from "./walk.ts";

type FileEntry = TreeEntry & { readonly kind: "file" };

/** The key of a file of a tree; "" is a lone one. */
export function fileKey(location: Location, path: string): string {
  return path === "" ? `outputs/${location}` : `outputs/${location}/${path}`;
}

/** The key of a location's tree, as bencoding. */
export function treeKey(location: Location): string {
  return `trees/${location}`;
}

/** Sends a tree, its bencoding last. Throws `bad-output` for names that S3 does not take. */
export async function sendTree(
  objects: S3Objects,
  location: Location,
  { path: top, tree, encoded }: Pick<SealedTree, "path" | "tree" | "encoded">,
  signal?: AbortSignal,
): Promise<void> {
  const files = filesOf(tree);
  for (const [path] of files) objects.checkKey(fileKey(location, path), path);
  await eachOf(files, ([path, { size, sha256 }]) =>
    objects.putFile(fileKey(location, path), { path: placeOf(top, path), size, sha256 }, signal),
  );
  await objects.put(treeKey(location), encoded);
}

/** Makes a tree at `top`, where nothing lies. Objects that are gone are left out: whoever hashes it then will see. */
export async function fetchTree(
  objects: S3Objects,
  location: Location,
  { tree, top }: { readonly tree: Tree; readonly top: string },
  signal?: AbortSignal,
): Promise<void> {
  if (!tree.has("")) mkdirSync(top);
  for (const [path, entry] of tree) {
    if (entry.kind === "folder") mkdirSync(placeOf(top, path));
    if (entry.kind === "link") symlinkSync(entry.target, placeOf(top, path));
  }
  await eachOf(filesOf(tree), async ([path, { size }]) => {
    await objects.getFile(fileKey(location, path), placeOf(top, path), size, signal);
  });
}

/** What lies at a location whose tree was once that: every object is read, and what is there besides counts too. */
export async function hashObjects(
  objects: S3Objects,
  location: Location,
  tree: Tree,
  signal?: AbortSignal,
): Promise<HashedTree> {
  const found = new Map<string, TreeEntry>();
  for (const [path, entry] of tree) if (entry.kind !== "file") found.set(path, entry);
  const paths = filesOf(tree).map(([path]) => path);
  const known = new Set(paths);
  for await (const { keys } of objects.list(`${fileKey(location, "")}/`)) {
    for (const { key } of keys) {
      const path = key.slice(fileKey(location, "").length + 1);
      if (!known.has(path)) paths.push(path);
    }
  }
  await eachOf(paths, async (path) => {
    const content = await objects.digest(fileKey(location, path), signal);
    if (content === undefined) return;
    const was = tree.get(path);
    found.set(path, { kind: "file", ...content, executable: was?.kind === "file" && was.executable });
  });
  return summed(found);
}

function filesOf(tree: Tree): [path: string, entry: FileEntry][] {
  return [...tree].filter((entry): entry is [string, FileEntry] => entry[1].kind === "file");
}

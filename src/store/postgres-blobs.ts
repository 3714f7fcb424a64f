// Files in a table, in pieces: sources, logs, and trees that are no tables.
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, symlinkSync } from "node:fs";
import { open } from "node:fs/promises";
import { summed } from "./hash.ts";
import type { Session } from "./postgres-connection.ts";
import { OWN } from "./postgres-names.ts";
import type { HashedTree, Location, SealedTree, Tree, TreeEntry } from "./types.ts";
import { placeOf } from "./walk.ts";

const PIECE_BYTES = 1024 * 1024;

/** Anything that can be asked: the server, or a transaction. */
export type Asked = Pick<Session, "rows">;

/** Writes a file of that name, unless there is one. An empty one has one piece too. */
export async function putFile(asked: Asked, name: string, content: string | Uint8Array): Promise<void> {
  let n = 0;
  const put = (piece: Uint8Array) =>
    asked.rows(`INSERT INTO ${OWN}.files VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, name, n++, piece);
  if (typeof content !== "string") {
    for (let at = 0; at === 0 || at < content.length; at += PIECE_BYTES)
      await put(content.subarray(at, at + PIECE_BYTES));
    return;
  }
  for await (const piece of createReadStream(content, { highWaterMark: PIECE_BYTES })) await put(piece);
  if (n === 0) await put(new Uint8Array(0));
}

/** The pieces of a file; none where there is no such file. */
async function* piecesOf(asked: Asked, name: string): AsyncGenerator<Buffer> {
  for (let n = 0; ; n++) {
    const [row] = await asked.rows<{ content: Buffer }>(
      `SELECT content FROM ${OWN}.files WHERE name = $1 AND n = $2`,
      name,
      n,
    );
    if (row === undefined) return;
    yield row.content;
  }
}

export async function getFile(asked: Asked, name: string): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  for await (const piece of piecesOf(asked, name)) pieces.push(piece);
  return pieces.length === 0 ? undefined : Buffer.concat(pieces);
}

export function treeFile(location: Location, path: string): string {
  return path === "" ? `outputs/${location}` : `outputs/${location}/${path}`;
}

/** Writes the files of a tree. */
export async function putTree(
  session: Session,
  location: Location,
  { path: top, tree }: Pick<SealedTree, "path" | "tree">,
): Promise<void> {
  for (const [path, entry] of tree)
    if (entry.kind === "file") await putFile(session, treeFile(location, path), placeOf(top, path));
}

/** Makes a tree at `top`, where nothing lies. Files that are gone are left out: whoever hashes it then will see. */
export async function writeTree(
  asked: Asked,
  location: Location,
  { tree, top }: { readonly tree: Tree; readonly top: string },
  signal?: AbortSignal,
): Promise<void> {
  if (!tree.has("")) mkdirSync(top);
  for (const [path, entry] of tree) {
    if (entry.kind === "folder") mkdirSync(placeOf(top, path));
    if (entry.kind === "link") symlinkSync(entry.target, placeOf(top, path));
    if (entry.kind !== "file") continue;
    let file: Awaited<ReturnType<typeof open>> | undefined;
    try {
      for await (const piece of piecesOf(asked, treeFile(location, path))) {
        signal?.throwIfAborted();
        file ??= await open(placeOf(top, path), "wx");
        await file.writeFile(piece);
      }
    } finally {
      await file?.close();
    }
  }
}

/** What lies at a location whose tree was once that. */
export async function hashFiles(
  asked: Asked,
  location: Location,
  tree: Tree,
  signal?: AbortSignal,
): Promise<HashedTree> {
  const found = new Map<string, TreeEntry>();
  for (const [path, entry] of tree) {
    if (entry.kind !== "file") {
      found.set(path, entry);
      continue;
    }
    const hash = createHash("sha256");
    let size: number | undefined;
    for await (const piece of piecesOf(asked, treeFile(location, path))) {
      signal?.throwIfAborted();
      hash.update(piece);
      size = (size ?? 0) + piece.length;
    }
    if (size !== undefined) found.set(path, { ...entry, size, sha256: hash.digest("hex") });
  }
  return summed(found);
}

/** Removes all files whose names begin so. */
export async function dropFiles(asked: Asked, prefix: string): Promise<void> {
  await asked.rows(`DELETE FROM ${OWN}.files WHERE name = $1 OR starts_with(name, $1 || '/')`, prefix);
}

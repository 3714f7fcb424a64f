// Lists what lies below a folder, and refuses what no tree can hold. Follows no link.
import { isUtf8 } from "node:buffer";
import { chmodSync, type Dirent, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { compareUtf8 } from "../bencode/order.ts";
import { AlamodeError } from "../errors.ts";
import type { Turn } from "./turn.ts";

/** One thing below the top. `path` is relative to it, with `/` between names. */
export interface Listed {
  readonly path: string;
  readonly kind: "file" | "folder" | "link";
}

/** Systems allow some 4,096 bytes from the root on; a tree has to fit wherever a store or a dependent keeps it. */
const longestPathBytes = 3000;

/** Where a relative path of a tree lies; "" is the tree's own path (a lone file, or the top folder). */
export function placeOf(top: string, path: string): string {
  return path === "" ? top : `${top}/${path}`;
}

/**
 * Everything below the folder `top`, ordered by the paths' UTF-8 bytes. With `makeReadable`, folders that their owner
 * may not list or change are given mode 0755 first. Throws `bad-output` for sockets, FIFOs, devices, names that are
 * not UTF-8 and paths of more than 3,000 bytes.
 */
export async function walk(top: string, makeReadable: boolean, turn: Turn): Promise<Listed[]> {
  const listed: Listed[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    if (turn.over()) await turn.next();
    if (makeReadable) giveOwnerAll(placeOf(top, folder));
    for (const entry of entriesOf(top, folder)) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (path.length > longestPathBytes / 3) checkLength(path);
      const kind = kindOf(entry, path);
      listed.push({ path, kind });
      if (kind === "folder") folders.push(path);
    }
  }
  return listed.sort((a, b) => compareUtf8(a.path, b.path));
}

function giveOwnerAll(folder: string): void {
  if ((lstatSync(folder).mode & 0o700) !== 0o700) chmodSync(folder, 0o755);
}

function entriesOf(top: string, folder: string): Dirent[] {
  const entries = readdirSync(placeOf(top, folder), { withFileTypes: true });
  // Bytes that are not UTF-8 were decoded to U+FFFD, which can also be in a name rightfully.
  if (entries.some(({ name }) => name.includes("\uFFFD"))) checkNames(top, folder);
  return entries;
}

function checkLength(path: string): void {
  if (Buffer.byteLength(path) <= longestPathBytes) return;
  throw badOutput(`${path.slice(0, 80)}…`, `its path has more than ${longestPathBytes} bytes`, {
    hint: "Use shorter names, or nest fewer folders.",
  });
}

function checkNames(top: string, folder: string): void {
  for (const name of readdirSync(placeOf(top, folder), { encoding: "buffer" })) {
    if (isUtf8(name)) continue;
    const shown = name.toString("latin1").replace(/[^ -~]/g, (char) => `\\x${hexByte(char)}`);
    throw badOutput(folder === "" ? shown : `${folder}/${shown}`, "its name is not UTF-8", {
      hint: "Rename it before the task ends.",
    });
  }
}

function hexByte(char: string): string {
  return char.charCodeAt(0).toString(16).padStart(2, "0");
}

function kindOf(entry: Dirent, path: string): Listed["kind"] {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  if (entry.isSymbolicLink()) return "link";
  throw badOutput(path, `it is a ${specialKind(entry)}`, {
    hint: "A tree holds files, folders and links. Remove it before the task ends.",
  });
}

/** What to call a thing that is neither file, folder nor link. */
export function specialKind(entry: Pick<Dirent, "isFIFO" | "isSocket" | "isBlockDevice">): string {
  if (entry.isFIFO()) return "FIFO";
  if (entry.isSocket()) return "socket";
  return entry.isBlockDevice() ? "block device" : "character device";
}

/** A link's target. Throws `bad-output` when it is not UTF-8. */
export function targetOf(top: string, path: string): string {
  const place = placeOf(top, path);
  const target = readlinkSync(place);
  if (target.includes("\uFFFD") && !isUtf8(readlinkSync(place, "buffer"))) {
    throw badOutput(path, "it is a link whose target is not UTF-8");
  }
  return target;
}

/** The error for something in an output that no tree may hold. `path` is relative to the output; "" is the output. */
export function badOutput(
  path: string,
  why: string,
  details: { readonly facts?: { readonly [key: string]: string }; readonly hint?: string } = {},
): AlamodeError {
  const what = path === "" ? "the output" : JSON.stringify(path);
  return new AlamodeError("bad-output", `${what} cannot be kept: ${why}`, {
    ...details,
    facts: { path, ...details.facts },
  });
}

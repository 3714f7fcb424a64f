// Copies a tree out of the store: whole or not at all, writable again, and never over something unless told to.
import { randomBytes } from "node:crypto";
import { constants, type Dirent } from "node:fs";
import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { AlamodeError, errnoOf } from "../errors.ts";
import { makeFolder } from "../make-folder.ts";
import { systemError } from "./system-error.ts";

/** Copies `from` (a file or folder) to the path `to`. Throws `exists` unless `force`. */
export async function copyOut(from: string, to: string, force: boolean): Promise<void> {
  if (!force && (await lies(to))) throw exists(to);
  try {
    makeFolder(dirname(to));
  } catch (error) {
    throw systemError(error, `copying to ${to}`);
  }
  const partial = `${to}.${randomBytes(6).toString("hex")}.partial`;
  try {
    await copyTree(from, partial);
    if (force) await replace(partial, to);
    else await moveExclusively(partial, to);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** Depth by a list of what is left to do: a tree may be deeper than the stack. */
async function copyTree(from: string, to: string): Promise<void> {
  const ahead: { from: string; to: string; entry: Dirent | Awaited<ReturnType<typeof lstat>> }[] = [
    { from, to, entry: await lstat(from) },
  ];
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    if (next.entry.isSymbolicLink()) {
      await symlink(await readlink(next.from), next.to);
    } else if (next.entry.isDirectory()) {
      await mkdir(next.to);
      for (const entry of await readdir(next.from, { withFileTypes: true })) {
        ahead.push({ from: join(next.from, entry.name), to: join(next.to, entry.name), entry });
      }
    } else {
      await copyFile(next.from, next.to, constants.COPYFILE_FICLONE);
      const { mode } = await lstat(next.from);
      await chmod(next.to, (mode & 0o100) === 0 ? 0o666 & ~process.umask() : 0o777 & ~process.umask());
    }
  }
}

async function moveExclusively(partial: string, to: string): Promise<void> {
  try {
    if ((await lstat(partial)).isDirectory()) {
      if (await lies(to)) throw exists(to);
      await rename(partial, to);
    } else {
      await link(partial, to);
    }
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "EEXIST" || errno === "ENOTEMPTY" || errno === "ENOTDIR") throw exists(to);
    throw error;
  }
}

/**
 * Puts what lies at `partial` in the place of what lies at `to`, if anything does: at once, unless one of them is a folder. A
 * folder cannot be renamed over: what lies there is put aside first, and removed once the new one stands.
 */
export async function replace(partial: string, to: string): Promise<void> {
  if (!(await isFolder(partial)) && !(await isFolder(to))) return rename(partial, to);
  const aside = `${to}.${randomBytes(6).toString("hex")}.old`;
  const old = await lies(to);
  if (old) await rename(to, aside);
  try {
    await rename(partial, to);
  } catch (error) {
    if (old) await rename(aside, to);
    throw error;
  }
  if (old) await rm(aside, { recursive: true, force: true });
}

async function isFolder(path: string): Promise<boolean> {
  return (await lies(path)) && (await lstat(path)).isDirectory();
}

async function lies(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

function exists(path: string): AlamodeError {
  return new AlamodeError("exists", `${path} is there already, and was left as it is`, {
    hint: "Replace it with --force, or name another path.",
  });
}

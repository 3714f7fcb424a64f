// Tries, when a folder store is opened, what a commit will rely on: that files can be linked and folders renamed from
// the scratch area to the outputs, and that neither ever takes the place of something.
import { randomBytes } from "node:crypto";
import { linkSync, lstatSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { AlamodeError, errnoOf } from "../errors.ts";
import { removeTree } from "./remove.ts";

/** Throws `store-unusable` or a system error. Leaves nothing behind. */
export async function probeMoves(scratchDir: string, outputsDir: string): Promise<void> {
  const name = `.probe-${randomBytes(8).toString("hex")}`;
  const [from, to] = [`${scratchDir}/${name}`, `${outputsDir}/${name}`];
  try {
    for (const folder of [from, to, `${from}/folder`]) mkdirSync(folder);
    for (const file of [`${from}/file`, `${from}/folder/file`]) writeFileSync(file, name);
    linkSync(`${from}/file`, `${to}/file`);
    if (lstatSync(`${from}/file`).ino !== lstatSync(`${to}/file`).ino)
      throw unusable("a hard link is a copy there");
    if (!refuses(() => linkSync(`${from}/file`, `${to}/file`)))
      throw unusable("a hard link replaces files there");
    renameSync(`${from}/folder`, `${to}/folder`);
    mkdirSync(`${from}/folder`);
    if (!refuses(() => renameSync(`${from}/folder`, `${to}/folder`))) {
      throw unusable("renaming replaces folders that hold something there");
    }
  } catch (error) {
    if (errnoOf(error) === "EXDEV")
      throw unusable(`tmp and outputs lie on different file systems (EXDEV)`, error);
    // What the others mean for linking: the file system knows no hard links.
    if (["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(errnoOf(error) ?? "")) {
      throw unusable(`the file system knows no hard links (${errnoOf(error)})`, error);
    }
    throw error;
  } finally {
    await removeTree(from);
    await removeTree(to);
  }

  function unusable(why: string, cause?: unknown): AlamodeError {
    return new AlamodeError("store-unusable", `the store cannot take outputs in safely: ${why}`, {
      facts: { tmp: scratchDir, outputs: outputsDir },
      hint: "Keep the whole store on one ordinary local or NFS file system, and choose it with --store.",
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

function refuses(move: () => void): boolean {
  try {
    move();
    return false;
  } catch (error) {
    if (["EEXIST", "ENOTEMPTY"].includes(errnoOf(error) ?? "")) return true;
    throw error;
  }
}

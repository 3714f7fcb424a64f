// Code and data that plans refer to, kept by their sha256 at sources/<2 hex>/<sha256>, read-only.
import { randomBytes } from "node:crypto";
import { constants, lstatSync, mkdirSync, renameSync, statSync } from "node:fs";
import { chmod, copyFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { AlamodeError } from "../errors.ts";
import { hashFile } from "./hash.ts";
import { systemError } from "./system-error.ts";

export class KeptSources {
  readonly #dir: string;
  readonly #scratchDir: string;

  /** Both absolute and on one file system. */
  constructor(dir: string, scratchDir: string) {
    this.#dir = dir;
    this.#scratchDir = scratchDir;
  }

  /** Keeps a copy of `file`, unless it is kept already. Throws `source-changed` where its content has another digest. */
  async keep(sha256: string, file: string): Promise<void> {
    const place = this.#place(sha256);
    try {
      if (await this.#isKept(place, sha256, file)) return;
      await this.#copyIn(place, sha256, file);
    } catch (error) {
      throw systemError(error, `keeping ${file}`);
    }
  }

  /** Where it is kept; undefined where it is not. */
  find(sha256: string): string | undefined {
    const place = this.#place(sha256);
    return lstatSync(place, { throwIfNoEntry: false })?.isFile() ? place : undefined;
  }

  #place(sha256: string): string {
    if (/^[0-9a-f]{64}$/.test(sha256)) return `${this.#dir}/${sha256.slice(0, 2)}/${sha256}`;
    throw new AlamodeError("bad-source", `a source is named by 64 hex digits, not ${JSON.stringify(sha256)}`);
  }

  /** After a loss of power a kept file can be there and be short: another size than the file's asks for its content. */
  async #isKept(place: string, sha256: string, file: string): Promise<boolean> {
    const kept = lstatSync(place, { throwIfNoEntry: false });
    if (kept === undefined) return false;
    if (kept.size === statSync(file, { throwIfNoEntry: false })?.size) return true;
    return (await hashFile(place, kept.size)).sha256 === sha256;
  }

  async #copyIn(place: string, sha256: string, file: string): Promise<void> {
    const copy = `${this.#scratchDir}/source-${randomBytes(8).toString("hex")}`;
    try {
      await copyFile(file, copy, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      // The copy is hashed, not the file, which may change again: what is kept is what was verified.
      await chmod(copy, 0o444);
      const content = await hashFile(copy, lstatSync(copy).size);
      if (content.sha256 !== sha256) {
        throw new AlamodeError("source-changed", `${file} has changed since the plan was made`, {
          facts: { planned: sha256, now: content.sha256 },
          hint: "Plan again.",
        });
      }
      mkdirSync(dirname(place), { recursive: true });
      // Whoever keeps the same source at the same time replaces it by the same bytes.
      renameSync(copy, place);
    } finally {
      await rm(copy, { force: true });
    }
  }
}

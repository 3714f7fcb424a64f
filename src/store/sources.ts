// Code and data that plans refer to, kept by their sha256 at sources/<2 hex>/<sha256>, read-only; and beside them what was
// derived from them, under names that begin like theirs.
import { randomBytes } from "node:crypto";
import { constants, lstatSync, mkdirSync, renameSync, statSync } from "node:fs";
import { chmod, copyFile, rm, writeFile } from "node:fs/promises";
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

  /** Keeps content, or a copy of a file, unless it is kept already. Throws `source-changed` where it has another digest. */
  async keep(sha256: string, content: string | Uint8Array): Promise<void> {
    const place = this.#place(sha256);
    try {
      if (await this.#isKept(place, sha256, content)) return;
      await this.#copyIn(place, content, sha256);
    } catch (error) {
      throw systemError(error, `keeping ${typeof content === "string" ? content : "a source"}`);
    }
  }

  /** Keeps content under a derived name, unless something is kept there. */
  async keepDerived(name: string, content: Uint8Array): Promise<void> {
    const place = this.#derivedPlace(name);
    try {
      if (this.findDerived(name) === undefined) await this.#copyIn(place, content);
    } catch (error) {
      throw systemError(error, `keeping ${name}`);
    }
  }

  findDerived(name: string): string | undefined {
    const place = this.#derivedPlace(name);
    return lstatSync(place, { throwIfNoEntry: false })?.isFile() ? place : undefined;
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

  #derivedPlace(name: string): string {
    if (/^[0-9a-f]{64}(\.[a-z0-9_-]+)+$/.test(name)) return `${this.#dir}/${name.slice(0, 2)}/${name}`;
    throw new AlamodeError(
      "bad-source",
      `what is derived is named after a source, not ${JSON.stringify(name)}`,
    );
  }

  /** After a loss of power a kept file can be there and be short: another size than the file's asks for its content. */
  async #isKept(place: string, sha256: string, content: string | Uint8Array): Promise<boolean> {
    const kept = lstatSync(place, { throwIfNoEntry: false });
    if (kept === undefined) return false;
    const size =
      typeof content === "string" ? statSync(content, { throwIfNoEntry: false })?.size : content.length;
    if (kept.size === size) return true;
    return (await hashFile(place, kept.size)).sha256 === sha256;
  }

  async #copyIn(place: string, content: string | Uint8Array, sha256?: string): Promise<void> {
    const copy = `${this.#scratchDir}/source-${randomBytes(8).toString("hex")}`;
    try {
      if (typeof content === "string") {
        await copyFile(content, copy, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      } else {
        await writeFile(copy, content, { flag: "wx" });
      }
      // The copy is hashed, not the file, which may change again: what is kept is what was verified.
      await chmod(copy, 0o444);
      const now = sha256 && (await hashFile(copy, lstatSync(copy).size)).sha256;
      if (sha256 !== undefined && now !== undefined && now !== sha256) {
        const what = typeof content === "string" ? content : "a source";
        throw new AlamodeError("source-changed", `${what} has changed since the plan was made`, {
          facts: { planned: sha256, now },
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

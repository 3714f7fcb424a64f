// A store in a folder: trees lie at outputs/<2 hex>/<output> as they are, readable by any tool. The layout is told in
// docs/FORMAT.md. How trees get to their locations is in folder-commit.ts.
import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Bmap } from "../bencode/types.ts";
import { AlamodeError, errnoOf } from "../errors.ts";
import { makeFolder } from "../make-folder.ts";
import type { OutputId } from "../plan/types.ts";
import { closeModes, copyTree } from "./copy-tree.ts";
import { syncFileSystem } from "./file-system-sync.ts";
import { commitToFolder, setAside } from "./folder-commit.ts";
import { ignoreInGit } from "./git-ignore.ts";
import { hashTree } from "./hash.ts";
import { hashInPlace, inPlaceTarget, sealInPlace } from "./in-place.ts";
import { IN_PLACE, plainLocation } from "./locations.ts";
import { makeOfFiles } from "./making.ts";
import { probeMoves } from "./probe.ts";
import { ReceiptFile } from "./receipts.ts";
import { removeTree } from "./remove.ts";
import { seal } from "./seal.ts";
import { KeptSources } from "./sources.ts";
import { checkStamps } from "./stamps.ts";
import { systemError } from "./system-error.ts";
import { Turn } from "./turn.ts";
import type {
  Check,
  CommitOptions,
  HashedTree,
  Location,
  Making,
  MakingRequest,
  Noted,
  Owner,
  SealedTree,
  SealOptions,
  StagedTree,
  Store,
} from "./types.ts";
import { badOutput } from "./walk.ts";

export interface FolderStoreOptions {
  /** Nothing will be put there: whether that could be done is not tried (some 25 calls of the system). */
  readonly look?: boolean;
}

/**
 * Opens the store in the folder `dir`, which is made where it is missing. Throws `store-unusable` where it is no folder,
 * may not be written, or cannot take outputs in by link and rename.
 */
export async function openFolderStore(
  dir: string,
  { look = false }: FolderStoreOptions = {},
): Promise<Store> {
  const root = makeRoot(resolve(dir));
  try {
    // Empty folders may have been lost on the way here: a copy may leave them out.
    if (look && existsSync(`${root}/id`) && existsSync(`${root}/tmp`))
      return new FolderStore(root, idOf(root));
    for (const name of ["outputs", "receipts", "sources", "tmp", "logs"])
      mkdirSync(`${root}/${name}`, { recursive: true });
    ignoreInGit(root);
    await probeMoves(`${root}/tmp`, `${root}/outputs`);
    return new FolderStore(root, idOf(root));
  } catch (error) {
    throw systemError(error, `opening the store ${root}`);
  }
}

function makeRoot(dir: string): string {
  const unusable = (why: string, hint: string, cause?: unknown) =>
    new AlamodeError("store-unusable", `${dir} cannot be a store: ${why}`, { hint, cause });
  try {
    makeFolder(dir);
    accessSync(dir, constants.W_OK | constants.X_OK);
    return realpathSync.native(dir);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "EEXIST" || errno === "ENOTDIR") {
      throw unusable("it, or something above it, is not a folder", "Choose a folder with --store.", error);
    }
    if (errno === "ENOENT") {
      throw unusable("no folder can be made there (ENOENT)", "Choose another with --store.", error);
    }
    if (errno === "EACCES" || errno === "EPERM" || errno === "EROFS") {
      throw unusable(
        `it may not be written (${errno})`,
        "Change its owner or mode, or choose another with --store.",
        error,
      );
    }
    throw systemError(error, `opening the store ${dir}`);
  }
}

/** The store's name in records: 16 hex digits in a file of its own, so that it moves with the store. */
function idOf(root: string): string {
  const file = `${root}/id`;
  for (;;) {
    if (existsSync(file)) {
      const id = readFileSync(file, "utf8").trim();
      if (/^[0-9a-f]{16}$/.test(id)) return id;
      // Empty too, as a loss of power may leave it.
      throw new AlamodeError("store-unusable", `${file} does not hold a store's name (16 hex digits)`, {
        hint: "Remove that file: a new name is made, and outputs are hashed once before they are used again.",
      });
    }
    // Written whole under another name first: whoever opens the same new store at the same time sees all of it or none.
    const fresh = `${file}.${randomBytes(6).toString("hex")}`;
    writeFileSync(fresh, `${randomBytes(8).toString("hex")}\n`, { mode: 0o644 });
    try {
      linkSync(fresh, file);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    } finally {
      unlinkSync(fresh);
    }
  }
}

class FolderStore implements Store {
  readonly url: string;
  readonly id: string;
  readonly durable = false;
  readonly performsSql = false;
  readonly scratchDir: string;
  readonly logDir: string;
  readonly #root: string;
  readonly #sources: KeptSources;
  readonly #receipts = new Map<string, ReceiptFile>();

  constructor(root: string, id: string) {
    this.#root = root;
    this.url = pathToFileURL(root).href;
    this.id = id;
    this.scratchDir = `${root}/tmp`;
    this.logDir = `${root}/logs`;
    this.#sources = new KeptSources(`${root}/sources`, this.scratchDir);
  }

  async owner(): Promise<Owner | undefined> {
    const file = `${this.#root}/owner`;
    if (!existsSync(file)) return undefined;
    const [id = "", url = ""] = readFileSync(file, "utf8").split("\n");
    return { id, url };
  }

  async setOwner({ id, url }: Owner): Promise<void> {
    const fresh = `${this.#root}/owner.${randomBytes(6).toString("hex")}`;
    writeFileSync(fresh, `${id}\n${url}\n`, { mode: 0o644 });
    renameSync(fresh, `${this.#root}/owner`);
  }

  async present(locations: readonly Location[]): Promise<boolean[]> {
    const turn = new Turn();
    const present: boolean[] = [];
    for (const location of locations) {
      if (turn.over()) await turn.next();
      present.push(isThere(this.#place(location)));
    }
    return present;
  }

  seal(path: string, options: SealOptions, signal?: AbortSignal): Promise<SealedTree> {
    return seal(path, options, signal);
  }

  sealInPlace(
    path: string,
    digests: (files: readonly string[]) => readonly string[],
    signal?: AbortSignal,
  ): Promise<SealedTree> {
    return sealInPlace(path, digests, signal);
  }

  async commit(
    output: OutputId,
    sealed: SealedTree,
    options: CommitOptions,
    signal?: AbortSignal,
  ): Promise<{ location: Location; stamps: Uint8Array }> {
    const isOurs = sealed.path.startsWith(`${this.scratchDir}/`) && !options.leave;
    const isElsewhere = !sealed.inPlace && !isOurs;
    // Random bytes take as long as the move.
    const incoming = isElsewhere
      ? `${this.scratchDir}/incoming-${randomBytes(8).toString("hex")}`
      : undefined;
    try {
      const near = incoming === undefined ? sealed : await this.#copyIn(sealed, incoming, signal);
      return await commitToFolder(`${this.#root}/outputs`, output, near, options);
    } catch (error) {
      throw systemError(error, "moving the output to its location", { output });
    } finally {
      if (incoming !== undefined) await removeTree(incoming);
    }
  }

  /** What was made elsewhere, perhaps on another file system, is copied first, and what was copied is what is hashed. */
  async #copyIn(sealed: SealedTree, folder: string, signal?: AbortSignal): Promise<SealedTree> {
    mkdirSync(folder);
    const path = `${folder}/OUTPUT`;
    await copyTree(sealed.path, path, signal);
    closeModes(path, sealed.tree);
    const copied = await seal(path, {}, signal);
    if (copied.digest === sealed.digest) return copied;
    throw badOutput("", "it changed while it was copied to its store", { facts: { place: sealed.path } });
  }

  async view(output: OutputId, location: Location): Promise<void> {
    const place = this.#place(plainLocation(output));
    try {
      mkdirSync(dirname(place), { recursive: true });
      symlinkSync(`../${this.#checked(location)}`, place);
    } catch {
      // Something lies there already, or the disk is full: the record knows where the tree is.
    }
  }

  async prepare({ top, inputs }: MakingRequest, signal?: AbortSignal): Promise<Making> {
    return makeOfFiles(inputs, signal, (options, end) => seal(top, options, end));
  }

  async publish(): Promise<undefined> {}

  stage(location: Location): StagedTree {
    const path = this.#pathOf(location);
    if (path !== undefined) return new Resting(path);
    throw new AlamodeError("output-missing", `nothing lies at ${this.#place(location)} any more`, {
      facts: { location, store: this.url },
      hint: "Run the pipeline that makes it.",
    });
  }

  async here(location: Location): Promise<string | undefined> {
    return this.#pathOf(location);
  }

  #pathOf(location: Location): string | undefined {
    const place = this.#place(location);
    return isThere(place) ? (inPlaceTarget(place) ?? place) : undefined;
  }

  place(location: Location): string {
    const place = this.#place(location);
    return inPlaceTarget(place) ?? place;
  }

  check(location: Location, { tree, stamps }: Noted): Check | Promise<Check> {
    const place = this.#place(location);
    const failed = (error: unknown): never => {
      throw systemError(error, "checking an output", { location });
    };
    try {
      const target = inPlaceTarget(place);
      const check = checkStamps(target ?? place, tree, stamps, new Turn(), { modes: target === undefined });
      return check instanceof Promise ? check.catch(failed) : check;
    } catch (error) {
      return failed(error);
    }
  }

  rehash(location: Location, signal?: AbortSignal): Promise<HashedTree | undefined> {
    return this.#told("hashing an output", location, async (place) => {
      const target = inPlaceTarget(place);
      if (!isThere(place)) return undefined;
      return target === undefined ? await hashTree(place, signal) : await hashInPlace(target, signal);
    });
  }

  moveAside(location: Location): Promise<string | undefined> {
    return this.#told("moving aside what lies there", location, async (place) => setAside(place));
  }

  keepSource(sha256: string, content: string | Uint8Array): Promise<void> {
    return this.#sources.keep(sha256, content);
  }

  async source(sha256: string): Promise<string | undefined> {
    return this.#sources.find(sha256);
  }

  keepDerived(name: string, content: Uint8Array): Promise<void> {
    return this.#sources.keepDerived(name, content);
  }

  async derived(name: string): Promise<string | undefined> {
    return this.#sources.findDerived(name);
  }

  /** Logs are written where everybody who uses the store finds them. */
  async keepLog(): Promise<void> {}

  async log(name: string): Promise<string | undefined> {
    const path = join(this.logDir, name);
    return existsSync(path) ? path : undefined;
  }

  async appendReceipt(run: string, note: Bmap): Promise<void> {
    this.#receiptFile(run).append(note);
  }

  #receiptFile(run: string): ReceiptFile {
    const path = `${this.#root}/receipts/${run}`;
    try {
      const file = this.#receipts.get(run) ?? new ReceiptFile(path);
      this.#receipts.set(run, file);
      return file;
    } catch (error) {
      throw systemError(error, "opening the receipts", { path });
    }
  }

  sync(): Promise<void> {
    return syncFileSystem(this.#root);
  }

  async close(): Promise<void> {
    for (const file of this.#receipts.values()) file.close();
    this.#receipts.clear();
  }

  /** Locations come from a record, which may have been tampered with: none may lead out of the store. */
  #place(location: Location): string {
    return `${this.#root}/outputs/${this.#checked(location)}`;
  }

  #checked(location: Location): Location {
    if (/^[0-9a-f]{2}\/[0-9a-f]{64}(\.[0-9a-f]{16}(\.place)?)?$/.test(location)) return location;
    throw new AlamodeError(
      "bad-location",
      `this is no location of a folder store: ${JSON.stringify(location)}`,
      {
        hint: "The record is damaged, or belongs to another store.",
      },
    );
  }

  async #told<T>(doing: string, location: Location, act: (place: string) => Promise<T>): Promise<T> {
    const place = this.#place(location);
    try {
      return await act(place);
    } catch (error) {
      throw systemError(error, doing, { location });
    }
  }
}

/** A tree that is read where it lies: there is nothing to let go of. */
class Resting implements StagedTree {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  [Symbol.dispose](): void {}
}

/** Whether a tree lies there, or is led to. Any other link shows another output's tree to people: here lies none. */
function isThere(place: string): boolean {
  const stats = (place.endsWith(IN_PLACE) ? statSync : lstatSync)(place, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isSymbolicLink();
}

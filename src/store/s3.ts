// A store in a bucket of S3. The layout is told in docs/FORMAT.md: trees as objects, read through a cache on this machine, where the
// scratch area and growing logs are too. Nothing in a bucket is ever moved or replaced by something else: a tree's location holds
// the beginning of its digest, so whoever writes there writes the same.
import { randomBytes } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bmap } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import { makeFolder } from "../make-folder.ts";
import { movedPlace } from "../plan/places.ts";
import type { S3Patience } from "../plan/s3-client.ts";
import type { OutputId } from "../plan/types.ts";
import { type CacheOptions, TreeCache } from "./cache.ts";
import { ignoreInGit } from "./git-ignore.ts";
import { hashInPlace, sealInPlace } from "./in-place.ts";
import { IN_PLACE, inPlaceLocation, suffixedLocation } from "./locations.ts";
import { makeOfFiles } from "./making.ts";
import { frameReceipt } from "./receipts.ts";
import { S3Objects } from "./s3-objects.ts";
import { presentIn } from "./s3-present.ts";
import { fetchTree, fileKey, hashObjects, sendTree, treeKey } from "./s3-tree.ts";
import { parseS3StoreUrl } from "./s3-url.ts";
import { seal } from "./seal.ts";
import { KeptSources } from "./sources.ts";
import { checkStamps } from "./stamps.ts";
import { systemError } from "./system-error.ts";
import { decodeTree } from "./tree.ts";
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
  TreeDigest,
} from "./types.ts";

export interface S3StoreOptions {
  /** Absolute folder for what the store has on this machine: scratch area, logs, copies of sources. */
  readonly dir: string;
  readonly cache: CacheOptions;
  readonly patience?: S3Patience;
}

/** Opens the store at an URL, which begins where there is none. Throws `bad-store`, `store-unusable`, `store-unreachable`. */
export async function openS3Store(url: string, { dir, cache, patience }: S3StoreOptions): Promise<Store> {
  const place = parseS3StoreUrl(url);
  const objects = await S3Objects.open(place, patience);
  try {
    const id = await idOf(objects, url);
    for (const name of ["tmp", "logs", join("remote", id)]) makeFolder(join(dir, name));
    ignoreInGit(dir);
    return new S3Store(objects, { url, id, dir: realpathSync.native(dir), cache });
  } catch (error) {
    objects.close();
    throw systemError(error, `opening the store ${url}`);
  }
}

/** The store's name in records, made where there is none: never over another, for two may open a new store at once. */
async function idOf(objects: S3Objects, url: string): Promise<string> {
  let bytes = await objects.get("id");
  if (bytes === undefined) {
    const fresh = Buffer.from(`${randomBytes(8).toString("hex")}\n`);
    await objects.put("id", fresh, { onlyNew: true });
    bytes = await objects.get("id");
    if (bytes !== undefined && (await objects.put("id", bytes, { onlyNew: true }))) {
      throw new AlamodeError(
        "store-unusable",
        `${url}: the server writes over objects where it was told not to`,
        {
          hint: "It does not know If-None-Match, which keeps two runs from taking one place: use another server, or a newer version.",
        },
      );
    }
  }
  const id = Buffer.from(bytes ?? [])
    .toString()
    .trim();
  if (/^[0-9a-f]{16}$/.test(id)) return id;
  throw new AlamodeError(
    "store-unusable",
    `${url}: its object "id" does not hold a store's name (16 hex digits)`,
    {
      hint: "Another program's objects lie there: choose another prefix.",
    },
  );
}

class S3Store implements Store {
  readonly url: string;
  readonly id: string;
  readonly durable = true;
  readonly performsSql = false;
  readonly scratchDir: string;
  readonly logDir: string;
  readonly #objects: S3Objects;
  readonly #cache: TreeCache;
  /** Copies on this machine of the sources that the bucket keeps. */
  readonly #sources: KeptSources;
  /** What plans that were saved from code on this machine left for whoever runs them. */
  readonly #saved: KeptSources;
  /** Names of sources that are known to lie in the bucket. */
  readonly #kept = new Set<string>();
  readonly #receipts = new Map<string, number>();

  constructor(
    objects: S3Objects,
    { url, id, dir, cache }: { url: string; id: string; dir: string; cache: CacheOptions },
  ) {
    this.#objects = objects;
    this.url = url;
    this.id = id;
    this.scratchDir = join(dir, "tmp");
    this.logDir = join(dir, "logs");
    this.#cache = new TreeCache(cache);
    this.#sources = new KeptSources(join(dir, "remote", id), this.scratchDir);
    this.#saved = new KeptSources(join(dir, "sources"), this.scratchDir);
  }

  async owner(): Promise<Owner | undefined> {
    const bytes = await this.#objects.get("owner");
    if (bytes === undefined) return undefined;
    const [id = "", url = ""] = Buffer.from(bytes).toString().split("\n");
    return { id, url };
  }

  async setOwner({ id, url }: Owner): Promise<void> {
    await this.#objects.put("owner", Buffer.from(`${id}\n${url}\n`));
  }

  present(locations: readonly Location[]): Promise<boolean[]> {
    return presentIn(
      this.#objects,
      locations.map((location) => (isLocation(location) ? treeKey(location) : undefined)),
    );
  }

  async prepare({ top, inputs }: MakingRequest, signal?: AbortSignal): Promise<Making> {
    return makeOfFiles(inputs, signal, (options, end) => seal(top, options, end));
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

  /** What others took does not matter: nothing but this very tree ever goes to its location. */
  async commit(
    output: OutputId,
    sealed: SealedTree,
    { leave }: CommitOptions,
    signal?: AbortSignal,
  ): Promise<{ location: Location; stamps: Uint8Array }> {
    const suffixed = suffixedLocation(output, sealed.digest);
    if (sealed.inPlace) {
      const location = inPlaceLocation(output, sealed.digest);
      await this.#objects.put(fileKey(location, ""), Buffer.from(sealed.path));
      await this.#objects.put(treeKey(location), sealed.encoded);
      return { location, stamps: sealed.stamps };
    }
    try {
      await sendTree(this.#objects, suffixed, sealed, signal);
    } catch (error) {
      throw systemError(error, "sending the output to its store", { output });
    }
    if (!leave) await this.#cache.give(sealed);
    return { location: suffixed, stamps: new Uint8Array(0) };
  }

  /** There are no links in S3: `alamode ls` says where a tree lies. */
  async view(): Promise<void> {}

  async publish(): Promise<undefined> {}

  async stage(location: Location, digest: TreeDigest, signal?: AbortSignal): Promise<StagedTree> {
    this.#checked(location);
    if (location.endsWith(IN_PLACE)) return this.#stageInPlace(location);
    const objects = this.#objects;
    return this.#cache.stage(
      digest,
      {
        encoded: async (off) => {
          const encoded = await objects.get(treeKey(location), off);
          if (encoded !== undefined) return encoded;
          throw this.#missing(location, "Run the pipeline that makes it.");
        },
        fetch: (tree, top, off) => fetchTree(objects, location, { tree, top }, off),
      },
      signal,
    );
  }

  async #stageInPlace(location: Location): Promise<StagedTree> {
    const path = await this.#inPlace(location);
    if (path !== undefined && existsSync(path)) return { path, [Symbol.dispose]() {} };
    throw this.#missing(
      location,
      path === undefined
        ? "Run the pipeline that makes it."
        : `It is read in place, and there is nothing at ${path} here. Where it lies elsewhere on this machine, say so:  ALAMODE_PLACES=${path}=/elsewhere`,
    );
  }

  /** Where a tree in place lies on this machine, if it does. */
  async #inPlace(location: Location): Promise<string | undefined> {
    const path = await this.#objects.get(fileKey(location, ""));
    return path === undefined ? undefined : movedPlace(Buffer.from(path).toString());
  }

  async here(location: Location, digest: TreeDigest): Promise<string | undefined> {
    this.#checked(location);
    if (!location.endsWith(IN_PLACE)) return this.#cache.here(digest);
    const path = await this.#inPlace(location);
    return path !== undefined && existsSync(path) ? path : undefined;
  }

  place(location: Location): string {
    const [at = ""] = this.url.split("?");
    return `${at.replace(/\/+$/, "")}/${fileKey(this.#checked(location), "")}`;
  }

  async check(location: Location, { digest, tree, stamps }: Noted): Promise<Check> {
    this.#checked(location);
    if (location.endsWith(IN_PLACE)) {
      const path = await this.#inPlace(location);
      return path === undefined
        ? { kind: "missing" }
        : checkStamps(path, tree, stamps, new Turn(), { modes: false });
    }
    const copy = await this.#cache.check(digest);
    if (copy !== undefined) return copy;
    if (this.#cache.here(digest) !== undefined) return { kind: "intact" };
    const [isThere] = await this.present([location]);
    return isThere ? { kind: "intact" } : { kind: "missing" };
  }

  async rehash(location: Location, signal?: AbortSignal): Promise<HashedTree | undefined> {
    if (!isLocation(location)) return undefined; // of a store of another kind
    const encoded = await this.#objects.get(treeKey(location), signal);
    if (encoded === undefined) return undefined;
    if (!location.endsWith(IN_PLACE))
      return hashObjects(this.#objects, location, decodeTree(encoded), signal);
    const path = await this.#inPlace(location);
    if (path === undefined || !existsSync(path)) return undefined;
    try {
      return await hashInPlace(path, signal);
    } catch (error) {
      throw systemError(error, "hashing an output", { location });
    }
  }

  /** Only its bencoding is moved: without that nothing lies there, and whoever makes the tree again writes its objects anew. */
  async moveAside(location: Location): Promise<string | undefined> {
    const key = treeKey(this.#checked(location));
    const encoded = await this.#objects.get(key);
    if (encoded === undefined) return undefined;
    const aside = `${key}.aside-${randomBytes(4).toString("hex")}`;
    await this.#objects.put(aside, encoded);
    await this.#objects.delete(key);
    return aside;
  }

  async keepSource(sha256: string, content: string | Uint8Array): Promise<void> {
    await this.#sources.keep(sha256, content);
    await this.#share(sha256, this.#sources.find(sha256)!);
  }

  async source(sha256: string): Promise<string | undefined> {
    const here = this.#sources.find(sha256);
    if (here !== undefined) return here;
    const bytes = await this.#objects.get(sourceKey(sha256));
    if (bytes !== undefined) {
      await this.#sources.keep(sha256, bytes);
      this.#kept.add(sha256);
      return this.#sources.find(sha256);
    }
    const saved = this.#saved.find(sha256);
    if (saved !== undefined) await this.keepSource(sha256, saved);
    return saved;
  }

  async keepDerived(name: string, content: Uint8Array): Promise<void> {
    if ((await this.derived(name)) !== undefined) return;
    await this.#objects.put(sourceKey(name), content, { onlyNew: true });
    await this.#sources.keepDerived(name, content);
  }

  async derived(name: string): Promise<string | undefined> {
    const here = this.#sources.findDerived(name);
    if (here !== undefined) return here;
    const bytes = await this.#objects.get(sourceKey(name));
    const saved = bytes === undefined ? this.#saved.findDerived(name) : undefined;
    if (saved !== undefined)
      await this.#objects.put(sourceKey(name), await readFile(saved), { onlyNew: true });
    if (bytes === undefined) return saved;
    await this.#sources.keepDerived(name, bytes);
    return this.#sources.findDerived(name);
  }

  /** Sends a source unless the bucket has it, once for each process. */
  async #share(sha256: string, path: string): Promise<void> {
    if (this.#kept.has(sha256)) return;
    const key = sourceKey(sha256);
    const bytes = await readFile(path);
    if ((await this.#objects.head(key))?.size !== bytes.length)
      await this.#objects.putFile(key, { path, size: bytes.length, sha256 });
    this.#kept.add(sha256);
  }

  async keepLog(name: string): Promise<void> {
    await this.#objects.put(`logs/${name}`, await readFile(join(this.logDir, name)));
  }

  async log(name: string): Promise<string | undefined> {
    const path = join(this.logDir, name);
    if (existsSync(path)) return path;
    const bytes = await this.#objects.get(`logs/${name}`);
    if (bytes === undefined) return undefined;
    const partial = `${path}.${randomBytes(4).toString("hex")}.partial`;
    await writeFile(partial, bytes);
    await rename(partial, path);
    return path;
  }

  async appendReceipt(run: string, note: Bmap): Promise<void> {
    for (;;) {
      const n = this.#receipts.get(run) ?? 0;
      this.#receipts.set(run, n + 1);
      if (await this.#objects.put(`receipts/${run}/${n}`, frameReceipt(note, n), { onlyNew: true })) return;
    }
  }

  /** S3 answers when it has written. */
  async sync(): Promise<void> {}

  async close(): Promise<void> {
    await this.#cache.close();
    this.#objects.close();
  }

  /** Locations come from a record, which may have been tampered with: none may lead out of the store. */
  #checked(location: Location): Location {
    if (isLocation(location)) return location;
    throw new AlamodeError(
      "bad-location",
      `this is no location of a store in S3: ${JSON.stringify(location)}`,
      {
        hint: "The record is damaged, or belongs to another store.",
      },
    );
  }

  #missing(location: Location, hint: string): AlamodeError {
    return new AlamodeError("output-missing", `nothing lies at ${this.place(location)} any more`, {
      facts: { location, store: this.url },
      hint,
    });
  }
}

function isLocation(location: Location): boolean {
  return /^[0-9a-f]{2}\/[0-9a-f]{64}\.[0-9a-f]{16}(\.place)?$/.test(location);
}

function sourceKey(name: string): string {
  return `sources/${name.slice(0, 2)}/${name}`;
}

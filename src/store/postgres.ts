// A store in a PostgreSQL database: an output that is tables is a schema, readable by any program that speaks SQL; other trees, sources,
// logs and receipts are rows of the store's own tables. The layout is told in docs/FORMAT.md, why it is so in docs/decisions/025-postgres-store.md.
import { randomBytes } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bmap } from "../bencode/types.ts";
import { AlamodeError } from "../errors.ts";
import { makeFolder } from "../make-folder.ts";
import type { OutputId } from "../plan/types.ts";
import { type CacheOptions, TreeCache } from "./cache.ts";
import { ignoreInGit } from "./git-ignore.ts";
import { sealInPlace } from "./in-place.ts";
import { IN_PLACE, inPlaceLocation } from "./locations.ts";
import { getFile, putFile, writeTree } from "./postgres-blobs.ts";
import { PostgresServer, type Session } from "./postgres-connection.ts";
import { SchemaDigests } from "./postgres-digests.ts";
import { checkedAgainst, makeTables } from "./postgres-making.ts";
import { checkedLocation, isLocation, OWN, schemaOf } from "./postgres-names.ts";
import { type Opened, openOwn } from "./postgres-own.ts";
import { publishView } from "./postgres-publish.ts";
import { stampsOf } from "./postgres-refusals.ts";
import { PostgresScratches, type Scratch } from "./postgres-scratch.ts";
import { writeTables } from "./postgres-tables.ts";
import { PostgresTrees } from "./postgres-trees.ts";
import { frameReceipt } from "./receipts.ts";
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
  MakingInput,
  MakingRequest,
  Noted,
  Owner,
  SealedTree,
  SealOptions,
  StagedTree,
  Store,
  TreeDigest,
} from "./types.ts";

export interface PostgresStoreOptions {
  /** Absolute folder for what the store has on this machine: scratch area, logs, copies of sources. */
  readonly dir: string;
  readonly cache: CacheOptions;
}

/** Opens the store in a database, which begins where there is none. Throws `bad-store`, `store-unusable`, `store-unreachable`. */
export async function openPostgresStore(url: string, { dir, cache }: PostgresStoreOptions): Promise<Store> {
  const server = new PostgresServer(url);
  try {
    const opened = await openOwn(server);
    server.opened();
    for (const name of ["tmp", "logs", join("remote", opened.id)]) makeFolder(join(dir, name));
    ignoreInGit(dir);
    return new PostgresStore(server, opened, { dir: realpathSync.native(dir), cache });
  } catch (error) {
    await server.close();
    throw systemError(error, `opening the store ${server.url}`);
  }
}

class PostgresStore implements Store {
  readonly url: string;
  readonly id: string;
  readonly durable = true;
  readonly performsSql = true;
  readonly scratchDir: string;
  readonly logDir: string;
  readonly #server: PostgresServer;
  readonly #scratches: PostgresScratches;
  readonly #digests: SchemaDigests;
  readonly #trees: PostgresTrees;
  readonly #cache: TreeCache;
  /** Copies on this machine of the sources that the database keeps. */
  readonly #sources: KeptSources;
  readonly #receipts = new Map<string, number>();
  /** Schemas in the making that are sealed, by the path of their trees. */
  readonly #sealed = new Map<string, Scratch>();

  constructor(server: PostgresServer, { id, readers }: Opened, { dir, cache }: PostgresStoreOptions) {
    this.#server = server;
    this.url = server.url;
    this.id = id;
    this.scratchDir = join(dir, "tmp");
    this.logDir = join(dir, "logs");
    this.#scratches = new PostgresScratches(server, readers);
    this.#digests = new SchemaDigests(server);
    this.#trees = new PostgresTrees({ server, scratches: this.#scratches, digests: this.#digests }, readers);
    this.#cache = new TreeCache(cache);
    this.#sources = new KeptSources(join(dir, "remote", id), this.scratchDir);
  }

  async owner(): Promise<Owner | undefined> {
    const [row] = await this.#server.rows<{ value: string }>(
      `SELECT value FROM ${OWN}.about WHERE key = 'owner'`,
    );
    if (row === undefined) return undefined;
    const [id = "", url = ""] = row.value.split("\n");
    return { id, url };
  }

  async setOwner({ id, url }: Owner): Promise<void> {
    await this.#server.rows(
      `INSERT INTO ${OWN}.about VALUES ('owner', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
      `${id}\n${url}`,
    );
  }

  present(locations: readonly Location[]): Promise<boolean[]> {
    return this.#trees.present(locations);
  }

  prepare(request: MakingRequest, signal?: AbortSignal): Promise<Making> {
    const context = {
      server: this.#server,
      scratches: this.#scratches,
      digests: this.#digests,
      schemaOfInput: async ({ store, location }: MakingInput) => {
        const kind = store.id === this.id ? (await this.#trees.row(this.#server, location))?.kind : undefined;
        return kind === "tables" ? schemaOf(location) : undefined;
      },
      sealed: (path: string, scratch: Scratch) => void this.#sealed.set(path, scratch),
      forget: (path: string) => void this.#sealed.delete(path),
    };
    return makeTables(context, request, signal);
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
    { taken, leave }: CommitOptions,
    signal?: AbortSignal,
  ): Promise<{ location: Location; stamps: Uint8Array }> {
    try {
      if (sealed.inPlace) {
        const location = inPlaceLocation(output, sealed.digest);
        await this.#trees.commitPlace(output, location, sealed);
        return { location, stamps: sealed.stamps };
      }
      const scratch = this.#sealed.get(sealed.path);
      if (scratch !== undefined) return await this.#trees.commitTables(output, sealed, scratch, taken);
      const imported = await this.#trees.import(sealed);
      if (imported !== undefined) {
        try {
          return await this.#trees.commitTables(output, sealed, imported, taken);
        } finally {
          await this.#scratches.drop(imported);
        }
      }
      const committed = await this.#trees.commitFiles(output, sealed, taken);
      if (!leave) await this.#cache.give(sealed);
      signal?.throwIfAborted();
      return committed;
    } catch (error) {
      throw systemError(error, "sending the output to its store", { output });
    }
  }

  /** `alamode ls` says where an output lies. */
  async view(): Promise<void> {}

  async publish(location: Location, name: string): Promise<boolean | undefined> {
    const row = await this.#trees.row(this.#server, location);
    return row?.kind === "tables" ? publishView(this.#server, location, name) : undefined;
  }

  async stage(location: Location, digest: TreeDigest, signal?: AbortSignal): Promise<StagedTree> {
    const row = await this.#trees.row(this.#server, location);
    if (row === undefined) throw this.#missing(location);
    if (row.kind === "place") {
      const path = await this.#trees.inPlace(location);
      if (path !== undefined && existsSync(path)) return { path, [Symbol.dispose]() {} };
      throw this.#missing(
        location,
        `It is read in place, and there is nothing at ${path} here. Where it lies elsewhere on this machine, say so:  ALAMODE_PLACES=${path}=/elsewhere`,
      );
    }
    return this.#cache.stage(
      digest,
      {
        encoded: async () => row.tree,
        fetch: async (tree, top, off) => {
          if (row.kind === "files") return writeTree(this.#server, location, { tree, top }, off);
          const [isThere] = await this.present([location]);
          if (!isThere) throw this.#missing(location);
          const write = async (session: Session) => {
            await removeTree(top); // of a connection that broke
            await writeTables(session, schemaOf(location), top, off);
          };
          await this.#server.transaction(write, "REPEATABLE READ READ ONLY");
        },
      },
      signal,
    );
  }

  async here(location: Location, digest: TreeDigest): Promise<string | undefined> {
    if (!checkedLocation(location).endsWith(IN_PLACE)) return this.#cache.here(digest);
    const path = await this.#trees.inPlace(location);
    return path !== undefined && existsSync(path) ? path : undefined;
  }

  place(location: Location): string {
    return `${this.url}#${schemaOf(location)}`;
  }

  async check(location: Location, { digest, tree, stamps }: Noted): Promise<Check> {
    const row = await this.#trees.row(this.#server, location);
    if (row === undefined) return { kind: "missing" };
    if (row.kind === "place") {
      const path = await this.#trees.inPlace(location);
      return path === undefined
        ? { kind: "missing" }
        : checkStamps(path, tree, stamps, new Turn(), { modes: false });
    }
    const copy = await this.#cache.check(digest);
    if (copy !== undefined && copy.kind !== "intact") return copy;
    if (row.kind === "files") return { kind: "intact" };
    const now = await stampsOf(this.#server, schemaOf(location));
    if (now === undefined) return { kind: "missing" };
    // They change without the rows, too: VACUUM FULL writes them anew.
    if (Buffer.compare(now, stamps) === 0) return { kind: "intact" };
    return checkedAgainst(digest, await this.#digests.before(schemaOf(location)));
  }

  async rehash(location: Location, signal?: AbortSignal): Promise<HashedTree | undefined> {
    if (!isLocation(location)) return undefined; // of a store of another kind
    const row = await this.#trees.row(this.#server, location);
    if (row === undefined) return undefined;
    return this.#server.transaction(
      (session) => this.#trees.rehash(session, location, row, signal),
      "REPEATABLE READ READ ONLY",
    );
  }

  moveAside(location: Location): Promise<string | undefined> {
    checkedLocation(location);
    return this.#server.transaction((session) => this.#trees.setAside(session, location));
  }

  async keepSource(sha256: string, content: string | Uint8Array): Promise<void> {
    await this.#sources.keep(sha256, content);
    await this.#keepFile(sourceName(sha256), this.#sources.find(sha256)!);
  }

  /** All of its pieces, or none. */
  async #keepFile(name: string, content: string | Uint8Array): Promise<void> {
    await this.#server.transaction((session) => putFile(session, name, content));
  }

  async source(sha256: string): Promise<string | undefined> {
    const here = this.#sources.find(sha256);
    if (here !== undefined) return here;
    const bytes = await getFile(this.#server, sourceName(sha256));
    if (bytes === undefined) return undefined;
    await this.#sources.keep(sha256, bytes);
    return this.#sources.find(sha256);
  }

  async keepDerived(name: string, content: Uint8Array): Promise<void> {
    if ((await this.derived(name)) !== undefined) return;
    await this.#keepFile(sourceName(name), content);
    await this.#sources.keepDerived(name, content);
  }

  async derived(name: string): Promise<string | undefined> {
    const here = this.#sources.findDerived(name);
    if (here !== undefined) return here;
    const bytes = await getFile(this.#server, sourceName(name));
    if (bytes === undefined) return undefined;
    await this.#sources.keepDerived(name, bytes);
    return this.#sources.findDerived(name);
  }

  async keepLog(name: string): Promise<void> {
    await this.#keepFile(`logs/${name}`, await readFile(join(this.logDir, name)));
  }

  async log(name: string): Promise<string | undefined> {
    const path = join(this.logDir, name);
    if (existsSync(path)) return path;
    const bytes = await getFile(this.#server, `logs/${name}`);
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
      const added = await this.#server.rows(
        `INSERT INTO ${OWN}.receipts VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING n`,
        run,
        n,
        frameReceipt(note, n),
      );
      if (added.length > 0) return;
    }
  }

  /** The server answers when it has written. */
  async sync(): Promise<void> {}

  async close(): Promise<void> {
    await this.#cache.close();
    await this.#scratches.close();
    await this.#server.close();
  }

  #missing(location: Location, hint = "Run the pipeline that makes it."): AlamodeError {
    return new AlamodeError("output-missing", `nothing lies at ${this.place(location)} any more`, {
      facts: { location, store: this.url },
      hint,
    });
  }
}

function sourceName(name: string): string {
  return `sources/${name.slice(0, 2)}/${name}`;
}

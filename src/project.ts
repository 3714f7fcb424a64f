// Where a project's store and record are, and how they are opened. Beside the cli, the only file that names drivers.
import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { AlamodeError } from "./errors.ts";
import { nearNames } from "./plan/near.ts";
import { findProject } from "./plan/project-folder.ts";
import type { OptionsByPattern } from "./plan/types.ts";
import { isPostgresUrl, shownUrl } from "./postgres-server.ts";
import { sizeBytes } from "./quantities.ts";
import type { RecordTables } from "./record/tables.ts";
import type { RecordDb } from "./record/types.ts";
import { Stores } from "./store/stores.ts";
import type { Store } from "./store/types.ts";

/** What `alamode.config.ts` may say. Paths are relative to its folder. */
export interface Settings {
  /** The pipeline when no `-f` is given. */
  readonly pipeline?: string;
  /** Folder of the store, or its URL. */
  readonly store?: string;
  /** Other stores by name, for the option `store` of tasks: `{ team: "s3://bucket/prefix" }`. */
  readonly stores?: Readonly<Record<string, string>>;
  /** Folder, on a disk of this machine, for what is fetched from such stores; `cache` in the store's own folder if absent. ALAMODE_CACHE wins. */
  readonly cache?: string;
  /** How much may lie there before what nobody uses is removed, in bytes, or as text such as "500MB"; 20 GiB if absent. */
  readonly cacheSize?: number | string;
  /** File of the record, or its URL. */
  readonly record?: string;
  /** How many tasks run at once; the number of cores if absent. */
  readonly jobs?: number;
  /** Where commands look for programs: folders, or text as PATH has it. `~` is the caller's home. */
  readonly path?: string | readonly string[];
  /** After a failure, go on with all that does not need it. */
  readonly keepGoing?: boolean;
  /** How deep plans may lie in plans that tasks wrote; 64 if absent. */
  readonly maxDepth?: number;
  /** How commands are shut in: `none` or `bubblewrap`. Results made with less are not reused. */
  readonly sandbox?: string;
  /** What this machine has for tasks; what is not said is looked up. Memory in bytes, or text such as "16GiB". */
  readonly resources?: { readonly cpus?: number; readonly memory?: number | string; readonly gpus?: number };
  /** How much there is of what tasks take by the option `pool`: `{ database: 4 }`. */
  readonly pools?: Readonly<Record<string, number>>;
  /** How tasks are run, by name or pattern: `{ "align/*": { retries: 2 } }`. Wins over the pipeline; later ones over earlier. */
  readonly options?: OptionsByPattern;
  /** Where data that is read in place lies on this machine: `{ "/shared/ref": "/mnt/ref" }`. ALAMODE_PLACES wins. */
  readonly places?: Readonly<Record<string, string>>;
}

/** What stores that are no folders have on this machine, unless it is said. */
const CACHE_BYTES = 20 * 2 ** 30;

/** Absolute paths. */
export interface Places {
  readonly project: string;
  /** An absolute path, or a URL. */
  readonly store: string;
  /** The store's folder; where it is no folder, what it has on this machine: scratch area, logs, fetched copies. */
  readonly storeDir: string;
  /** Where what is fetched from stores that are no folders is kept on this machine, and how much of it. */
  readonly cache: { readonly dir: string; readonly capBytes: number };
  /** An absolute path, or a URL. */
  readonly record: string;
}

/**
 * Where store and record are: what is asked for (relative to `cwd`), else ALAMODE_STORE and ALAMODE_RECORD (too), else the
 * settings (relative to the project), else `.alamode` in the project. Creates nothing.
 */
export function locate(
  options: {
    readonly cwd?: string;
    readonly store?: string | undefined;
    readonly record?: string | undefined;
    readonly settings?: Settings;
  } = {},
): Places {
  const cwd = options.cwd ?? process.cwd();
  const project = findProject(cwd);
  const place = (
    asked: string | undefined,
    env: string | undefined,
    set: string | undefined,
    usual: string,
  ) => {
    const here = asked ?? (env === "" ? undefined : env);
    if (isUrl(here ?? set ?? "")) return (here ?? set)!;
    return here !== undefined ? resolve(cwd, here) : resolve(project, set ?? usual);
  };
  const { ALAMODE_STORE, ALAMODE_RECORD, ALAMODE_CACHE } = process.env;
  const store = place(options.store, ALAMODE_STORE, options.settings?.store, ".alamode");
  const storeDir = isUrl(store) ? join(project, ".alamode") : store;
  return {
    project,
    store,
    storeDir,
    cache: {
      dir: place(undefined, ALAMODE_CACHE, options.settings?.cache, join(storeDir, "cache")),
      capBytes: cacheBytes(options.settings?.cacheSize),
    },
    record: place(options.record, ALAMODE_RECORD, options.settings?.record, join(".alamode", "record.db")),
  };
}

function cacheBytes(size: Settings["cacheSize"]): number {
  const bytes = size === undefined ? CACHE_BYTES : sizeBytes(size);
  if (bytes !== undefined) return bytes;
  throw new AlamodeError("bad-settings", `cacheSize must be bytes, or text such as "500MB": ${size}`);
}

export function isUrl(place: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//.test(place);
}

type Local = Pick<Places, "storeDir" | "cache">;

/** Opens the main store, which is made where there is none. */
export function openStore(places: Places): Promise<Store> {
  return openAt(places.store, places);
}

/** `look`: nothing will be put there. */
interface Opening {
  readonly look?: boolean;
}

/**
 * Opens the main store, by which the others are had: those that the settings name, and what was made in the project's own folder
 * before another was chosen.
 */
export async function openStores(
  places: Places,
  { stores = {} }: Settings = {},
  opening: Opening = {},
): Promise<Stores> {
  const { project, store } = places;
  const own = join(project, ".alamode");
  const named = namedStores(project, stores);
  if (store !== own && existsSync(join(own, "id")) && !named.has(own)) named.set(own, own);
  return new Stores(await openAt(places.store, places, opening), {
    names: [...named.keys()],
    async open(name) {
      const at = storeAt(name, named);
      if (at === undefined) throw unknownStore(name, Object.keys(stores));
      return openAt(at, places, opening);
    },
  });
}

function namedStores(project: string, stores: NonNullable<Settings["stores"]>): Map<string, string> {
  return new Map(Object.entries(stores).map(([name, at]) => [name, isUrl(at) ? at : resolve(project, at)]));
}

/** Absolute path or URL of a store that is named so; undefined where nothing is. */
function storeAt(name: string, named: ReadonlyMap<string, string>): string | undefined {
  return named.get(name) ?? (isUrl(name) || isAbsolute(name) ? name : undefined);
}

/**
 * The store of files, as it may be shown, that a task's output goes to by what is said now; undefined where it goes to a database, or
 * where nothing says where to. Opens nothing. `name`: what the task's option says.
 */
export function storeOfFiles(
  name: string | undefined,
  { project, store }: Pick<Places, "project" | "store">,
  { stores = {} }: Settings = {},
): string | undefined {
  const at = name === undefined ? store : storeAt(name, namedStores(project, stores));
  const isUsual = name === undefined && store === join(project, ".alamode");
  return at === undefined || isUsual || isPostgresUrl(at) ? undefined : shownPlace(at);
}

function unknownStore(name: string, known: readonly string[]): AlamodeError {
  const [near] = nearNames(name, known);
  return new AlamodeError("unknown-store", `there is no store "${name}"`, {
    hint:
      near === undefined
        ? `Name it in alamode.config.ts:  stores: { ${name}: 's3://bucket/prefix' }`
        : `Did you mean "${near}"?`,
  });
}

/** `local`: what a store that is no folder has on this machine. Throws `bad-store` for a URL of no kind known here. */
async function openAt(
  store: string,
  { storeDir: dir, cache }: Local,
  { look = false }: Opening = {},
): Promise<Store> {
  if (!isUrl(store)) {
    const { openFolderStore } = await import("./store/folder.ts");
    return openFolderStore(store, { look });
  }
  if (store.startsWith("s3://")) {
    const { openS3Store } = await import("./store/s3.ts");
    return openS3Store(store, { dir, cache });
  }
  if (isPostgresUrl(store)) {
    const { openPostgresStore } = await import("./store/postgres.ts");
    return openPostgresStore(store, { dir, cache });
  }
  throw new AlamodeError("bad-store", `no kind of store has a URL like ${new URL(store).protocol}//…`, {
    hint: "A store is a folder, s3://bucket/prefix, or postgres://user@host/database.",
  });
}

/** Whether there is anything to be looked at. Of a record on a server that is known only by opening it: then true. */
export function recordExists({ record }: Pick<Places, "record">): boolean {
  return isUrl(record) || existsSync(record);
}

/** A place as it may be shown: a URL without its password. */
export function shownPlace(place: string): string {
  return isUrl(place) ? shownUrl(place) : place;
}

/** The same as tables, for whoever moves all of it. */
export async function openTables(place: string): Promise<RecordTables> {
  if (isPostgresUrl(place)) {
    const { openPostgresTables } = await import("./record/postgres-tables.ts");
    return openPostgresTables(place);
  }
  if (isUrl(place)) throw noSuchRecord(place);
  const { openSqliteTables } = await import("./record/sqlite-tables.ts");
  return openSqliteTables(place);
}

/** Opens the record in a file or at a postgres:// URL, and makes it where there is none. Throws `bad-record`. */
export async function openRecord(place: string): Promise<RecordDb> {
  if (isPostgresUrl(place)) {
    const { openPostgresRecord } = await import("./record/postgres.ts");
    return openPostgresRecord(place);
  }
  if (isUrl(place)) throw noSuchRecord(place);
  const { openSqliteRecord } = await import("./record/sqlite.ts");
  return openSqliteRecord(place);
}

function noSuchRecord(url: string): AlamodeError {
  return new AlamodeError("bad-record", `no kind of record has a URL like ${url.split("//")[0]}//…`, {
    hint: "A record is a file, or postgres://user@host/database.",
  });
}

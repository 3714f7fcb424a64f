// Where a project's store and record are, and how they are opened. Beside the cli, the only file that names drivers.
import { join, resolve } from "node:path";
import { findProject } from "./plan/project-folder.ts";
import type { RecordDb } from "./record/types.ts";
import type { Store } from "./store/types.ts";

/** What `alamode.config.ts` may say. Paths are relative to its folder. */
export interface Settings {
  /** The pipeline when no `-f` is given. */
  readonly pipeline?: string;
  /** Folder of the store. */
  readonly store?: string;
  /** File of the record. */
  readonly record?: string;
  /** How many tasks run at once; the number of cores if absent. */
  readonly jobs?: number;
  /** The PATH that commands are given. */
  readonly path?: string;
  /** After a failure, go on with all that does not need it. */
  readonly keepGoing?: boolean;
  /** How deep plans may lie in plans that tasks wrote; 64 if absent. */
  readonly maxDepth?: number;
  /** How commands are shut in: `none` or `bubblewrap`. Results made with less are not reused. */
  readonly sandbox?: string;
  /** Where data that is read in place lies on this machine: `{ "/shared/ref": "/mnt/ref" }`. ALAMODE_PLACES wins. */
  readonly places?: Readonly<Record<string, string>>;
}

/** Absolute paths. */
export interface Places {
  readonly project: string;
  readonly storeDir: string;
  readonly recordFile: string;
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
    return here !== undefined ? resolve(cwd, here) : resolve(project, set ?? usual);
  };
  const { ALAMODE_STORE, ALAMODE_RECORD } = process.env;
  return {
    project,
    storeDir: place(options.store, ALAMODE_STORE, options.settings?.store, ".alamode"),
    recordFile: place(
      options.record,
      ALAMODE_RECORD,
      options.settings?.record,
      join(".alamode", "record.db"),
    ),
  };
}

/** Opens the folder store at `dir`, which is made where there is none. */
export async function openStore(dir: string): Promise<Store> {
  const { openFolderStore } = await import("./store/folder.ts");
  return openFolderStore(dir);
}

/** Opens the SQLite record in `file`, which is made where there is none. */
export async function openRecord(file: string): Promise<RecordDb> {
  const { openSqliteRecord } = await import("./record/sqlite.ts");
  return openSqliteRecord(file);
}

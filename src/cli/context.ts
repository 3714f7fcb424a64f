// What nearly every command begins with: settings, places, and the opened store and record.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { storeNews } from "../engine/pauses.ts";
import { AlamodeError } from "../errors.ts";
import { setMovedPlaces } from "../plan/places.ts";
import { absolutePath, setSearchPath } from "../plan/search-path.ts";
import {
  locate,
  openRecord,
  openStores,
  type Places,
  recordExists,
  type Settings,
  shownPlace,
} from "../project.ts";
import type { RecordDb } from "../record/types.ts";
import { onStoreAway } from "../store/away.ts";
import type { Stores } from "../store/stores.ts";
import { herePath, shellWord } from "./format.ts";
import { type ParamFlags, paramFlags } from "./given-params.ts";
import { loadSettings } from "./settings.ts";
import { warn } from "./warn.ts";

/** The flags that every command that looks at a pipeline or a record has. */
export interface CommonOptions extends ParamFlags {
  readonly file?: string;
  readonly store?: string;
  readonly record?: string;
  readonly json?: boolean;
}

/** What commands have besides that look at steps as a sandbox would let them run. */
export interface SandboxOptions extends CommonOptions {
  readonly sandbox?: string;
}

/** The sandbox that was asked for, and the project's for tasks of which nothing else is said. */
export function sandboxOf(
  { settings: { sandbox: usualSandbox } }: Context,
  { sandbox }: SandboxOptions,
): { sandbox?: string; usualSandbox?: string } {
  return {
    ...(sandbox === undefined ? {} : { sandbox }),
    ...(usualSandbox === undefined ? {} : { usualSandbox }),
  };
}

/** What the project's configuration says of tasks and of this machine, as the engine takes it. */
export function machineOf({ settings }: Context): Pick<Settings, "options" | "resources" | "pools"> {
  const { options, resources, pools } = settings;
  return {
    ...(options === undefined ? {} : { options }),
    ...(resources === undefined ? {} : { resources }),
    ...(pools === undefined ? {} : { pools }),
  };
}

export interface Context extends Places {
  /** Where steps look for programs, in the form of PATH; undefined where the project does not say. */
  readonly path: string | undefined;
  readonly cwd: string;
  readonly settings: Settings;
  readonly options: CommonOptions;
  /** The flags given, to be repeated in commands that are shown: `-f other.dag `, each with a blank after it. */
  readonly flags: string;
  /** Nothing will be put into the store, so it is not tried whether that can be done. */
  readonly look?: boolean;
  /** Of these, those that say where: all but a pipeline's parameters and date. */
  readonly placeFlags: string;
}

export async function contextOf(options: CommonOptions): Promise<Context> {
  const cwd = process.cwd();
  const settings = await loadSettings(cwd);
  if (settings.places !== undefined) setMovedPlaces(settings.places);
  const { store, record } = options;
  const places = locate({ cwd, store, record, settings });
  const path = settings.path === undefined ? undefined : absolutePath(settings.path, places.project);
  if (path !== undefined) setSearchPath(path);
  const flags = [
    ["-f", options.file],
    ["--store", store],
    ["--record", record],
  ].flatMap(([flag, value]) => (value === undefined ? [] : `${flag} ${shellWord(shownPlace(value))} `));
  return {
    cwd,
    settings,
    options,
    placeFlags: flags.join(""),
    flags: flags.join("") + paramFlags(options),
    path,
    ...places,
  };
}

export interface Opened {
  /** All that the project knows. */
  readonly store: Stores;
  readonly record: RecordDb;
}

/** Throws `bad-record` for a folder. */
export function refuseFolder(record: string, cwd: string): void {
  if (!existsSync(record) || !statSync(record).isDirectory()) return;
  const shown = herePath(record, cwd);
  throw new AlamodeError("bad-record", `${shown} is a folder: a record is one file`, {
    hint: `Name the file, as in  ${shellWord(join(shown, "record.db"))}`,
  });
}

/** Opens both, does the work, and closes them whatever happens. Makes them where there are none. Throws `bad-record`. */
export async function withBoth<T>(context: Context, work: (opened: Opened) => Promise<T>): Promise<T> {
  refuseFolder(context.record, context.cwd);
  using _away = onStoreAway((news) => warn([storeNews(news)]));
  const store = await openStores(context, context.settings, context);
  try {
    const record = await openRecord(context.record);
    try {
      return await work({ store, record });
    } finally {
      await record.close();
    }
  } finally {
    await store.close();
  }
}

/** For commands that only look: the same, but throws `no-record` where nothing was ever run. */
export async function withExisting<T>(context: Context, work: (opened: Opened) => Promise<T>): Promise<T> {
  if (!recordExists(context)) {
    throw new AlamodeError("no-record", "nothing has been run here yet", {
      facts: { "looked for": herePath(context.record, context.cwd) },
      hint: "Run a pipeline first:  alamode run\nOr point --record at the record of one.",
    });
  }
  return withBoth(context, work);
}

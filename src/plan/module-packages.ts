// Which package a file belongs to, and what the lock file says of packages. Knows npm's package-lock.json; of packages
// that other programs installed it knows name and version only.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { AlamodeError } from "../errors.ts";

/** A package below a node_modules folder. */
export interface Installed {
  readonly name: string;
  readonly version: string;
  /** The name it is imported by: that of its folder, which an alias gives another name than its own. */
  readonly importedAs: string;
  /** Absolute. */
  readonly folder: string;
  /** Made for some systems only (`os`, `cpu`, `libc`), so that others have another one or none in its place. */
  readonly bound: boolean;
}

/** A package of the author's. */
export interface Own {
  /** Absolute. */
  readonly folder: string;
  readonly name: string | undefined;
  /** Whether its .ts and .js files are ES modules by its word, which decides what default imports of CommonJS mean. */
  readonly esm: boolean;
}

/** A package as the lock file names it. */
export interface Locked {
  readonly name: string;
  readonly version: string;
  readonly integrity: string | undefined;
  /** Absolute folder in which it is, or would be if it was made for this system. */
  readonly folder: string;
  /** All that the lock file says of it. */
  readonly entry: Readonly<Record<string, unknown>>;
}

/** What there is to be installed. */
export interface ToInstall {
  /** Path from `node_modules/` on → package. */
  readonly entries: ReadonlyMap<string, Locked>;
  /** What the project's package.json has of that name, by which its lock file was written. */
  readonly overrides: unknown;
}

interface LockEntry {
  readonly name?: string;
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const MODULES = `${sep}node_modules${sep}`;
const LOCK_FILES = ["npm-shrinkwrap.json", "package-lock.json"];

/** One look at the packages around a module; nothing is read twice. */
export class Packages {
  /** Absolute paths of what was looked for: package.json and lock files. */
  readonly files = new Set<string>();
  readonly #manifests = new Map<string, Record<string, unknown>>();
  readonly #locks = new Map<string, Readonly<Record<string, LockEntry>> | undefined>();

  /** The package that a file below node_modules belongs to; undefined for an author's own files. */
  installed(file: string): Installed | undefined {
    const at = file.lastIndexOf(MODULES);
    if (at < 0) return undefined;
    const [first = "", second = ""] = file.slice(at + MODULES.length).split(sep);
    const importedAs = first.startsWith("@") ? `${first}/${second}` : first;
    const folder = join(file.slice(0, at + MODULES.length), importedAs);
    const { name, version, os, cpu, libc } = this.#manifest(folder);
    return {
      name: typeof name === "string" ? name : importedAs,
      version: typeof version === "string" ? version : "0.0.0",
      importedAs,
      folder,
      bound: (os ?? cpu ?? libc) !== undefined,
    };
  }

  /** The nearest package.json of an author's file. */
  own(file: string): Own | undefined {
    for (let folder = dirname(file); ; folder = dirname(folder)) {
      if (existsSync(join(folder, "package.json"))) {
        const { name, type } = this.#manifest(folder);
        return { folder, name: typeof name === "string" ? name : undefined, esm: type === "module" };
      }
      if (folder === dirname(folder)) return undefined;
    }
  }

  /**
   * The package and all it depends on, as locked, those for other systems too; undefined where no npm lock file tells.
   * Throws `not-as-locked` where another version is installed than is locked.
   */
  closure(start: Installed): Locked[] | undefined {
    const root = start.folder.slice(0, start.folder.indexOf(MODULES));
    const lock = this.#lock(root);
    const first = relative(root, start.folder).replaceAll(sep, "/");
    if (lock?.[first] === undefined) return undefined;
    const found = new Map<string, Locked>();
    const queue = [first];
    for (const path of queue) {
      const entry = lock[path]!;
      if (found.has(path) || entry.link) continue;
      const { version = "0.0.0", integrity } = entry;
      const name = entry.name ?? path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      const folder = join(root, path);
      this.#refuseOther(name, version, folder);
      found.set(path, { name, version, integrity, folder, entry: { ...entry } });
      for (const dependency of Object.keys({
        ...entry.dependencies,
        ...entry.optionalDependencies,
        ...entry.peerDependencies,
      })) {
        const place = placeOf(lock, path, dependency);
        if (place !== undefined) queue.push(place);
      }
    }
    return [...found.values()];
  }

  /**
   * Packages (absolute folders) and all they depend on, also what is not installed here because it was made for another system.
   * Undefined where no npm lock file tells. Throws `package-clash`.
   */
  lockedOf(starts: readonly string[]): ToInstall | undefined {
    const entries = new Map<string, Locked>();
    let overrides: unknown;
    for (const start of starts) {
      const closure = this.closure(this.installed(join(start, "package.json"))!);
      if (closure === undefined) return undefined;
      overrides ??= this.#manifest(start.slice(0, start.indexOf(MODULES)))["overrides"];
      for (const locked of closure) {
        const { name, version, folder } = locked;
        const path = folder.slice(folder.indexOf(MODULES) + 1).replaceAll(sep, "/");
        const other = entries.get(path);
        if (other !== undefined && other.version !== version) {
          throw new AlamodeError(
            "package-clash",
            `two versions of package "${name}" would have to lie at ${path}.`,
            {
              facts: { one: other.folder, other: folder },
              hint: "Depend on one version of it in the whole workspace.",
            },
          );
        }
        entries.set(path, locked);
      }
    }
    return { entries, overrides };
  }

  #refuseOther(name: string, locked: string, folder: string): void {
    if (!existsSync(join(folder, "package.json"))) return;
    const { version } = this.#manifest(folder);
    if (version === locked) return;
    throw new AlamodeError(
      "not-as-locked",
      `package "${name}" is installed in another version than is locked.`,
      {
        facts: { locked, installed: String(version), folder },
        hint: "Install what is locked:  npm ci",
      },
    );
  }

  #lock(root: string): Readonly<Record<string, LockEntry>> | undefined {
    if (this.#locks.has(root)) return this.#locks.get(root);
    const places = LOCK_FILES.map((name) => join(root, name));
    for (const place of places) this.files.add(place);
    const file = places.find(existsSync);
    const packages = file === undefined ? undefined : this.#json(file)["packages"];
    if (file !== undefined && packages === undefined) {
      throw new AlamodeError("old-lock-file", `${file} is of a form that npm wrote before version 7.`, {
        hint: "Write it anew:  npm install --package-lock-only",
      });
    }
    this.#locks.set(root, packages as Readonly<Record<string, LockEntry>> | undefined);
    return this.#locks.get(root);
  }

  #manifest(folder: string): Record<string, unknown> {
    const known = this.#manifests.get(folder) ?? this.#json(join(folder, "package.json"));
    this.#manifests.set(folder, known);
    return known;
  }

  #json(file: string): Record<string, unknown> {
    this.files.add(file);
    try {
      const value: unknown = JSON.parse(readFileSync(file, "utf8"));
      return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new AlamodeError("bad-package", `${file} cannot be read: ${why}.`, {
        hint: "Install the packages anew:  npm ci",
        cause,
      });
    }
  }
}

/** Where Node finds `dependency` from the package at `path` of the lock file: the nearest node_modules that has it. */
function placeOf(
  lock: Readonly<Record<string, LockEntry>>,
  path: string,
  dependency: string,
): string | undefined {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
    const place = at === "" ? `node_modules/${dependency}` : `${at}/node_modules/${dependency}`;
    if (lock[place] !== undefined) return place;
    if (at === "") return undefined;
  }
}

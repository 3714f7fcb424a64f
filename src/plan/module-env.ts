// Packages that cannot be part of a module's bundle, as a task that installs them: just those entries of the lock file, so that
// all modules which need the same ones share one installation, whatever else their projects depend on.
import { hash } from "node:crypto";
import { dirname, join } from "node:path";
import { AlamodeError } from "../errors.ts";
import { companionTask } from "./companion.ts";
import { platformFlag } from "./environment-task.ts";
import type { Locked, Packages } from "./module-packages.ts";
import { nodeEnvironment } from "./node-env.ts";
import { rememberContent } from "./sources.ts";
import type { Task } from "./task.ts";

/** Fields of a lock entry that do not say what is installed, or say it of a project. */
const OF_THE_PROJECT = new Set(["dev", "devOptional", "extraneous", "funding", "license", "peer"]);

// Global, because the pipeline may have loaded another copy of this package than whoever runs it.
const TASKS = Symbol.for("a-la-mode.module-packages");
type Global = { [TASKS]?: Map<string, Task> };

/**
 * The task that installs these packages (absolute folders) and all they depend on. Throws `packages-not-locked`, naming them,
 * where no lock file says what to install.
 */
export function packagesTask(folders: readonly string[], packages: Packages, platform?: string): Task {
  const starts = folders.map((folder) => packages.installed(join(folder, "package.json"))!);
  const names = starts.map(({ importedAs }) => importedAs).sort();
  const locked = packages.lockedOf(starts.map(({ folder }) => folder));
  if (locked === undefined) {
    throw new AlamodeError(
      "packages-not-locked",
      `packages that cannot be part of a module's bundle: ${names.join(", ")}. No package-lock.json says what to install.`,
      { hint: "Install with npm, which writes one; or run them by a command." },
    );
  }
  refuseUninstallable(locked.entries);
  const dependencies = Object.fromEntries(
    starts.map(({ importedAs, name, version }) => [
      importedAs,
      name === importedAs ? version : `npm:${name}@${version}`,
    ]),
  );
  const root = { name: "packages", version: "0.0.0", dependencies };
  const entries = [...locked.entries].map(([path, { entry }]) => [path, installedFields(entry)] as const);
  const lock = {
    name: root.name,
    version: root.version,
    lockfileVersion: 3,
    requires: true,
    packages: Object.fromEntries([["", root] as const, ...entries.sort(([a], [b]) => (a < b ? -1 : 1))]),
  };
  const { overrides } = locked;
  const files = {
    "package.json": kept({ ...root, private: true, ...(overrides === undefined ? {} : { overrides }) }),
    "package-lock.json": kept(lock),
  };
  const flags = [
    ...platformFlag("module", platform === undefined ? {} : { platform }),
    "--ignore-scripts=false",
    "--legacy-peer-deps", // what peers there are is what the lock file says
  ];
  const spec = nodeEnvironment(files, flags);
  const known = (globalThis as Global)[TASKS] ?? new Map<string, Task>();
  (globalThis as Global)[TASKS] = known;
  const key = JSON.stringify(spec);
  const task = known.get(key) ?? companionTask(`packages/${names.join("+")}`, spec);
  known.set(key, task);
  return task;
}

/** What has no integrity is in no registry: a folder, a file, a repository. */
function refuseUninstallable(entries: ReadonlyMap<string, Locked>): void {
  const bad = [...entries.values()].filter(
    ({ integrity, entry }) => integrity === undefined || String(entry["resolved"] ?? "").startsWith("file:"),
  );
  if (bad.length === 0) return;
  throw new AlamodeError(
    "packages-not-locked",
    `packages that cannot be part of a module's bundle have to be installed, and the lock file does not say by content what these are: ${bad
      .slice(0, 3)
      .map(({ name }) => name)
      .join(", ")}.`,
    {
      facts: { folder: dirname(bad[0]!.folder) },
      hint: "Take them from a registry; or run them by a command.",
    },
  );
}

function installedFields(entry: Locked["entry"]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entry).filter(([field]) => !OF_THE_PROJECT.has(field)));
}

function kept(value: object): string {
  const content = Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
  const sha256 = hash("sha256", content);
  rememberContent(sha256, content);
  return sha256;
}

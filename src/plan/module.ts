// TypeScript and JavaScript functions as tasks. The spec names the code by a digest of all it can reach; the code as it was
// read then is remembered, so that it, and nothing newer, is what the store keeps and a step runs.
import { realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { AlamodeError } from "../errors.ts";
import { type Json, json } from "./json.ts";
import { bundle } from "./module-bundle.ts";
import { packagesTask } from "./module-env.ts";
import { type Identity, identify } from "./module-identity.ts";
import { PACKAGES } from "./module-keep.ts";
import { Packages } from "./module-packages.ts";
import { tsconfigOf } from "./module-tsconfig.ts";
import { nearNames } from "./near.ts";
import { withNeeds } from "./needs.ts";
import { sourceBase } from "./sources.ts";
import type { Task } from "./task.ts";
import type { ArgsOf, TaskFunction } from "./task-function.ts";

export interface ModuleOptions<Args = Json> {
  /** Which export of the module is the function. */
  readonly export?: string;
  /** Given to the function as they are, through JSON: text, numbers, booleans, null, lists and maps. */
  readonly args?: Args;
  /** Where the path starts, e.g. `import.meta.dirname`; by default the pipeline's folder. */
  readonly from?: string;
  /**
   * Of packages that cannot be bundled, as `uname` says it: `linux-x86_64`. Makes their installation one of its own for each
   * platform, where several share a store.
   */
  readonly platform?: string;
}

/** The part of a spec that says which function a task is. */
export type ModuleSpec = {
  /** 64 hex: the identity of the module and of all it can reach. */
  readonly module: string;
  readonly export: string;
  /** Canonical JSON text (RFC 8785). */
  readonly args: string;
};

/** A module as it was when it was described. */
export interface ModuleCode extends Identity {
  /** ES module, with its source map. */
  readonly bundle: string;
  /** Absolute folders of the packages that are no part of the bundle. */
  readonly external: readonly string[];
}

interface Seen {
  readonly code: ModuleCode;
  readonly exports: readonly string[];
  /** The task that installs the packages that are no part of the bundle; undefined where there are none. */
  packages(platform: string | undefined): Task | undefined;
  /** Every file that was looked at → what its stat said. */
  readonly stamps: ReadonlyMap<string, string>;
}

/** The module whose function this process performs, as a step. */
interface Running {
  readonly module: string;
  readonly exports: readonly string[];
  /** The packages that it has. */
  readonly packages?: Task;
}

/** A file changed so shortly before it was read might be changed once more without its times telling. */
const SETTLED_MS = 2_000;
const MAX_READS = 10;

// Global, because the pipeline may have loaded another copy of this package than whoever runs it.
const CODES = Symbol.for("a-la-mode.modules");
const RUNNING = Symbol.for("a-la-mode.running-module"); // set by the program of the step
type Global = { [CODES]?: Map<string, ModuleCode>; [RUNNING]?: Running };

const seen = new Map<string, Seen>();

/**
 * The spec of a task that is a function: `dag.task("collage", module("./collage.ts", { export: "collage", args: { width: 1600 } }))`.
 * Other keys may be added by spreading it. To have the args checked: `module<typeof import("./collage.ts").collage>(…)`.
 * Without a path it is, in a function that returns a dag, the module which that function is of: nothing is read or bundled.
 * Throws `no-module`, `no-such-export`, `module-broken`, `module-computed-import`, `not-encodable` (args), `not-as-locked`,
 * `packages-not-locked`.
 */
export function module<Function extends TaskFunction<never> = TaskFunction>(
  path: string,
  options?: ModuleOptions<ArgsOf<Function>>,
): ModuleSpec;
export function module<Function extends TaskFunction<never> = TaskFunction>(
  options: Omit<ModuleOptions<ArgsOf<Function>>, "from">,
): ModuleSpec;
export function module<Function extends TaskFunction<never>>(
  given: string | ModuleOptions<ArgsOf<Function>>,
  more: ModuleOptions<ArgsOf<Function>> = {},
): ModuleSpec {
  const {
    export: name = "default",
    args = {},
    from = ".",
    platform,
  } = typeof given === "string" ? more : given;
  const called = typeof given === "string" ? `module("${given}")` : `module({ export: "${name}" })`;
  const { module, exports, packages } =
    typeof given === "string" ? described(given, from, platform) : running(called);
  if (!exports.includes(name)) {
    const [meant] = nearNames(name, exports);
    throw new AlamodeError("no-such-export", `${called}: it has no export "${name}".`, {
      hint: meant === undefined ? `It exports ${exports.join(", ") || "nothing"}.` : `Is "${meant}" meant?`,
    });
  }
  const spec = { module, export: name, args: json(args as Json) };
  return packages === undefined ? spec : withNeeds(spec, new Map([[PACKAGES, packages]]));
}

function running(called: string): Running {
  const found = (globalThis as Global)[RUNNING];
  if (found !== undefined) return found;
  throw new AlamodeError("no-module", `${called} needs a path: no function of a module is being performed.`, {
    hint: "Write module('./fit.ts', { export: 'fit' }).",
  });
}

function described(path: string, from: string, platform: string | undefined): Running {
  const file = resolve(sourceBase(), from, path);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new AlamodeError("no-module", `module("${path}"): there is no file ${file}.`, {
      hint: "Check the path, or say where it starts: module('…', { from: import.meta.dirname }).",
    });
  }
  const { code, exports, ...found } = look(realpathSync(file));
  const packages = found.packages(platform);
  return { module: code.module, exports, ...(packages === undefined ? {} : { packages }) };
}

/** The code that a digest stands for, if it was described in this process. */
export function moduleCode(digest: string): ModuleCode | undefined {
  return (globalThis as Global)[CODES]?.get(digest);
}

/** Reads a module, unless nothing it consists of was touched since it was read before in this process. */
function look(file: string): Seen {
  const known = seen.get(file);
  if (known !== undefined && [...known.stamps].every(([path, stamp]) => stampOf(path) === stamp))
    return known;
  const found = read(file);
  seen.set(file, found);
  const codes = (globalThis as Global)[CODES] ?? new Map<string, ModuleCode>();
  (globalThis as Global)[CODES] = codes;
  codes.set(found.code.module, found.code);
  return found;
}

/**
 * Bundling and hashing each read the files: both must have read the same. Where a file is so new that it may have changed
 * in between, it is read until two times agree.
 */
function read(file: string): Seen {
  let before: Seen | undefined;
  for (let reads = 0; reads < MAX_READS; reads++) {
    const startedMs = Date.now();
    const found = readOnce(file);
    const same = before?.code.module === found.code.module && before.code.bundle === found.code.bundle;
    const settled = [...found.stamps.keys()].every((path) => {
      const stats = statSync(path, { throwIfNoEntry: false });
      return stats === undefined || Math.max(stats.mtimeMs, stats.ctimeMs) < startedMs - SETTLED_MS;
    });
    if (same || settled) return found;
    before = found;
  }
  throw new AlamodeError("source-changed", `module("${file}"): its files change while they are read.`, {
    hint: "Describe the pipeline again when whatever writes them has ended.",
  });
}

function readOnce(file: string): Seen {
  const packages = new Packages();
  const root = packages.own(file)?.folder ?? dirname(file);
  const tsconfig = tsconfigOf(dirname(file));
  const { code, files, bundled, external, exports } = bundle(file, root, tsconfig, packages);
  const { starts, ...identity } = identify(file, root, { files, bundled, external }, tsconfig, packages);
  const looked = [...files.keys(), ...tsconfig.files, ...packages.files];
  const stamps = new Map(looked.map((path) => [path, stampOf(path)]));
  return {
    code: { ...identity, bundle: code, external },
    exports,
    packages: (platform) => (starts.length === 0 ? undefined : packagesTask(starts, packages, platform)),
    stamps,
  };
}

function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats === undefined
    ? ""
    : `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

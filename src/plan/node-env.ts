// Packages of npm as a task: what package-lock.json says, installed once.
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { AlamodeError } from "../errors.ts";
import {
  type EnvironmentOptions,
  type EnvironmentSpec,
  environmentTask,
  environmentWith,
  fileOf,
  platformFlag,
} from "./environment-task.ts";

export interface NodeEnvOptions extends EnvironmentOptions {
  /** Kinds of dependencies to leave out. */
  readonly omit?: readonly ("dev" | "optional" | "peer")[];
  /** Whether packages may run their install scripts, as npm lets them; true unless said. */
  readonly scripts?: boolean;
}

/** Variables that say where npm fetches from, and as whom. The rest of its configuration could change what is installed. */
const NPM = [
  ...[
    "registry",
    "userconfig",
    "globalconfig",
    "cache",
    "cafile",
    "ca",
    "proxy",
    "https_proxy",
    "noproxy",
    "fetch_retries",
    "fetch_timeout",
  ]
    .map((name) => `npm_config_${name}`)
    .flatMap((name) => [name, name.toUpperCase()]),
  "npm_config_//*",
  "npm_config_@*",
  "NODE_EXTRA_CA_CERTS",
  "NPM_TOKEN",
  "NODE_AUTH_TOKEN",
];

/**
 * The spec of a task that installs what a lock file of npm says (`npm ci`), for tasks that depend on it: these find the packages
 * by `import` and `require`, and their programs on PATH. `package.json` is read beside the lock file.
 *
 *     const env = dag.task('env', nodeEnv('package-lock.json'));
 *     dag.task('site', { command: 'eleventy --output $OUTPUT', files: files('pages/**') }).after(env);
 *
 * Throws `no-source`, `bad-lock-file`, `bad-platform`.
 */
export function nodeEnv(lockFile: string, options: NodeEnvOptions = {}): EnvironmentSpec {
  const called = `nodeEnv("${lockFile}")`;
  const lock = fileOf(lockFile, called, options);
  const name = basename(lock);
  if (name !== "package-lock.json" && name !== "npm-shrinkwrap.json") {
    throw new AlamodeError("bad-lock-file", `${called}: npm's lock file is named package-lock.json.`, {
      hint: "Write one with  npm install --package-lock-only  (of other programs' lock files npm knows nothing).",
    });
  }
  const manifest = join(dirname(lock), "package.json");
  if (!existsSync(manifest)) {
    throw new AlamodeError("no-source", `${called}: there is no package.json beside it.`, {
      facts: { "looked for": manifest },
      hint: "npm needs both to install what is locked.",
    });
  }
  refuseOwnPackages(called, lock);
  const flags = [
    ...platformFlag(called, options),
    ...(options.omit ?? []).toSorted().map((kind) => `--omit=${kind}`),
    `--ignore-scripts=${options.scripts === false}`,
    ...(hasLegacyPeers(dirname(lock)) ? ["--legacy-peer-deps"] : []),
  ];
  const files = new Map([
    ["package.json", manifest],
    [name, lock],
  ]);
  return environmentTask(files, programWith(flags));
}

/** The same for a package.json and a lock file whose digests are known, by their names. `flags`: of the installing program. */
export function nodeEnvironment(
  files: Readonly<Record<string, string>>,
  flags: readonly string[],
): EnvironmentSpec {
  return environmentWith(files, programWith(flags));
}

function programWith(flags: readonly string[]) {
  return { program: "install-node.cjs", command: ["node", "install-node.cjs", ...flags], pass: NPM };
}

/** Packages that are folders of the author's are in no registry; and what is in them would be in no ID. */
function refuseOwnPackages(called: string, lock: string): void {
  let packages: unknown;
  try {
    packages = (JSON.parse(readFileSync(lock, "utf8")) as { packages?: unknown }).packages;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AlamodeError("bad-lock-file", `${called}: it is not JSON (${why}).`, { cause });
  }
  if (typeof packages !== "object" || packages === null) {
    throw new AlamodeError("bad-lock-file", `${called}: it is of a form that npm wrote before version 7.`, {
      hint: "Write it anew:  npm install --package-lock-only",
    });
  }
  const own = Object.entries(packages as Record<string, { link?: boolean; resolved?: string }>)
    .filter(([, { link, resolved }]) => link === true || resolved?.startsWith("file:"))
    .map(([path]) => path);
  if (own.length === 0) return;
  throw new AlamodeError(
    "bad-lock-file",
    `${called}: it names packages that are no registry's but folders or files here: ${own.slice(0, 3).join(", ")}.`,
    {
      hint: "Give the pipeline a package.json and lock file of its own, with packages from registries only.",
    },
  );
}

/** The one setting of a project that npm has to know again to agree with the lock file it wrote. */
function hasLegacyPeers(folder: string): boolean {
  const file = join(folder, ".npmrc");
  return existsSync(file) && /^\s*legacy-peer-deps\s*=\s*true\s*$/m.test(readFileSync(file, "utf8"));
}

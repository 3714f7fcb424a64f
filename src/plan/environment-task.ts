// Tasks that install packages once, for others that depend on them. Why they are as they are: docs/decisions/018-environments.md;
// how a dependent finds out what it got: src/engine/environments.ts.
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { AlamodeError } from "../errors.ts";
import { nearNames } from "./near.ts";
import { rememberOptions } from "./options.ts";
import { digestMap, sourceBase } from "./sources.ts";

/** What an environment needs besides its files, in either language. */
export interface EnvironmentOptions {
  /** Where the path starts, e.g. `import.meta.dirname`; by default the pipeline's folder. */
  readonly from?: string;
  /**
   * As `uname` says it: `linux-x86_64`, `darwin-arm64`, `linux-x86_64-musl`. Makes it an environment of its own for each
   * platform, where several share a store.
   */
  readonly platform?: string;
}

/** The part of a spec that says what to install. */
export type EnvironmentSpec = {
  readonly command: readonly string[];
  /** Relative path → sha256 of the lock file, and of the program that installs. */
  readonly files: { readonly [path: string]: string };
  readonly network: 1;
  readonly produces: readonly string[];
};

/** What either installer may be told by the caller's surroundings: where to fetch from, and how to get there. */
const NETWORK = [
  "HOME",
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

/** `files`: name in the working directory → absolute path. `pass`: variables of the caller's that say where to fetch from. */
export function environmentTask(
  files: ReadonlyMap<string, string>,
  { program, command, pass }: { program: string; command: readonly string[]; pass: readonly string[] },
): EnvironmentSpec {
  return environmentOf(digestMap(new Map([...files, [program, placeOf(program)]])), { command, pass });
}

/** The same of files whose digests are known, but for the program's: name in the working directory → sha256. */
export function environmentWith(
  files: Readonly<Record<string, string>>,
  { program, command, pass }: { program: string; command: readonly string[]; pass: readonly string[] },
): EnvironmentSpec {
  return environmentOf({ ...files, ...digestMap(new Map([[program, placeOf(program)]])) }, { command, pass });
}

function environmentOf(
  files: Readonly<Record<string, string>>,
  { command, pass }: { command: readonly string[]; pass: readonly string[] },
): EnvironmentSpec {
  rememberOptions(files, { pass: [...NETWORK, ...pass] });
  return { command, files, network: 1, produces: ["alamode-env.json"] };
}

function placeOf(program: string): string {
  return join(import.meta.dirname, program);
}

/** Absolute path of a file that must be there. Throws `no-source`. */
export function fileOf(path: string, called: string, { from = "." }: EnvironmentOptions): string {
  const file = resolve(sourceBase(), from, path);
  if (existsSync(file)) return file;
  const folder = dirname(file);
  const [near] = nearNames(basename(file), existsSync(folder) ? readdirSync(folder) : []);
  throw new AlamodeError("no-source", `${called}: there is no file ${file}.`, {
    hint: `Check the path${near === undefined ? "" : ` (there is ${near})`}, or say where it starts: { from: import.meta.dirname }.`,
  });
}

/** The flag that both programs understand. Throws `bad-platform`. */
export function platformFlag(called: string, { platform }: EnvironmentOptions): string[] {
  if (platform === undefined) return [];
  if (/^[a-z]+-[a-z0-9_]+(-musl)?$/.test(platform)) return [`--platform=${platform}`];
  throw new AlamodeError("bad-platform", `${called}: "${platform}" is no platform.`, {
    hint: "Write system and machine as uname says them: linux-x86_64, linux-aarch64, darwin-arm64.",
  });
}

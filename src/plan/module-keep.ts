// What a store keeps of a module: its identity and sources, each under its sha256, and what was made of them under names
// that begin with the module's digest. Those end with a digest of their own, for whoever uses them to check.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { encode } from "../bencode/encode.ts";
import { AlamodeError } from "../errors.ts";
import { type ModuleCode, moduleCode } from "./module.ts";
import { sealed } from "./sealed.ts";
import { digestOf } from "./sources.ts";
import type { Spec } from "./types.ts";

/** The part of a store that keeps code. */
export interface CodeKeeper {
  /** Keeps content, or a copy of the file at a path, under its sha256. */
  keepSource(sha256: string, content: string | Uint8Array): Promise<void>;
  /** Keeps what was derived from a source, unless something is kept under that name. */
  keepDerived(name: string, content: Uint8Array): Promise<void>;
  /** Absolute path of what is kept under the name, or undefined. */
  derived(name: string): Promise<string | undefined>;
}

/** What a kept bundle says of itself. */
export interface BundleNote {
  /** Names of the packages it leaves to Node. */
  readonly external: readonly string[];
}

/** Relative path (from `node_modules/` on) → file of a package. */
export type PackageFiles = {
  readonly [path: string]: { readonly sha256: string; readonly executable: boolean };
};

export function bundleName(module: string): string {
  return `${module}.mjs`;
}

/** Packages that are no part of a bundle are made for a system: each has its own. */
export function packagesName(module: string, system = `${process.platform}-${process.arch}`): string {
  return `${module}.${system}.packages`;
}

/** Every module that specs name, once each. */
export function modulesIn(specs: Iterable<Spec>): string[] {
  const found = new Set<string>();
  for (const { module } of specs)
    if (typeof module === "string" && /^[0-9a-f]{64}$/.test(module)) found.add(module);
  return [...found];
}

/**
 * Keeps a module that was described in this process; of others nothing is known here, and staging tells if they are not
 * kept. Throws `packages-not-locked` where packages must come along and no lock file says which, and `source-changed` where
 * they are others by now.
 */
export async function keepModule(module: string, keeper: CodeKeeper): Promise<void> {
  const code = moduleCode(module);
  if (code === undefined) return;
  for (const [sha256, content] of code.sources) await keeper.keepSource(sha256, content);
  await keeper.keepSource(module, code.encoded);
  if (code.external.length > 0 && (await keeper.derived(packagesName(module))) === undefined) {
    await keeper.keepDerived(packagesName(module), await keepPackages(code, keeper));
  }
  const external = code.external.map(importName);
  await keeper.keepDerived(bundleName(module), sealed(Buffer.from(code.bundle), { external }));
}

async function keepPackages(code: ModuleCode, keeper: CodeKeeper): Promise<Uint8Array> {
  const { external, folders } = code;
  if (folders === undefined) {
    throw new AlamodeError(
      "packages-not-locked",
      `packages that cannot be part of a module's bundle: ${external.map(importName).join(", ")}. No package-lock.json says what they need.`,
      { hint: "Install with npm, which writes one; or run them by a command." },
    );
  }
  const files: Record<string, { sha256: string; executable: boolean }> = {};
  for (const [path, folder] of folders) {
    for (const inner of filesBelow(folder)) {
      const file = join(folder, inner);
      const sha256 = digestOf(file);
      await keeper.keepSource(sha256, file);
      files[`${path}/${inner}`] = { sha256, executable: (statSync(file).mode & 0o100) !== 0 };
    }
  }
  if (!code.packagesAreSame()) {
    throw new AlamodeError(
      "source-changed",
      `packages were installed anew since the pipeline was described: ${external.map(importName).join(", ")}.`,
      { hint: "Describe the pipeline again." },
    );
  }
  return sealed(encode(files));
}

/** Relative paths of a package's own files: other packages within it have entries of their own. None if it is not there. */
function filesBelow(folder: string, below = ""): string[] {
  if (below === "" && statSync(folder, { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : filesBelow(folder, path);
    return statSync(join(folder, path), { throwIfNoEntry: false })?.isFile() ? [path] : [];
  });
}

function importName(folder: string): string {
  return folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
}

// What a store keeps of a module: its identity and sources, each under its sha256, and what was made of them under names
// that begin with the module's digest. Those end with a digest of their own, for whoever uses them to check.
import { moduleCode } from "./module.ts";
import { sealed } from "./sealed.ts";
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

/** The name under which a function depends on the packages that are not bundled. It is not among the inputs it is told of. */
export const PACKAGES = "node_modules";

export function bundleName(module: string): string {
  return `${module}.mjs`;
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
 * kept.
 */
export async function keepModule(module: string, keeper: CodeKeeper): Promise<void> {
  const code = moduleCode(module);
  if (code === undefined) return;
  for (const [sha256, content] of code.sources) await keeper.keepSource(sha256, content);
  await keeper.keepSource(module, code.encoded);
  const external = code.external.map(importName);
  await keeper.keepDerived(bundleName(module), sealed(Buffer.from(code.bundle), { external }));
}

function importName(folder: string): string {
  return folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
}

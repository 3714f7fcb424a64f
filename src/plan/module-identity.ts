// What a module is: the map whose digest stands for it in specs. It tells nothing of who bundled it, where it lies, or of
// anything the module cannot reach. Its form is in docs/decisions/008-module-identity.md.
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, extname, join, relative, resolve, sep } from "node:path";
import { encode } from "../bencode/encode.ts";
import { sortUtf8 } from "../bencode/order.ts";
import type { Bmap } from "../bencode/types.ts";
import type { Bundle } from "./module-bundle.ts";
import type { Installed, Packages } from "./module-packages.ts";
import type { Tsconfig } from "./module-tsconfig.ts";

export interface Identity {
  /** sha256 (64 hex) of `encoded`. */
  readonly module: string;
  readonly encoded: Uint8Array;
  /** sha256 → content of every file of the author's. */
  readonly sources: ReadonlyMap<string, Uint8Array>;
}

/** Of a package's files these are text that is the same on every machine. */
const CODE = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx", ".json"];

/**
 * The identity of the module `entry` (absolute), given all files it can reach, what they import, and what of it is bundled. `root` is the folder of
 * its package. `starts`: folders of the packages that are to be installed. Throws `not-as-locked`.
 */
export function identify(
  entry: string,
  root: string,
  { files, bundled, external }: Pick<Bundle, "files" | "bundled" | "external">,
  { emit }: Tsconfig,
  packages: Packages,
): Identity & { readonly starts: readonly string[] } {
  const ownFolder = packages.installed(entry)?.folder;
  const installed = (file: string): Installed | undefined => {
    const found = packages.installed(file);
    return found?.folder === ownFolder ? undefined : found;
  };
  const keys = new Map<string, string>();
  const keyOf = (file: string): string => {
    const key = keys.get(file) ?? sourceKey(file, root, packages);
    keys.set(file, key);
    return key;
  };

  const contents = new Map<string, Uint8Array>();
  const sources: Record<string, string> = Object.create(null);
  const imports: Record<string, Record<string, string>> = Object.create(null);
  const esm = new Set<string>();
  const reached = new Map<string, { readonly from: Installed; readonly code: Record<string, string> }>();
  const imported = new Map<string, Installed>();
  for (const [file, importing] of files) {
    const from = installed(file);
    if (from !== undefined) {
      const { code } = reached.get(from.folder) ?? { code: Object.create(null) as Record<string, string> };
      reached.set(from.folder, { from, code });
      if (CODE.includes(extname(file)))
        code[slashed(relative(from.folder, file))] = digest(readFileSync(file));
      continue;
    }
    const content = new Uint8Array(readFileSync(file));
    const sha256 = digest(content);
    contents.set(sha256, content);
    sources[keyOf(file)] = sha256;
    const own = packages.own(file);
    if (own?.esm) esm.add(own.folder === root ? "" : (own.name ?? slashed(relative(root, own.folder))));
    const led: Record<string, string> = Object.create(null);
    for (const { specifier, target } of importing) {
      const to = installed(target);
      if (to !== undefined) imported.set(to.folder, to);
      // A path that is written out says by itself where it leads.
      if (resolve(dirname(file), specifier) !== target)
        led[specifier] = to === undefined ? keyOf(target) : nameOf(to);
    }
    if (Object.keys(led).length > 0) imports[keyOf(file)] = led;
  }
  // Of packages that are left out nothing that is installed here is run: what is locked says what they are.
  const parts = new Set([...bundled].map((file) => packages.installed(file)?.folder));
  const inBundle = [...reached.values()].filter(({ from }) => parts.has(from.folder));
  const encoded = encode({
    format: 1,
    entry: keyOf(entry),
    sources,
    imports,
    esm: sortUtf8([...esm]),
    packages: packageMap(imported.values(), inBundle, packages),
    tsconfig: emit,
  });
  return {
    module: digest(encoded),
    encoded,
    sources: contents,
    starts: leadingTo(external, [...imported.values()], packages),
  };
}

/**
 * Folders of the packages, imported by the author's files, that need one which is left out. These and not the ones left out are
 * what is installed: which those are may differ by system.
 */
function leadingTo(
  external: readonly string[],
  imported: readonly Installed[],
  packages: Packages,
): readonly string[] {
  const out = new Set(external);
  if (out.size === 0) return [];
  const leading = imported.filter(
    (from) => out.has(from.folder) || packages.closure(from)?.some(({ folder }) => out.has(folder)),
  );
  return leading.length === 0 ? external : leading.map(({ folder }) => folder);
}

/**
 * `name@version` → integrity, as locked, of each package that the author's files import and all it depends on; and the
 * digest of what was reached of its code, so that a package that was edited after it was installed is another one.
 */
function packageMap(
  imported: Iterable<Installed>,
  reached: Iterable<{ readonly from: Installed; readonly code: Readonly<Record<string, string>> }>,
  packages: Packages,
): Bmap {
  const map: Record<string, Record<string, string>> = Object.create(null);
  for (const from of imported) {
    for (const { name, version, integrity } of packages.closure(from) ?? []) {
      map[`${name}@${version}`] = integrity === undefined ? {} : { integrity };
    }
  }
  for (const { from, code } of reached) {
    // Which of the packages made for one system is here must not matter; their lock entries stand for them.
    if (from.bound) continue;
    const files = { ...code, "package.json": digest(readFileSync(join(from.folder, "package.json"))) };
    map[nameOf(from)] = { ...map[nameOf(from)], code: digest(encode(files)) };
  }
  return map;
}

function nameOf({ name, version }: Installed): string {
  return `${name}@${version}`;
}

/** The path within the module's package; in another package of the same workspace after its name and a colon. */
function sourceKey(file: string, root: string, packages: Packages): string {
  const own = packages.own(file);
  if (own === undefined || own.name === undefined || own.folder === root)
    return slashed(relative(root, file));
  return `${own.name}:${slashed(relative(own.folder, file))}`;
}

function slashed(path: string): string {
  return path.replaceAll(sep, "/");
}

function digest(content: Uint8Array): string {
  return hash("sha256", content);
}

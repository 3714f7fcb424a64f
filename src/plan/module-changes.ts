// What differs between two identities of a module: which file was edited, which package or tsconfig field is another.
import { hash } from "node:crypto";
import { decode } from "../bencode/decode.ts";
import { type ValueChange, valueChanges } from "./diff.ts";
import { moduleCode } from "./module.ts";

/** What is kept under a sha256; undefined where nothing is. */
export type ReadSource = (sha256: string) => Promise<Uint8Array | undefined>;

/**
 * The same changes, with those of a `module` spelled out: which file, package or field is another, e.g. with the path
 * `["module", "sources", "lib/scale.ts"]`. One whose code cannot be had stays as it is.
 */
export async function spelledOut(changes: readonly ValueChange[], read: ReadSource): Promise<ValueChange[]> {
  const spelled = changes.map(async (change) => {
    const { path, old, new: now } = change;
    if (path.length !== 1 || path[0] !== "module" || typeof old !== "string" || typeof now !== "string")
      return [change];
    const inside = await moduleChanges(old, now, read);
    return inside?.map((one) => ({ ...one, path: ["module", ...one.path] })) ?? [change];
  });
  return (await Promise.all(spelled)).flat();
}

/**
 * Values that differ between two modules, with paths such as `["sources", "lib/scale.ts"]`, `["packages", "sharp@0.35.5"]` or
 * `["tsconfig", "jsx"]`. `read` gives what is kept under a digest. Undefined where one of the identities cannot be had.
 */
export async function moduleChanges(
  before: string,
  after: string,
  read: ReadSource,
): Promise<readonly ValueChange[] | undefined> {
  const identity = async (module: string) => {
    const encoded = moduleCode(module)?.encoded ?? (await read(module));
    return encoded === undefined || hash("sha256", encoded) !== module ? undefined : decode(encoded);
  };
  const [old, now] = [await identity(before), await identity(after)];
  return old === undefined || now === undefined ? undefined : valueChanges(old, now);
}

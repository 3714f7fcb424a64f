// What differs between two identities of a module: which file was edited, which package or tsconfig field is another.
import { hash } from "node:crypto";
import { decode } from "../bencode/decode.ts";
import { type ValueChange, valueChanges } from "./diff.ts";
import { moduleCode } from "./module.ts";

/**
 * Values that differ between two modules, with paths such as `["sources", "lib/scale.ts"]`, `["packages", "sharp@0.35.5"]` or
 * `["tsconfig", "jsx"]`. `read` gives what is kept under a digest. Undefined where one of the identities cannot be had.
 */
export async function moduleChanges(
  before: string,
  after: string,
  read: (sha256: string) => Promise<Uint8Array | undefined>,
): Promise<readonly ValueChange[] | undefined> {
  const identity = async (module: string) => {
    const encoded = moduleCode(module)?.encoded ?? (await read(module));
    return encoded === undefined || hash("sha256", encoded) !== module ? undefined : decode(encoded);
  };
  const [old, now] = [await identity(before), await identity(after)];
  return old === undefined || now === undefined ? undefined : valueChanges(old, now);
}

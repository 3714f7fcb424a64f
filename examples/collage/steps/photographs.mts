// What the imaging steps share: sharp, and the loop over the photographs.
// sharp is native code in node_modules, far from a step's scratch folder. `import` looks only in folders above the
// file; `require` looks along NODE_PATH too, which the pipeline hands to its steps.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

export const sharp: typeof import("sharp").default = createRequire(import.meta.url)("sharp");

/** A variable of the step's environment. Throws if it is not set. */
export function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`$${name} is not set: this program is run as a step`);
  return value;
}

/** Names of the files in a folder, in an order that does not depend on the file system. */
export function namesIn(folder: string): string[] {
  return readdirSync(folder).sort();
}

/** Gives `develop` the path of each downloaded photograph, and writes what it makes to `$OUTPUT` under the same name. */
export async function developAll(develop: (photograph: string) => Promise<Uint8Array>): Promise<void> {
  const photographs = join(variable("INPUTS"), "download_images");
  const output = variable("OUTPUT");
  mkdirSync(output);
  for (const name of namesIn(photographs)) {
    writeFileSync(join(output, name), await develop(join(photographs, name)));
  }
}

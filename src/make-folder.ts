// Makes a folder that people named, with all above it. Node.js's own way does not end where a file system says of a new folder
// that there is no such thing, though its parent is there, as /proc does (it tries the parent again, for ever).
import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Does nothing where it is there. Throws the system's errors: `EEXIST` where something else is, `ENOENT` where no folder can be made. */
export function makeFolder(dir: string): void {
  const missing: string[] = [];
  for (let at = dir; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.push(at);
  if (missing.length === 0) missing.push(dir); // the system says what is wrong with it, if it is no folder
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder);
    } catch (error) {
      // Others may make it at the same time.
      if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
    }
  }
}

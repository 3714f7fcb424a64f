// What a sandbox binds so that a command can read its inputs. Runtimes take a few thousand paths at most.
import { lstatSync, realpathSync } from "node:fs";
import { dirname } from "node:path";

/** bwrap takes 9,000 words in all; an argv 2 MiB. */
const MOST_BINDS = 2_000;
const FOLDER_OF_OUTPUTS = /\/outputs\/[0-9a-f]{2}$/;

/**
 * The paths themselves; of very many, for outputs in a store the folders that they lie in, where others can then be read by who
 * knows their names, and what links there lead to.
 */
export function readablePaths(inputs: readonly string[]): readonly string[] {
  if (inputs.length <= MOST_BINDS) return inputs;
  const paths = new Set<string>();
  for (const input of inputs) {
    const folder = dirname(input);
    if (!FOLDER_OF_OUTPUTS.test(folder)) paths.add(input);
    else {
      paths.add(folder);
      if (lstatSync(input).isSymbolicLink()) paths.add(realpathSync(input));
    }
  }
  return [...paths];
}

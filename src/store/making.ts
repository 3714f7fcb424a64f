// The surroundings of a step whose output is files: $OUTPUT is a path in its slot, and its inputs are trees that lie here.
import type { Making, MakingInput, SealedTree, SealOptions, StagedTree } from "./types.ts";

/** Stages the inputs, one after the other; lets go of all if one of them cannot be had. Throws as their `stage` does. */
export async function makeOfFiles(
  inputs: Readonly<Record<string, MakingInput>>,
  signal: AbortSignal | undefined,
  seal: (options: SealOptions, signal?: AbortSignal) => Promise<SealedTree>,
): Promise<Making> {
  const staged: StagedTree[] = [];
  const letGo = () => {
    for (const tree of staged.splice(0)) tree[Symbol.dispose]();
  };
  const paths: Record<string, string> = Object.create(null);
  try {
    for (const name of Object.keys(inputs)) {
      const tree = await inputs[name]!.stage(signal);
      staged.push(tree);
      paths[name] = tree.path;
    }
  } catch (error) {
    letGo();
    throw error;
  }
  return {
    env: {},
    secrets: [],
    inputs: paths,
    reads: [],
    checkHeld: async () => {},
    compareInputs: async () => new Map(),
    seal,
    [Symbol.asyncDispose]: async () => letGo(),
  };
}

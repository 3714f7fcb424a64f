// The surroundings of a step whose output is files: $OUTPUT is a path in its slot, and its inputs are trees that lie here.
import type { Making, MakingInput, StagedTree } from "./types.ts";

/** Stages the inputs, one after the other; lets go of all if one of them cannot be had. Throws as their `stage` does. */
export async function makeOfFiles(
  inputs: Readonly<Record<string, MakingInput>>,
  signal: AbortSignal | undefined,
  seal: Making["seal"],
): Promise<Making> {
  const staged: StagedTree[] = [];
  const paths: Record<string, string> = Object.create(null);
  try {
    for (const name of Object.keys(inputs)) {
      const staging = inputs[name]!.stage(signal);
      const tree = staging instanceof Promise ? await staging : staging;
      staged.push(tree);
      paths[name] = tree.path;
    }
  } catch (error) {
    letGo(staged);
    throw error;
  }
  return new FilesMaking(staged, paths, seal);
}

function letGo(staged: StagedTree[]): void {
  for (const tree of staged.splice(0)) tree[Symbol.dispose]();
}

const NO_DIFFERENCES = new Map<string, never>();

class FilesMaking implements Making {
  readonly env = {};
  readonly secrets = [];
  readonly reads = [];
  readonly inputs: Readonly<Record<string, string>>;
  readonly seal: Making["seal"];
  readonly #staged: StagedTree[];

  constructor(staged: StagedTree[], inputs: Readonly<Record<string, string>>, seal: Making["seal"]) {
    this.#staged = staged;
    this.inputs = inputs;
    this.seal = seal;
  }

  async checkHeld(): Promise<void> {}

  async compareInputs(): Promise<ReadonlyMap<string, never>> {
    return NO_DIFFERENCES;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    letGo(this.#staged);
  }
}

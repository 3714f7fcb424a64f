// Gets a step ready in the store that its output goes to, from inputs that may lie in others.
import { AlamodeError } from "../errors.ts";
import type { RecordDb, Success } from "../record/types.ts";
import type { Stores } from "../store/stores.ts";
import type { Making, MakingInput, MakingRequest, Store } from "../store/types.ts";
import { markHere } from "./elsewhere.ts";

/** An input whose bytes turned out to be gone, or others, when they were to be read. Its success is marked. */
export class LostInput extends Error {
  readonly input: string;
  readonly success: Success;
  /** In words, after the input's name. */
  readonly how: string;

  constructor(input: string, success: Success, how: string) {
    super(`input "${input}" ${how}`);
    this.input = input;
    this.success = success;
    this.how = how;
  }
}

/** Throws `LostInput`, and as `Store.prepare` does. */
export async function prepareMaking(
  store: Store,
  inputs: Readonly<Record<string, Success>>,
  both: { readonly record: RecordDb; readonly stores: Stores },
  request: Omit<MakingRequest, "inputs">,
  signal?: AbortSignal,
): Promise<Making> {
  const made: Record<string, MakingInput> = Object.create(null);
  for (const name of Object.keys(inputs)) {
    const success = inputs[name]!;
    const { location, treeDigest: digest } = success;
    const of = both.stores.of(success);
    const from = of instanceof Promise ? await of : of;
    const lost = async (error: unknown): Promise<never> => {
      throw await lostOr(error, name, success, both);
    };
    const stage = (off?: AbortSignal) => {
      try {
        const staging = from.stage(location, digest, off);
        return staging instanceof Promise ? staging.catch(lost) : staging;
      } catch (error) {
        return lost(error);
      }
    };
    made[name] = { store: from, location, digest, stage };
  }
  return store.prepare({ ...request, inputs: made }, signal);
}

/** That an input is lost where that is what the error says, after its success was marked. */
async function lostOr(
  error: unknown,
  name: string,
  success: Success,
  both: Parameters<typeof markHere>[2],
): Promise<unknown> {
  if (!(error instanceof AlamodeError)) return error;
  if (error.code === "output-missing") {
    await markHere(success, "lost", both);
    return new LostInput(name, success, "is no longer there");
  }
  if (error.code === "output-damaged") {
    await markHere(success, "damaged", both);
    return new LostInput(name, success, "has other bytes in the store than were made");
  }
  return error;
}

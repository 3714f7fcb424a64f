// The one error of decoding.
import { AlamodeError } from "../errors.ts";

/** `what` is wrong at `offset`, a byte. */
export function notBencode(
  what: string,
  offset: number,
  hint = "Write the file again: it was damaged, or made by something else.",
): AlamodeError {
  return new AlamodeError("not-bencode", `not canonical bencode at byte ${offset}: ${what}.`, {
    facts: { offset },
    hint,
  });
}

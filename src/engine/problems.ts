// All that is wrong with a plan, in one error.
import { AlamodeError } from "../errors.ts";

/** How many are told of. */
const SHOWN = 10;

/** Throws one error with the messages of all, and code, facts and hint of the first. Does nothing where there are none. */
export function throwAll(problems: readonly AlamodeError[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const texts = problems.slice(0, SHOWN).map(({ message }) => message);
  if (problems.length > SHOWN) texts.push(`and ${problems.length - SHOWN} more`);
  throw new AlamodeError(first.code, texts.join("\n"), {
    facts: first.facts,
    ...(first.hint ? { hint: first.hint } : {}),
  });
}

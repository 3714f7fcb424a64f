// alamode completion: what a shell reads once; alamode complete: what it asks at each Tab.
import type { Command } from "commander";
import { AlamodeError } from "../../errors.ts";
import { complete, wordsOf } from "../complete.ts";
import { SCRIPTS } from "../completion-scripts.ts";
import { EXIT } from "../errors.ts";

/** Nobody waits longer for a Tab; a pipeline that asks servers may. */
const PATIENCE_MS = 3_000;

/** Throws `unknown-shell`. */
export async function completionCommand(shell: string): Promise<number> {
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined) {
    throw new AlamodeError("unknown-shell", `there is no completion for "${shell}"`, {
      hint: `There is: ${Object.keys(SCRIPTS).join(", ")}.`,
    });
  }
  process.stdout.write(script);
  return EXIT.done;
}

/** Prints what can follow: a line each, the value, a tab, what it is. Fails never: a shell has nowhere to say why. */
export async function completeCommand(
  program: Command,
  words: readonly string[],
  { line }: { readonly line?: string },
): Promise<number> {
  const typed = line === undefined ? words : wordsOf(line).slice(1);
  const late = setTimeout(() => process.exit(EXIT.failed), PATIENCE_MS);
  const found = await complete(program, typed.length === 0 ? [""] : typed);
  clearTimeout(late);
  process.stdout.write(
    found.map(({ value, about }) => `${value}${about === undefined ? "" : `\t${about}`}\n`).join(""),
  );
  return EXIT.done;
}

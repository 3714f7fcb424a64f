// Secrets must not get into outputs: these are shared, and kept for years.
import { AlamodeError } from "../../errors.ts";
import { Needles } from "../../store/needles.ts";
import type { SealedTree } from "../../store/types.ts";
import type { StepSecrets } from "./secrets.ts";

/** What is looked for while an output is hashed: first the random name of the scratch folder, then the secrets' forms. */
export function needlesFor(scratchName: string, { forms }: StepSecrets): Needles {
  return new Needles([scratchName, ...forms.map(({ form }) => form)]);
}

/** Throws `secret-in-output` where `needlesFor` was used and found one. */
export function refuseSecrets({ needlesIn }: SealedTree, { forms }: StepSecrets): void {
  for (const [needle, path] of needlesIn ?? []) {
    if (needle === 0) continue;
    const { variable } = forms[needle - 1]!;
    throw new AlamodeError(
      "secret-in-output",
      `${path === "" ? "its output" : `"${path}" of its output`} holds the secret ${variable}, so it is not kept`,
      {
        hint: "Outputs are shared, and kept: write what was fetched with a secret, and never the secret itself.",
      },
    );
  }
}

// The order of isolations: none < bubblewrap < container. A container counts only under the image digest demanded.
import type { Isolation } from "./types.ts";

/** Whether what was made under `have` counts for a run that demands `want`. An unknown isolation suffices only for itself. */
export function isolationSuffices(have: Isolation, want: Isolation): boolean {
  if (have === want || want === "none") return true;
  return want === "bubblewrap" && have.startsWith("container:");
}

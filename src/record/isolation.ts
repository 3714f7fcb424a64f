// The order of isolations: none < bubblewrap < container. A container counts only under the image digest demanded.
import type { Isolation } from "./types.ts";

/** What data from outside has: nothing was run, and its digest says what it is. As good as any other. */
export const DATA: Isolation = "data";

/** The isolation that something has that rests on all of these. Containers of different images have only bubblewrap in common. */
export function weakest(isolations: readonly Isolation[]): Isolation {
  let least = isolations[0] ?? "none";
  for (const isolation of isolations) {
    if (isolationSuffices(least, isolation)) least = isolation;
    else if (!isolationSuffices(isolation, least)) least = "bubblewrap";
  }
  return least;
}

/** Whether what was made under `have` counts for a run that demands `want`. An unknown isolation suffices only for itself. */
export function isolationSuffices(have: Isolation, want: Isolation): boolean {
  if (have === want || want === "none" || have === DATA) return true;
  return want === "bubblewrap" && have.startsWith("container:");
}

// Spec keys that are nearly one the engine knows (`comand`): hashed and carried like any other, and surely not meant.
import { hasPipe } from "./bash.ts";
import { editDistance } from "./near.ts";
import type { Plan, Spec } from "./types.ts";

/** The spec keys the bundled engine understands. */
export const KNOWN_SPEC_KEYS: readonly string[] = [
  "command",
  "image",
  "sha",
  "files",
  "env",
  "produces",
  "module",
  "sql",
  "export",
  "args",
  "source",
  "network",
  "expand",
  "tools",
];

/** And what a plan adds to specs. */
const KNOWN = new Set([...KNOWN_SPEC_KEYS, "inputs", "output"]);

/** One line for each misspelt key, and one for pipes, naming the first task that has it and how many more do. */
export function specWarnings(specs: Iterable<readonly [task: string, spec: Spec]>): string[] {
  const found = new Map<string, { meant: string; task: string; more: number }>();
  const harmless = new Set<string>();
  let piped: { task: string; more: number } | undefined;
  for (const [task, spec] of specs) {
    if (isPiped(spec)) {
      if (piped === undefined) piped = { task, more: 0 };
      else piped.more++;
    }
    for (const key of Object.keys(spec)) {
      if (KNOWN.has(key) || harmless.has(key)) continue;
      const seen = found.get(key);
      const meant = seen?.meant ?? knownKeyNear(key);
      if (seen !== undefined) seen.more++;
      else if (meant === undefined) harmless.add(key);
      else found.set(key, { meant, task, more: 0 });
    }
  }
  const others = (more: number) => (more === 0 ? "" : ` and ${more} more`);
  const lines = [...found].map(
    ([key, { meant, task, more }]) =>
      `task "${task}"${others(more)}: spec key "${key}" means nothing to the engine. Is "${meant}" meant?`,
  );
  if (piped !== undefined) {
    lines.push(
      `task "${piped.task}"${others(piped.more)}: /bin/sh goes by the last program of a pipe, so that the others may fail unseen. Write it with bash\`…\`, which looks at all.`,
    );
  }
  return lines;
}

function isPiped({ command }: Spec): boolean {
  return typeof command === "string" && hasPipe(command) && !command.includes("pipefail");
}

/** What was found of plans that were looked through: loading asks, and the end of a run. */
const found = new WeakMap<Plan, readonly string[]>();

/** The same for a plan, and a word where there is nothing in it. */
export function planWarnings(plan: Plan): readonly string[] {
  const warnings = found.get(plan) ?? warningsOf(plan);
  found.set(plan, warnings);
  return warnings;
}

function warningsOf(plan: Plan): string[] {
  if (Object.keys(plan.tasks).length === 0)
    return ["the pipeline has no tasks. Add one:  dag.task('name', { command: '… > $OUTPUT' })"];
  function* specs(): Generator<[string, Spec]> {
    for (const name of Object.keys(plan.tasks)) yield [name, plan.tasks[name]!];
  }
  return specWarnings(specs());
}

/** Short words are near to many others, so they have to be nearer: `evn` is env, `ens` is not. */
function knownKeyNear(key: string): string | undefined {
  const lower = key.toLowerCase();
  if (lower.length < 3) return undefined;
  return KNOWN_SPEC_KEYS.find((known) => {
    if (known.length < 4) return lower === known || [...lower].sort().join("") === [...known].sort().join("");
    const limit = known.length < 6 ? 1 : 2;
    return editDistance(lower, known, limit) <= limit;
  });
}

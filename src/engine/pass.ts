// Which of the caller's variables the option `pass` hands to a step.

/** The caller's variables that `pass` names: each is a name, or a pattern with `*`. */
export function passed(
  pass: readonly string[],
  callerEnv: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const pattern of pass) {
    const matches = new RegExp(`^${pattern.split("*").map(escaped).join(".*")}$`, "s");
    for (const [name, value] of Object.entries(callerEnv)) {
      if (value !== undefined && matches.test(name)) found[name] = value;
    }
  }
  return found;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

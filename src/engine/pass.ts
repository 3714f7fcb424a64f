// Which of the caller's variables the option `pass` hands to a step.

const NONE: Readonly<Record<string, string>> = Object.freeze({});

/** The caller's variables that `pass` names: each is a name, or a pattern with `*`. */
export function passed(
  pass: readonly string[],
  callerEnv: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  if (pass.length === 0) return NONE;
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

// Where in a value something is, for people: `env.PATH`, `args[2]`, `["a b"].x`.

const PLAIN_KEY = /^[\p{L}_$][\p{L}\p{N}_$-]*$/u;

/** `start` is where the value itself lies, e.g. `spec`; steps are keys (text) and indexes (numbers). "" for no steps at all. */
export function pathText(steps: readonly (string | number)[], start = ""): string {
  let text = start;
  for (const step of steps) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!PLAIN_KEY.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

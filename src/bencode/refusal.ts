// Says why a value cannot be encoded, and what to write instead.

export interface Refusal {
  /** What it is and why it is refused, to follow the path. */
  readonly what: string;
  /** One imperative sentence. */
  readonly hint: string;
}

const HOLD = "specs hold text, integers, bytes and booleans";

/** Why `value`, which is none of the values that can be encoded, is refused. */
export function refusalOf(value: unknown): Refusal {
  switch (typeof value) {
    case "number":
      return refusedNumber(value);
    case "undefined":
      return { what: `undefined has no encoding; ${HOLD}.`, hint: "Leave it out." };
    case "function":
      return { what: `a function has no encoding; ${HOLD}.`, hint: "Name it by module and export." };
    case "symbol":
      return { what: `a symbol has no encoding; ${HOLD}.`, hint: "Write it as text." };
    default:
      return refusedObject(value);
  }
}

/** Text with half of a surrogate pair has no UTF-8. */
export const LONE_SURROGATE: Refusal = {
  what: "this text is not well-formed Unicode (it holds half of a surrogate pair).",
  hint: "Pass the bytes as a Uint8Array, or mend it with toWellFormed().",
};

function refusedNumber(value: number): Refusal {
  if (!Number.isFinite(value))
    return { what: `${value} is not an integer; ${HOLD}.`, hint: `Write '${value}'.` };
  if (Number.isInteger(value)) {
    return {
      what: `${value} is beyond the integers that a number holds exactly.`,
      hint: `Write it as a bigint: ${BigInt(value)}n.`,
    };
  }
  return { what: `${value} is a float; ${HOLD}.`, hint: `Write '${value}', or json({ lr: ${value} }).` };
}

function refusedObject(value: unknown): Refusal {
  if (value === null) return { what: `null has no encoding; ${HOLD}.`, hint: "Leave it out." };
  if (value instanceof Date) {
    return { what: `a Date has no encoding; ${HOLD}.`, hint: "Write it as text, as toISOString() gives it." };
  }
  if (value instanceof Set) return { what: "a Set has no encoding.", hint: "Write a list: [...set]." };
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return {
      what: `bytes must be a Uint8Array, and this is ${nameOf(value)}.`,
      hint: "Wrap its bytes in a Uint8Array.",
    };
  }
  return {
    what: `this is ${nameOf(value)}, an object of a class; ${HOLD}.`,
    hint: "Write a plain object with the fields that matter.",
  };
}

function nameOf(value: unknown): string {
  const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
  if (typeof name !== "string" || name === "") return "an object";
  return /^[AEIOU]/.test(name) ? `an ${name}` : `a ${name}`;
}

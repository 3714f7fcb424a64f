// Values that are no spec values (floats, null, dates as text) as text that can be one.
import { isPlainObject } from "../bencode/encode.ts";
import { MAX_DEPTH } from "../bencode/limits.ts";
import { pathText } from "../bencode/value-path.ts";
import { AlamodeError } from "../errors.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * The one canonical JSON text of `value` (RFC 8785): no spaces, keys by their UTF-16 units, numbers as JavaScript writes
 * them. So `json({ lr: 0.05 })` in a spec is the same text, and gives the same ID, everywhere.
 * Throws `not-encodable`, with the path, for NaN, infinities, undefined, bigints, objects of a class and lone surrogates.
 */
export function json(value: Json): string {
  const steps: (string | number)[] = [];
  const write = (value: unknown): string => {
    if (value === null || typeof value === "boolean") return String(value);
    if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
    if (typeof value === "string") return text(value, steps);
    if (steps.length >= MAX_DEPTH)
      throw refused(`more than ${MAX_DEPTH} lists and maps lie within each other`, steps);
    if (Array.isArray(value)) {
      return `[${Array.from(value, (item: unknown, index) => within(index, () => write(item))).join(",")}]`;
    }
    if (!isPlainObject(value)) throw refused(`${kindOf(value)} has no JSON`, steps);
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => within(key, () => `${text(key, steps)}:${write(value[key])}`)).join(",")}}`;
  };
  const within = (step: string | number, inner: () => string): string => {
    steps.push(step);
    const written = inner();
    steps.pop();
    return written;
  };
  return write(value);
}

function text(value: string, steps: readonly (string | number)[]): string {
  if (!value.isWellFormed()) throw refused("this text is not well-formed Unicode", steps);
  return JSON.stringify(value);
}

function kindOf(value: unknown): string {
  if (value === undefined || typeof value === "number") return String(value);
  if (typeof value === "bigint") return "a bigint (write it as text)";
  if (typeof value !== "object" || value === null) return `a ${typeof value}`;
  return `an object of a class (${value.constructor?.name ?? "unnamed"})`;
}

function refused(what: string, steps: readonly (string | number)[]): AlamodeError {
  return new AlamodeError(
    "not-encodable",
    `json(…): ${steps.length > 0 ? `${pathText(steps)}: ` : ""}${what}.`,
    {
      hint: "Pass numbers, text, booleans, null, lists and maps.",
    },
  );
}

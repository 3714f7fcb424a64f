// The kinds of parameters that a pipeline can have: what values each takes, as text (`-p k=4`) or from JSON, and the one text
// that stands for each value in the record. Dates get their value from the schedule unless told otherwise.
import { AlamodeError } from "../errors.ts";
import { decimalText } from "./decimal.ts";
import { parseJson } from "./json-parse.ts";

/** One parameter. `Value` is what the pipeline's function is given. */
export interface Param<Value> {
  /** What it takes, for people: `a whole number from 1 to 9`. */
  readonly takes: string;
  /** Whether the slot of the schedule gives it its value: to the day, or to the second. */
  readonly slot?: "day" | "time";
  /** Undefined where one has to be given, or where the slot gives it. */
  readonly fallback: Value | undefined;
  /** What a text, or a value of JSON, means; undefined where it is none that the parameter takes. */
  read(given: unknown): Value | undefined;
  /** The text that means the value: what `read` makes the same value of. */
  write(value: Value): string;
}

export type Params = { readonly [name: string]: Param<unknown> };

/** What a pipeline's function is given. */
export type ValuesOf<P extends Params> = {
  readonly [name in keyof P]: P[name] extends Param<infer Value> ? Value : never;
};

const same = (value: string) => value;

/** A day, `2026-11-01`. Without a fallback it is the day on which the schedule's slot starts. */
export function day(fallback?: string): Param<string> {
  const takes = "a day, such as 2026-11-01";
  return made({ takes, slot: "day", fallback, read: readDay, write: same });
}

/**
 * A time to the second, `2026-11-01T05:00:00Z`, with its offset from UTC. Without a fallback it is the start of the schedule's
 * slot, in the schedule's time zone: for schedules with several slots a day.
 */
export function time(fallback?: string): Param<string> {
  const takes = "a time, such as 2026-11-01T05:00:00Z";
  return made({ takes, slot: "time", fallback, read: readTime, write: same });
}

/** A whole number, with bounds where they are said. */
export function integer(
  fallback?: number,
  { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {},
): Param<number> {
  const from = min === Number.MIN_SAFE_INTEGER ? "" : ` from ${min}`;
  const to = max === Number.MAX_SAFE_INTEGER ? "" : ` to ${max}`;
  return made({
    takes: `a whole number${from}${to}`,
    fallback,
    read(given) {
      const value = typeof given === "string" && /^[+-]?\d+$/.test(given) ? Number(given) : given;
      if (typeof value !== "number" || !Number.isSafeInteger(value)) return undefined;
      return value >= min && value <= max ? value + 0 : undefined;
    },
    write: String,
  });
}

/** A decimal number, as text, for specs hold no floats: `0.050` and `5e-2` are both `0.05`. */
export function decimal(fallback?: string): Param<string> {
  return made({ takes: "a number, such as 0.05", fallback, read: decimalText, write: same });
}

/** Any text. */
export function text(fallback?: string): Param<string> {
  const read = (given: unknown) =>
    typeof given === "string" && given.isWellFormed() && !given.includes("\0") ? given : undefined;
  return made({ takes: "text", fallback, read, write: same });
}

/** One of these texts: the first unless told otherwise. */
export function oneOf<const Choices extends readonly [string, ...string[]]>(
  ...choices: Choices
): Param<Choices[number]> {
  if (choices.length === 0 || choices.some((choice) => typeof choice !== "string")) {
    throw new AlamodeError("bad-params", "oneOf() takes its choices one by one, each as text.", {
      hint: 'Write  oneOf("fast", "full")',
    });
  }
  return made<Choices[number]>({
    takes: choices.join(" or "),
    fallback: choices[0],
    read: (given) => choices.find((choice) => choice === given),
    write: same,
  });
}

/** True or false; false unless told otherwise. `-p fast` is true. */
export function flag(fallback = false): Param<boolean> {
  return made({
    takes: "true or false",
    fallback,
    read(given) {
      if (given === true || given === "true" || given === "yes" || given === "1") return true;
      return given === false || given === "false" || given === "no" || given === "0" ? false : undefined;
    },
    write: String,
  });
}

/** Any number of values of another kind: `-p sizes=1,2,3`, in JSON a list. */
export function list<Value>(of: Param<Value>, fallback?: readonly Value[]): Param<readonly Value[]> {
  return made({
    takes: `a list, each ${of.takes}: in text with commas, or as JSON`,
    fallback,
    read(given) {
      const members = typeof given === "string" ? membersOf(given) : given;
      if (!Array.isArray(members)) return undefined;
      const values = members.map((member) => of.read(member));
      return values.some((value) => value === undefined) ? undefined : (values as Value[]);
    },
    write(values) {
      const texts = values.map((value) => of.write(value));
      const plain = texts.join(",");
      return sameTexts(membersOf(plain), texts) ? plain : JSON.stringify(texts);
    },
  });
}

/** `a,b`, or a JSON list; the empty text is the empty list. */
function membersOf(given: string): unknown {
  if (given === "") return [];
  if (!given.startsWith("[")) return given.split(",");
  try {
    return parseJson(given);
  } catch {
    return undefined;
  }
}

function sameTexts(found: unknown, texts: readonly string[]): boolean {
  return Array.isArray(found) && found.length === texts.length && found.every((one, i) => one === texts[i]);
}

/** Throws `bad-params` for a fallback that the parameter itself would not take. */
function made<Value>(param: Param<Value> & { readonly fallback: Value | undefined }): Param<Value> {
  const { fallback, takes, slot, ...rest } = param;
  const read = fallback === undefined ? undefined : param.read(fallback);
  if (fallback !== undefined && read === undefined) {
    throw new AlamodeError(
      "bad-params",
      `${JSON.stringify(fallback)} cannot be what a parameter is unless told: it takes ${takes}.`,
    );
  }
  return {
    takes,
    ...(slot === undefined || fallback !== undefined ? {} : { slot }),
    ...rest,
    fallback: read,
  };
}

function readDay(given: unknown): string | undefined {
  if (typeof given !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(given)) return undefined;
  const at = new Date(`${given}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(given) ? given : undefined;
}

function readTime(given: unknown): string | undefined {
  if (typeof given !== "string") return undefined;
  const [, date, minutes, seconds = ":00", zone = "", hours, rest] =
    /^(\d{4}-\d{2}-\d{2})T((?:[01]\d|2[0-3]):[0-5]\d)(:[0-5]\d)?(Z|[+-](\d{2}):([0-5]\d))$/.exec(given) ?? [];
  if (readDay(date) === undefined || Number(hours ?? 0) > 14) return undefined;
  const utc = Number(hours ?? 0) === 0 && Number(rest ?? 0) === 0;
  return `${date}T${minutes}${seconds}${utc ? "Z" : zone}`;
}

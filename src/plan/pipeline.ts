// A pipeline that has parameters: what it takes, and the function that makes a dag of what it is given.
import { isPlainObject } from "../bencode/encode.ts";
import { AlamodeError } from "../errors.ts";
import type { Dag } from "./dag.ts";
import { nearNames } from "./near.ts";
import type { Params, ValuesOf } from "./params.ts";

/** Marks them, so that two copies of this package in one process know each other's. */
const PIPELINE = Symbol.for("a-la-mode.pipeline");

/** Made by `pipeline`. */
export interface ParamPipeline<P extends Params = Params> {
  readonly [PIPELINE]: true;
  readonly params: P;
  /** Makes the dag. Called once for each slot of a backfill, and possibly once more to learn the schedule. */
  describe(values: ValuesOf<P>): Dag | Promise<Dag>;
}

/**
 * A pipeline with parameters: `export default pipeline({ date: day(), k: integer(3) }, ({ date, k }) => dag)`. They are set by
 * `-p k=4`, `--params FILE` and `--date`. Throws `bad-params`.
 */
export function pipeline<const P extends Params>(
  params: P,
  describe: (values: ValuesOf<P>) => Dag | Promise<Dag>,
): ParamPipeline<P> {
  if (!isPlainObject(params) || typeof describe !== "function") {
    throw new AlamodeError("bad-params", "pipeline() takes a map of parameters and a function.", {
      hint: "Write  pipeline({ k: integer(3) }, ({ k }) => dag)",
    });
  }
  for (const [name, param] of Object.entries(params)) {
    if (!/^[A-Za-z_][\w-]*$/.test(name))
      throw new AlamodeError(
        "bad-params",
        `"${name}" is no name a parameter can have: letters, digits, - and _.`,
      );
    if (typeof (param as { read?: unknown } | null)?.read !== "function")
      throw new AlamodeError("bad-params", `parameter "${name}" has no kind.`, {
        hint: `Write  ${name}: text()  or integer(), decimal(), oneOf(…), flag(), list(…), day(), time().`,
      });
  }
  return { [PIPELINE]: true, params, describe };
}

/** Whether `value` was made by `pipeline`, of this copy of the package or another. */
export function isParamPipeline(value: unknown): value is ParamPipeline {
  return (
    typeof value === "object" && value !== null && (value as { [PIPELINE]?: unknown })[PIPELINE] === true
  );
}

/** Whether the slot of a schedule gives a value to any of them. */
export function takesSlot(params: Params): boolean {
  return Object.values(params).some(({ slot }) => slot !== undefined);
}

export interface Given {
  /** Name → text, as typed, or a value of JSON. */
  readonly params: Readonly<Record<string, unknown>>;
  /** What the slot is called, to the day and to the second. */
  readonly slot: { readonly day: string; readonly time: string };
}

export interface Chosen {
  /** For the pipeline's function. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The same as texts, for the record. */
  readonly texts: Readonly<Record<string, string>>;
}

/** What each parameter is, by what was given, the slot and the fallbacks. Throws `bad-params`, telling all that is wrong. */
export function chooseValues(params: Params, { params: given, slot }: Given): Chosen {
  const problems: string[] = [];
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(params, name)) continue;
    const near = nearNames(name, Object.keys(params));
    problems.push(`there is no parameter "${name}".${near.length === 0 ? "" : ` Near: ${near.join(", ")}.`}`);
  }
  const values: Record<string, unknown> = {};
  const texts: Record<string, string> = Object.create(null);
  for (const [name, param] of Object.entries(params)) {
    const isGiven = Object.hasOwn(given, name);
    const value = isGiven
      ? param.read(given[name])
      : param.slot === undefined
        ? param.fallback
        : slot[param.slot];
    if (value !== undefined) {
      values[name] = value;
      texts[name] = param.write(value);
    } else if (isGiven) problems.push(`${name} takes ${param.takes}, and this is ${shown(given[name])}.`);
    else problems.push(`${name} has to be given: -p ${name}=…, which takes ${param.takes}.`);
  }
  if (problems.length === 0) return { values, texts };
  throw new AlamodeError("bad-params", problems.join("\n"), { hint: paramsHint(params) });
}

/** What each takes, and what it is unless told: rows for a table. */
export function paramRows(params: Params): (readonly [name: string, takes: string, otherwise: string])[] {
  return Object.entries(params).map(([name, { takes, slot, fallback, write }]) => {
    if (slot !== undefined) return [name, takes, "the last complete slot of the schedule, or --date"];
    return [name, takes, fallback === undefined ? "has to be given" : write(fallback) || "empty"];
  });
}

function paramsHint(params: Params): string {
  const rows = paramRows(params);
  if (rows.length === 0) return "This pipeline has no parameters.";
  const columns = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, takes, otherwise]) => `  ${name.padEnd(columns)}  ${takes} (${otherwise})`);
  return ["It has:", ...lines].join("\n");
}

function shown(given: unknown): string {
  const text = typeof given === "string" ? `"${given}"` : (JSON.stringify(given) ?? String(given));
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

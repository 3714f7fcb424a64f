// What the TypeScript steps hand to each other.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Degrees Celsius, millimetres of rain. `month` counts from 1. */
export interface Month {
  readonly month: number;
  readonly days: number;
  readonly mean: number;
  readonly rain: number;
  readonly wet_days: number;
}

/** A day (`2012-01-31`) that stands out, and by what. */
export interface Extreme {
  readonly date: string;
  readonly value: number;
}

/** What by_year.py writes. */
export interface Year {
  readonly year: number;
  readonly days: number;
  readonly mean: number;
  readonly rain: number;
  readonly wet_days: number;
  readonly hottest: Extreme;
  readonly coldest: Extreme;
  readonly wettest: Extreme;
  readonly months: readonly Month[];
}

/** What aggregate.mts writes. */
export interface Weather {
  readonly years: readonly Year[];
  /** Mean temperature of the twelve months, 1981 to 2010. */
  readonly normals: readonly number[];
  /** How much warmer each month was than its normal, on average over the years. */
  readonly warmer: readonly number[];
}

/** A variable of the step's environment. Throws if it is not set. */
export function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`$${name} is not set: this program is run as a step`);
  return value;
}

/** The text of a file of one of the step's inputs. */
export function readInput(...path: string[]): string {
  return readFileSync(join(variable("INPUTS"), ...path), "utf8");
}

/** The lines of comma-separated text without quotes. */
export function rows(text: string): string[][] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.split(","));
}

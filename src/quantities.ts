// Durations and sizes as people write them, and how they grow from attempt to attempt.

/** So much at the first attempt; twice as much at the second, and so on, where it grows. */
export interface Quantity {
  readonly first: number;
  readonly grows: boolean;
}

const MS = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

const BYTES = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Seconds, or text such as `500ms`, `90s`, `10m`, `2h`, `1d`, in milliseconds; undefined for anything else, and for less than `least`. */
export function durationMs(value: unknown, least = Number.MIN_VALUE): number | undefined {
  const ms = typeof value === "number" ? value * 1000 : inUnits(value, MS);
  return ms !== undefined && Number.isFinite(ms) && ms >= least ? ms : undefined;
}

/** Whole bytes, or text such as `500MB`, `1.5GiB`; undefined for anything else, and for less than `least`. */
export function sizeBytes(value: unknown, least = 1): number | undefined {
  const bytes = typeof value === "number" ? value : inUnits(value, BYTES);
  return bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= least ? bytes : undefined;
}

/** As `read` understands it, and followed by `* attempt` where it grows: `10m * attempt`. */
export function quantity(value: unknown, read: (value: unknown) => number | undefined): Quantity | undefined {
  const [, text] = (typeof value === "string" && /^(.*?)\s*\*\s*attempt$/.exec(value)) || [];
  const first = read(text ?? value);
  return first === undefined ? undefined : { first, grows: text !== undefined };
}

/** How much it is at an attempt, counted from 1. */
export function atAttempt({ first, grows }: Quantity, attempt: number): number {
  return grows ? first * attempt : first;
}

function inUnits(value: unknown, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit] = (typeof value === "string" && /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(value)) || [];
  if (unit === undefined || !Object.hasOwn(units, unit)) return undefined;
  return Math.floor(Number(digits) * units[unit]!);
}

/** Binary units, as they are written in options: `512 MiB`, `15.9 GiB`. */
export function shownBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const value = bytes / 1024 ** unit;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

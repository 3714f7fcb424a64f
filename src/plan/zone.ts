// Times on the clocks of a time zone, and back. By Intl, which knows the zones of the IANA database.

export interface Clock {
  /** `2026-11-01` */
  readonly day: string;
  /** `2026-11-01T05:00:00Z`, `2026-11-01T05:00:00+01:00` */
  readonly time: string;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether there is a zone of that name. */
export function isZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  formats.set(zone, format);
  return format;
}

/** What the clocks of the zone show, as ms since 1970 of a clock at UTC that shows the same. To the second. */
function shownAt(ms: number, zone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(ms)) parts[type] = Number(value);
  const { year, month, day, hour, minute, second } = parts as Record<string, number>;
  return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!);
}

/** What the zone's clocks show at `ms` (since 1970). */
export function clockAt(ms: number, zone: string): Clock {
  const whole = Math.floor(ms / 1000) * 1000;
  const shown = shownAt(whole, zone);
  const text = new Date(shown).toISOString();
  const minutes = Math.round((shown - whole) / 60_000);
  const two = (value: number) => String(value).padStart(2, "0");
  const size = Math.abs(minutes);
  const offset = `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return { day: text.slice(0, 10), time: `${text.slice(0, 19)}${minutes === 0 ? "Z" : offset}` };
}

/**
 * When the zone's clocks show what a clock at UTC shows at `shown`: the earlier time where they do so twice, and where they skip
 * it, the moment at which they go on.
 */
export function whenShown(shown: number, zone: string): number {
  const day = 86_400_000;
  const offsets = [shown - day, shown + day].map((ms) => shownAt(ms, zone) - ms);
  const [before, after] = offsets as [number, number];
  const candidates = [shown - before, shown - after].sort((a, b) => a - b);
  const found = candidates.find((ms) => shownAt(ms, zone) === shown);
  if (found !== undefined) return found;
  // Skipped: it would have been `shown - before`, and lies after the change by as much as it lies after the gap's beginning.
  let [low, high] = candidates as [number, number];
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (shownAt(middle, zone) - middle === before) low = middle;
    else high = middle;
  }
  return high;
}

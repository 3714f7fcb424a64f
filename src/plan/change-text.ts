// One changed value of a spec as people read it: what differs, without what surrounds it.

import { jsonLine } from "../bencode/as-json.ts";
import type { Bnormal } from "../bencode/types.ts";
import { clip } from "./clip.ts";
import type { ValueChange } from "./diff.ts";

const LONG = 32;

/** `sha`, `env.PATH`, `args.2` */
export function pathText(path: ValueChange["path"]): string {
  return path.join(".");
}

/** `6f09d → qwetr3`, `…--min-temp 0 → --min-temp -5`, `added: 3`, `removed (was 3)`. At most about `columns` wide. */
export function changeText({ old, new: now }: ValueChange, columns = 72): string {
  if (old === undefined) return now === undefined ? "" : `added: ${valueText(now, columns - 8)}`;
  if (now === undefined) return `removed (was ${valueText(old, columns - 14)})`;
  if (typeof old === "string" && typeof now === "string") {
    const [before, after] = withoutShared(old, now);
    return `${clip(before, columns / 2)} → ${clip(after, columns / 2)}`;
  }
  return `${valueText(old, columns / 2)} → ${valueText(now, columns / 2)}`;
}

/** A value in one line: text as it is, digests by 8 digits, maps and lists as JSON. */
export function valueText(value: Bnormal, columns = 60): string {
  if (typeof value === "string")
    return /^[0-9a-f]{64}$/.test(value) ? value.slice(0, 8) : clip(value, columns);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return clip(typeof value === "object" ? jsonLine(value) : String(value), columns);
}

/** Of two long texts what differs, with the words around it; what they share is left out, a beginning as `…`. */
function withoutShared(old: string, now: string): [string, string] {
  if (/^[0-9a-f]{64}$/.test(old) && /^[0-9a-f]{64}$/.test(now)) return [old.slice(0, 8), now.slice(0, 8)];
  if (Math.max(old.length, now.length) <= LONG) return [old, now];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  // Back to where a word begins, and one word more: `--min-temp 0` says more than `0`.
  start = old.lastIndexOf(" ", Math.max(0, old.lastIndexOf(" ", start - 1) - 1)) + 1;
  let end = 0;
  const most = Math.min(old.length, now.length) - start;
  while (end < most && old[old.length - 1 - end] === now[now.length - 1 - end]) end++;
  const space = old.indexOf(" ", old.length - end);
  const cut = space < 0 ? 0 : old.length - space;
  const middle = (text: string) => text.slice(start, text.length - cut);
  return [`${start > 0 ? "…" : ""}${middle(old)}`, middle(now)];
}

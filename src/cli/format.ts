// How numbers, times, sizes, IDs and tables look to people. Pure text; no colour.
import { isAbsolute, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { shellQuoted } from "../plan/shell-quoted.ts";

/** `0.05 s`, `0.4 s`, `14 s`, `2 min 14 s`, `1 h 05 min`, `3 d 2 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 0.095) return `${seconds.toFixed(2)} s`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** For estimates, where more digits would claim too much: `0.02 s`, `0.4 s`, `1 s`, `40 s`, `18 min`, `3 h`, `2 d`. */
export function roughly(ms: number): string {
  if (ms < 950) return duration(Math.max(10, ms));
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds < 20 ? seconds : Math.round(seconds / 10) * 10} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Decimal units: `0 B`, `812 B`, `4.1 MB`, `212 MB`. */
export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = size;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Local time: `23 Nov 09:14`, of another year than `now`'s `23 Nov 2024`; with seconds `23 Nov 09:14:11`. */
export function date(ms: number, now: number, seconds = false): string {
  const at = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getDate()} ${MONTHS[at.getMonth()]}`;
  if (at.getFullYear() !== new Date(now).getFullYear()) {
    if (!seconds) return `${day} ${at.getFullYear()}`;
    return `${day} ${at.getFullYear()} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  }
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return `${day} ${time}${seconds ? `:${two(at.getSeconds())}` : ""}`;
}

/** The first 8 digits of an ID or digest. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** `25adad19…6de5`: enough to recognise, and to tell from another. */
export function longId(id: string): string {
  return id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id;
}

/** `1 task`, `7 tasks`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** The path as one would type it here: relative to `cwd` unless that leads far up. */
export function herePath(path: string, cwd: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//.test(path)) return path; // a URL
  const near = relative(cwd, path);
  if (near === "") return ".";
  return near.startsWith("../../..") || isAbsolute(near) ? path : near;
}

/** A word for /bin/sh: quoted only where that is needed. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : shellQuoted(text);
}

/** The text with its control characters made visible: names come from files that others wrote. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) =>
    JSON.stringify(character).slice(1, -1).replace("\x7f", "\\u007f"),
  );
}

/** A task's name as a line can show it: the empty one is `""`. */
export function nameText(name: string): string {
  return name === "" ? '""' : visible(name);
}

/** Text from elsewhere as one line, whatever is in it: each line break becomes a blank. */
export function oneLine(text: string): string {
  return visible(text.replace(/\s*[\t\n\v\f\r\u2028\u2029]\s*/g, " "));
}

/** Columns that a text takes, colours not counted. Characters of double width are counted as one. */
export function width(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

/** Pads to `columns`, colours not counted. */
export function pad(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - width(text)));
}

/**
 * `right` says which columns are aligned to the right. No trailing blanks; two blanks between columns. Cells are without
 * colours: their control characters are made visible.
 */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  const shown = rows.map((row) => row.map(visible));
  for (const row of shown) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, width(cell));
  }
  return shown.map((row) =>
    row
      .map((cell, i) => {
        const blanks = " ".repeat((widths[i] ?? 0) - width(cell));
        return right.includes(i) ? blanks + cell : cell + blanks;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** Each line of `text` after `blanks` blanks; empty lines stay empty. */
export function indent(text: string, blanks: number): string {
  return text.replace(/^(?=.)/gm, " ".repeat(blanks));
}

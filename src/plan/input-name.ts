// How a dependency is called among the files of a step. Engines for which nobody wrote TypeScript do the same: see docs/FORMAT.md.
import { hash } from "node:crypto";

/**
 * A dependency's name as a file name below `inputs/`: `/`, `%`, control characters, `.`, `..` and the empty name by
 * percent; over 200 bytes by a prefix, `~` and 16 hex digits of the name's sha256.
 */
export function inputFileName(name: string): string {
  const percent = (text: string) => `%${text.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  if (name === "") return "%";
  if (name === "." || name === "..") return name.replaceAll(".", "%2E");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
  const escaped = name.replace(/[/%\u0000-\u001f\u007f]/g, percent);
  if (Buffer.byteLength(escaped) <= 200) return escaped;
  let prefix = "";
  for (const character of escaped) {
    if (Buffer.byteLength(prefix) + Buffer.byteLength(character) > 183) break;
    prefix += character;
  }
  return `${prefix}~${hash("sha256", name).slice(0, 16)}`;
}

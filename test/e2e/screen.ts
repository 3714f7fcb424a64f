// What is left on a terminal's screen after a program wrote to it: just the control sequences that the program uses; and a
// terminal of 80 columns to run one in.
import { spawnSync } from "node:child_process";

/** Lines of the screen, without blanks and empty lines at the ends. Throws on a sequence it does not know. */
export function screenOf(written: string): string[] {
  const lines: string[] = [""];
  let row = 0;
  let column = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what this reads
  for (const [part, sequence] of written.matchAll(/\x1b\[([0-9;?]*[A-Za-z])|[\r\n]|[^\x1b\r\n]+/g)) {
    if (part === "\n") {
      row++;
      lines[row] ??= "";
    } else if (part === "\r") column = 0;
    else if (sequence === undefined) {
      const line = lines[row]!.padEnd(column);
      lines[row] = line.slice(0, column) + part + line.slice(column + part.length);
      column += part.length;
    } else if (sequence.endsWith("A")) row = Math.max(0, row - Number(sequence.slice(0, -1) || 1));
    else if (sequence === "J") {
      lines.length = row + 1;
      lines[row] = lines[row]!.slice(0, column);
    } else if (!/^[0-9;]*m$|^\?25[hl]$/.test(sequence)) throw new Error(`unknown sequence ${sequence}`);
  }
  const text = lines.map((line) => line.trimEnd());
  while (text.at(-1) === "") text.pop();
  return text;
}

/** Why no test can have a terminal of its own; false where it can. */
export const noScript = /util-linux/.test(
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "",
)
  ? false
  : "no `script` of util-linux here";
/** What to run a program under, so that its streams are a terminal. */
export const TERMINAL = ["/bin/sh", "-c", `exec script -qec "$(printf "'%s' " "$@")" /dev/null`, "sh"];

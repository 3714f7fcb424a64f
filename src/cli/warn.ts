// What is probably not meant, said on stderr before anything else.
import { styleText } from "node:util";
import { oneLine } from "./format.ts";

export function warn(lines: readonly string[]): void {
  for (const line of lines)
    process.stderr.write(`${styleText("yellow", "!", { stream: process.stderr })} ${oneLine(line)}\n`);
}

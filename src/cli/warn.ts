// What is probably not meant, said on stderr before anything else.
import { styleText } from "node:util";

export function warn(lines: readonly string[]): void {
  for (const line of lines)
    process.stderr.write(`${styleText("yellow", "!", { stream: process.stderr })} ${line}\n`);
}

// Reading the documents as their tests do: fenced blocks, and whether what a command printed is what is shown.
import assert from "node:assert/strict";

/** A fenced block of a Markdown text. */
export interface Block {
  readonly line: number;
  readonly language: string;
  /** `file=pipeline.ts` → file: "pipeline.ts". */
  readonly marks: Readonly<Record<string, string>>;
  /** Without the last line's end. */
  readonly text: string;
  /** The `##` heading that it stands under. */
  readonly section: string;
}

/** The fenced blocks of a Markdown text. Throws for a fence that is never closed. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split("\n");
  let section = "";
  for (let at = 0; at < lines.length; at++) {
    if (/^##? /.test(lines[at]!)) section = lines[at]!.replace(/^#+ /, "");
    const fence = /^```(\S*)(.*)$/.exec(lines[at]!);
    if (fence === null) continue;
    const end = lines.indexOf("```", at + 1);
    assert.notEqual(end, -1, `line ${at + 1}: the fence is never closed`);
    const marks = Object.fromEntries(
      [...fence[2]!.matchAll(/(\w+)=(\S+)/g)].map(([, key, value]) => [key!, value!]),
    );
    blocks.push({
      line: at + 1,
      language: fence[1]!,
      marks,
      text: lines.slice(at + 1, end).join("\n"),
      section,
    });
    at = end;
  }
  return blocks;
}

/** What was printed, without what differs from one time to the next: durations, columns, the order of what ran at once. */
export function normal(printed: string): string[] {
  const lines = printed
    .trimEnd()
    .split("\n")
    .map((line) =>
      line
        .replaceAll(/\d+(\.\d+)? (s|ms|min|h)\b/g, "<time>")
        .replaceAll(/ +/g, " ")
        .trimEnd(),
    );
  const ran = lines.filter((line) => line.startsWith("● ")).sort();
  return lines.map((line) => (line.startsWith("● ") ? ran.shift()! : line));
}

/** The first of the `shown` lines that does not come in `printed`, after those before it. */
export function missing(shown: readonly string[], printed: readonly string[]): string[] {
  let from = 0;
  for (const line of shown) {
    const at = printed.indexOf(line, from);
    if (at === -1) return [line];
    from = at + 1;
  }
  return [];
}

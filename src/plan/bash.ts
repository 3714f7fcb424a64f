// bash`…`: a command for bash whose values are quoted as they have to be where they stand, and whose tasks are dependencies.
import { isPlainObject } from "../bencode/encode.ts";
import { AlamodeError } from "../errors.ts";
import { inputFileName } from "./input-name.ts";
import { withNeeds } from "./needs.ts";
import { type ShellPlace, ShellScanner } from "./shell-context.ts";
import { shellQuoted } from "./shell-quoted.ts";
import { isTask, type Task } from "./task.ts";

/** What can be put into a command. A map says under which name a task is depended on: `${{ model: fit }}`. */
export type BashValue =
  | string
  | number
  | bigint
  | boolean
  | Task
  | { readonly [dependency: string]: Task }
  | readonly BashValue[];

export type BashSpec = { readonly command: readonly string[] };

/**
 * The command of a task: `bash\`python3 fit.py --lr ${lr} ${split}/train.csv > $OUTPUT\``. A value becomes one word, or, within
 * quotes or a here-document, a part of what stands there; a list becomes its members, each a word; a task becomes the path of
 * what it made, `inputs/…`, and a dependency. The text reaches bash as it stands in the source, backslashes included; only
 * `\\\`` and `\\${`, which JavaScript asks for, lose theirs, and the indentation that all lines share is taken away.
 * Throws `bad-value`, `duplicate-dependency`.
 */
export function bash(strings: TemplateStringsArray, ...values: readonly BashValue[]): BashSpec {
  if (!Array.isArray(strings) || !Array.isArray(strings.raw)) {
    throw new AlamodeError("bad-value", "bash is written before a template: bash`sort $INPUTS/a > $OUTPUT`.");
  }
  const pieces = dedented(strings.raw.map(unescaped));
  const scanner = new ShellScanner();
  const needs = new Map<string, Task>();
  let script = pieces[0]!;
  scanner.read(pieces[0]!);
  for (const [i, value] of values.entries()) {
    const texts = textsOf(value, i, needs);
    script += texts === undefined ? "" : written(texts, scanner, Array.isArray(value), i);
    scanner.value();
    scanner.read(pieces[i + 1]!);
    script += pieces[i + 1]!;
  }
  return withNeeds({ command: ["bash", "-euo", "pipefail", "-c", script] }, needs);
}

/** `||`, wherever it stands: no pipe. To read 100,000 commands as a shell does takes half a second. */
const OR = /(?<![|\\])\|\|(?!\|)/g;

/** Whether the command has a pipe between two programs. */
export function hasPipe(command: string): boolean {
  if (!command.includes("|") || !command.replaceAll(OR, "").includes("|")) return false;
  const scanner = new ShellScanner();
  scanner.read(command);
  return scanner.pipes;
}

/** The text of the source, but for what only JavaScript needs. */
function unescaped(raw: string): string {
  return raw.replace(/\\(`|\$\{)|\$\\(\{)|\\./gs, (all, escaped?: string, brace?: string) =>
    escaped !== undefined ? escaped : brace !== undefined ? `$${brace}` : all,
  );
}

/** Without a blank first and last line, and without what all lines begin with: moving code about changes no ID. */
function dedented(pieces: readonly string[]): string[] {
  const last = pieces.length - 1;
  if (!/^[ \t]*\n/.test(pieces[0]!)) return [...pieces];
  const trimmed = pieces.map((piece, i) => {
    const begun = i === 0 ? piece.replace(/^[ \t]*\n/, "\n") : piece;
    return i === last ? begun.replace(/\n[ \t]*$/, "") : begun;
  });
  // A value stands for what is no blank; lines that are blank have no say.
  const indents = [...trimmed.join("\0").matchAll(/\n([ \t]*)(?=[^ \t\n])/g)].map(
    ([, blanks = ""]) => blanks,
  );
  const shared = indents.reduce((least, one) => common(least, one), indents[0] ?? "");
  return trimmed.map((piece, i) => {
    const moved = piece.replaceAll(`\n${shared}`, "\n").replace(/\n[ \t]+(?=\n)/g, "\n");
    return i === 0 ? moved.replace(/^\n/, "") : moved;
  });
}

function common(one: string, other: string): string {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return one.slice(0, length);
}

/** What a value comes to: one text, or one for each member of a list. */
function textsOf(value: unknown, at: number, needs: Map<string, Task>): string[] {
  if (typeof value === "string") return [checked(value, at)];
  if (typeof value === "bigint" || typeof value === "boolean") return [String(value)];
  if (typeof value === "number" && Number.isFinite(value)) return [String(value)];
  if (isTask(value)) return [need(value.name, value, needs)];
  if (Array.isArray(value)) return value.flatMap((member) => textsOf(member, at, needs));
  if (isPlainObject(value) && Object.values(value).every(isTask)) {
    return Object.entries(value).map(([name, task]) => need(name, task as Task, needs));
  }
  throw refused(at, describe(value), hintOf(value));
}

function need(name: string, task: Task, needs: Map<string, Task>): string {
  const present = needs.get(name);
  if (present !== undefined && present !== task) {
    throw new AlamodeError(
      "duplicate-dependency",
      `bash\`…\` has two different tasks of the name "${name}".`,
      {
        hint: `Give one of them a name of its own: \${{ ${JSON.stringify(`${name}2`)}: other }}.`,
      },
    );
  }
  needs.set(name, task);
  return `inputs/${inputFileName(name)}`;
}

function checked(text: string, at: number): string {
  if (text.includes("\0")) throw refused(at, "text with a NUL character", "No program can be given one.");
  return text;
}

function written(texts: readonly string[], scanner: ShellScanner, isList: boolean, at: number): string {
  const { place } = scanner;
  if (place === "words") return texts.map(bashWord).join(" ");
  if (isList && place !== "comment" && place !== "verbatim" && place !== "inside") {
    throw refused(at, "a list within quotes", "Take the quotes away: each member is quoted for itself.");
  }
  if (place === "braces") {
    const hint = "bash reads that in ways of its own: give the value to a variable first, as in  x=${value}.";
    throw refused(at, 'within "${…}"', hint);
  }
  const text = texts.join(" ");
  if (text.split("\n").some((line) => line.replace(/^\t+/, "") === scanner.delimiter)) {
    throw refused(
      at,
      `text with the line ${scanner.delimiter}`,
      "It would end the here-document: call its end otherwise.",
    );
  }
  return quotedFor(place, text);
}

function quotedFor(place: Exclude<ShellPlace, "words" | "braces">, text: string): string {
  switch (place) {
    case "double":
      return text.replace(/[\\"$`]/g, "\\$&");
    case "single":
      return text.replaceAll("'", "'\\''");
    case "ansi":
      return text.replace(/[\\']/g, "\\$&");
    case "inside":
      return text.replace(/[\\$`]/g, "\\$&");
    case "comment":
      return text.replaceAll("\n", " ");
    case "verbatim":
      return text;
    default:
      return place satisfies never;
  }
}

/** Words that mean something to bash where a command may begin. */
const RESERVED =
  /^(?:if|then|else|elif|fi|case|esac|for|select|while|until|do|done|in|function|time|coproc)$/;

/** One word of bash, as one would type it. */
function bashWord(text: string): string {
  return /^[\w@%+:,./-]+$/.test(text) && !RESERVED.test(text) ? text : shellQuoted(text);
}

function refused(at: number, what: string, hint: string): AlamodeError {
  return new AlamodeError("bad-value", `bash\`…\`: value ${at + 1} is ${what}.`, { hint });
}

function describe(value: unknown): string {
  if (value === undefined || value === null || typeof value === "number") return String(value);
  if (value instanceof Promise) return "a promise";
  if (isPlainObject(value)) return "a map, and not all in it are tasks";
  return typeof value === "object" ? `of class ${value.constructor?.name ?? "?"}` : `a ${typeof value}`;
}

function hintOf(value: unknown): string {
  if (value instanceof Promise) return "Write await before it.";
  if (isPlainObject(value)) return "Write it as text, as in ${json({ lr: 0.05 })}.";
  return "Text, numbers, booleans, tasks and lists of them can be put in. A word that may be missing:  ${fast ? ['--fast'] : []}";
}

// Where in a bash script a place is: within which quotes, a comment, a here-document. Follows bash's own rules (see "QUOTING" in
// bash(1)) as far as they decide how a value has to be written there; checks no syntax.

/**
 * Where a place of a script lies. `inside` is a here-document in which backslash, `$` and backtick mean something, `verbatim`
 * one in which nothing does; `braces` a `${ … }` within double quotes.
 */
export type ShellPlace =
  | "words"
  | "double"
  | "single"
  | "ansi"
  | "inside"
  | "verbatim"
  | "comment"
  | "braces";

type Frame =
  /** Words: at the top, in `$( … )`, `( … )` and backticks. `end` closes it. */
  | { readonly kind: "words"; readonly end: string }
  | { readonly kind: "double" | "single" | "ansi" | "comment" }
  /** `${ … }`; within double quotes it goes by their rules. */
  | { readonly kind: "braces" }
  /** `$(( … ))`: `<<` and `#` mean nothing special. */
  | { readonly kind: "arithmetic"; depth: number }
  | {
      readonly kind: "document";
      readonly delimiter: string;
      readonly tabs: boolean;
      readonly quoted: boolean;
    };

type HereDocument = Extract<Frame, { kind: "document" }>;

export class ShellScanner {
  readonly #frames: Frame[] = [{ kind: "words", end: "" }];
  /** Here-documents that begin with the next line. */
  #ahead: HereDocument[] = [];
  /** Whether a word may begin here: only there `#` begins a comment. */
  #atWord = true;
  /** The line of a here-document so far. */
  #line = "";
  /** Whether an unquoted `|` between commands was met. */
  pipes = false;

  /** Goes on over a piece of the script. Pieces end where a value is put in, never within `$(`, `<<` or an escape. */
  read(text: string): void {
    for (let i = 0; i < text.length; ) i += this.#step(text, i);
  }

  /** A value was put in, which ends no quotes and is part of a word. */
  value(): void {
    this.#atWord = false;
    this.#line += "\0";
  }

  get place(): ShellPlace {
    const frame = this.#frames.at(-1)!;
    switch (frame.kind) {
      case "words":
      case "arithmetic":
        return "words";
      case "braces":
        return this.#aroundBraces();
      case "document":
        return frame.quoted ? "verbatim" : "inside";
      default:
        return frame.kind;
    }
  }

  #aroundBraces(): ShellPlace {
    const around = this.#frames.findLast(({ kind }) => kind !== "braces")!;
    return around.kind === "double" || around.kind === "document" ? "braces" : "words";
  }

  /** What ends the here-document that the place is in. */
  get delimiter(): string | undefined {
    const frame = this.#frames.at(-1)!;
    return frame.kind === "document" ? frame.delimiter : undefined;
  }

  /** Returns how many characters it went over. */
  #step(text: string, i: number): number {
    const frame = this.#frames.at(-1)!;
    const character = text[i]!;
    switch (frame.kind) {
      case "comment":
        if (character !== "\n") return 1;
        this.#frames.pop();
        return this.#newline();
      case "single":
        if (character === "'") this.#frames.pop();
        return 1;
      case "ansi":
        if (character === "\\") return 2;
        if (character === "'") this.#frames.pop();
        return 1;
      case "double":
        if (character === "\\") return 2;
        if (character === '"') this.#frames.pop();
        else return this.#expansion(text, i) ?? 1;
        return 1;
      case "document":
        return this.#document(frame, text, i);
      case "arithmetic":
        if (character === "(") frame.depth++;
        else if (character === ")" && frame.depth-- === 0) {
          this.#frames.pop();
          return text[i + 1] === ")" ? 2 : 1;
        }
        return this.#quote(text, i) ?? this.#expansion(text, i) ?? 1;
      case "braces":
        if (character === "\\") return 2;
        if (character === "}") this.#frames.pop();
        else return this.#quote(text, i) ?? this.#expansion(text, i) ?? 1;
        return 1;
      default:
        return this.#words(frame.end, text, i);
    }
  }

  #words(end: string, text: string, i: number): number {
    const character = text[i]!;
    const atWord = this.#atWord;
    this.#atWord = /[\s;&|()<>]/.test(character);
    if (character === "\\") return 2;
    if (character === end) {
      this.#frames.pop();
      this.#atWord = false;
      return 1;
    }
    if (character === "#" && atWord) return this.#push({ kind: "comment" }, 1);
    if (character === "\n") return this.#newline();
    if (character === "<" && text[i + 1] === "<") return this.#hereDocument(text, i);
    if (character === "|") {
      if (text[i + 1] === "|") return 2;
      if (text[i - 1] !== ">") this.pipes = true; // `>|` writes over a file
    }
    if (atWord && text.startsWith("((", i)) return this.#push({ kind: "arithmetic", depth: 0 }, 2);
    if (character === "(") return this.#push({ kind: "words", end: ")" }, 1);
    return this.#quote(text, i) ?? this.#expansion(text, i) ?? 1;
  }

  #quote(text: string, i: number): number | undefined {
    if (text[i] === '"') return this.#push({ kind: "double" }, 1);
    if (text[i] === "'") {
      // Within double quotes, as in "${x:-it's}", it is a character like any other.
      return this.place !== "words" ? undefined : this.#push({ kind: "single" }, 1);
    }
    if (text.startsWith("$'", i) && this.place === "words") return this.#push({ kind: "ansi" }, 2);
    return undefined;
  }

  #expansion(text: string, i: number): number | undefined {
    if (text.startsWith("$((", i)) return this.#push({ kind: "arithmetic", depth: 0 }, 3);
    if (text.startsWith("$(", i)) return this.#push({ kind: "words", end: ")" }, 2);
    if (text.startsWith("${", i)) return this.#push({ kind: "braces" }, 2);
    if (text[i] === "`") return this.#push({ kind: "words", end: "`" }, 1);
    return undefined;
  }

  #push(frame: Frame, characters: number): number {
    this.#frames.push(frame);
    this.#atWord = frame.kind === "words";
    return characters;
  }

  #newline(): number {
    this.#atWord = true;
    this.#frames.push(...this.#ahead.reverse());
    this.#ahead = [];
    this.#line = "";
    return 1;
  }

  /** `<<EOF`, `<<-'EOF'`; `<<<` is a word like others. */
  #hereDocument(text: string, i: number): number {
    const [whole, dash, word] =
      /^<<(-?)[ \t]*((?:'[^'\n]*'|"[^"\n]*"|\\.|[^\s;&|()<>'"\\])+)/.exec(text.slice(i)) ?? [];
    if (text.startsWith("<<<", i) || whole === undefined || word === undefined)
      return text[i + 2] === "<" ? 3 : 2;
    const delimiter = word.replace(/['"]|\\(.)/g, "$1");
    this.#ahead.push({ kind: "document", delimiter, tabs: dash === "-", quoted: delimiter !== word });
    return whole.length;
  }

  #document(frame: HereDocument, text: string, i: number): number {
    const character = text[i]!;
    if (character === "\n") {
      const line = frame.tabs ? this.#line.replace(/^\t+/, "") : this.#line;
      this.#line = "";
      if (line === frame.delimiter) {
        this.#frames.pop();
        this.#atWord = true;
      }
      return 1;
    }
    this.#line += character;
    if (frame.quoted) return 1;
    if (character === "\\" && text[i + 1] !== "\n") return 2;
    return this.#expansion(text, i) ?? 1;
  }
}

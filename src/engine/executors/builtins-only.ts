// Which commands a shell performs all by itself: text of nothing but its builtins, loops, conditions and redirections. Such text
// starts no process, so that nothing of it can outlive it, and names nothing that tells a fresh shell from a copy of one ($$,
// PPID, LINENO …). A small part of the shell's grammar (POSIX 2.10), read strictly: what is not known here is not told of as such.

const COMMANDS = new Set("[ : break cd continue echo exit false printf read set test true".split(" "));
/**
 * Variables that a shell sets by itself, and ours: by text, wherever the name stands. So does /proc tell of a process. PATH, since dash
 * takes `%builtin` there: programs of folders before it go before builtins.
 */
const TELLING = /\b(?:ALAMODE_\w+|LINENO|OLDPWD|OPTARG|OPTIND|PATH|PPID|PS[124]|PWD)\b|\/proc\b|\/dev\/fd\b/;
const MOST_CHARACTERS = 16_000;
/** Of commands within commands. The reader calls itself for each, and a stack has an end. */
const MOST_DEEP = 100;

/** Whether `/bin/sh -ec text` is performed by the shell alone, in one process, and cannot tell which process that is. */
export function usesBuiltinsOnly(text: string): boolean {
  if (text.length > MOST_CHARACTERS || TELLING.test(text)) return false;
  const tokens = tokensOf(text);
  return tokens !== undefined && new Reader(tokens).readsAll();
}

type Token =
  | { readonly kind: "word"; readonly text: string }
  /** `;`, `&&`, `||`, or a line end. */
  | { readonly kind: "operator"; readonly text: string }
  /** `<`, `>` and `>>`, whose word follows. */
  | { readonly kind: "redirection" }
  /** A whole one onto another descriptor, `2>&1`. */
  | { readonly kind: "duplicate" };

const BLANK = /[ \t]+/y;
const OPERATOR = /&&|\|\||[;\n]/y;
const DUPLICATE = /[12]?>&[12](?![^ \t\n;])/y;
const REDIRECTION = /[012]?(?:>>|[<>])(?![<>&|(])/y;
const PLAIN = /[\w./:,+%@^=*?![\]-]+/y;
const SINGLE_QUOTED = /'[^']*'/y;
const QUOTED_PLAIN = /(?:[^"$`\\]|\\[^\n])+/y;
const VARIABLE = /\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})/y;
const ARITHMETIC = /[\w \t+\-*/%<>=!&|^~?:]+/y;

/** Undefined where there is anything else. */
function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const takesArithmetic = (): boolean => {
    if (!text.startsWith("$((", at)) return false;
    const from = at;
    at += 3;
    for (let depth = 2; depth > 0; ) {
      if (take(ARITHMETIC) !== undefined || take(VARIABLE) !== undefined) continue;
      if (text[at] === "(") depth++;
      else if (text[at] === ")") depth--;
      else depth = -1;
      // The last two stand together: in `$((1)+(2))` they do not.
      if (depth < 0 || (depth === 1 && text[at + 1] !== ")")) {
        at = from; // where no word can end
        return false;
      }
      at++;
    }
    return true;
  };
  const takesExpansion = () => take(VARIABLE) !== undefined || takesArithmetic();
  const takesPart = (): boolean => {
    if (take(PLAIN) !== undefined || take(SINGLE_QUOTED) !== undefined || takesExpansion()) return true;
    if (text[at] !== '"') return false;
    const from = at++;
    while (take(QUOTED_PLAIN) !== undefined || takesExpansion());
    if (text[at] === '"') at++;
    else at = from; // where no word can end
    return at > from;
  };
  while (at < text.length) {
    if (take(BLANK) !== undefined) continue;
    const operator = take(OPERATOR);
    if (operator !== undefined) tokens.push({ kind: "operator", text: operator });
    else if (take(DUPLICATE) !== undefined) tokens.push({ kind: "duplicate" });
    else if (take(REDIRECTION) !== undefined) tokens.push({ kind: "redirection" });
    else {
      const from = at;
      while (takesPart());
      const word = text.slice(from, at);
      // A number just before a redirection is of a descriptor: of no other than those three.
      const ends = /^\d+$/.test(word) ? /[ \t\n;&|]/ : /[ \t\n;&|<>]/;
      if (at === from || (at < text.length && !ends.test(text[at]!))) return undefined;
      tokens.push({ kind: "word", text: word });
    }
  }
  return tokens;
}

/** Of a shell's variable. */
export const NAME = /^[A-Za-z_]\w*$/;
const ASSIGNMENT = /^[A-Za-z_]\w*=/;
/** After these a command begins, or a list ends. */
const RESERVED = new Set("! { } case do done elif else esac fi for if in then until while".split(" "));

/** Reads lists of commands. Every method returns false where the text is not of that form. */
class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  readsAll(): boolean {
    return this.#list() && this.#at === this.#tokens.length;
  }

  /** One command at least, up to what begins no command. */
  #list(): boolean {
    this.#lines();
    if (!this.#command()) return false;
    for (;;) {
      const joined = this.#operator("&&") || this.#operator("||");
      // What ends a list stands after a `;` or a line end.
      if (!joined && !this.#operator(";") && !this.#operator("\n")) return this.#at === this.#tokens.length;
      this.#lines();
      if (!joined && this.#ends()) return true;
      if (!this.#command()) return false;
    }
  }

  #ends(): boolean {
    const word = this.#word();
    return (
      this.#at === this.#tokens.length || (word !== undefined && /^(?:do|done|elif|else|fi|then)$/.test(word))
    );
  }

  #command(): boolean {
    if (++this.#depth > MOST_DEEP) return false;
    const isOne = this.#oneCommand();
    this.#depth--;
    return isOne;
  }

  #oneCommand(): boolean {
    if (this.#reserved("for")) return this.#for();
    if (this.#reserved("if")) return this.#if();
    if (this.#reserved("while") || this.#reserved("until")) return this.#list() && this.#loop();
    return this.#simple();
  }

  #for(): boolean {
    if (!NAME.test(this.#word() ?? "")) return false;
    this.#at++;
    if (!this.#reserved("in")) return false;
    while (this.#word() !== undefined) this.#at++;
    if (!this.#operator(";") && !this.#operator("\n")) return false;
    this.#lines();
    return this.#loop();
  }

  #loop(): boolean {
    return this.#reserved("do") && this.#list() && this.#reserved("done") && this.#redirections();
  }

  #if(): boolean {
    do {
      if (!this.#list() || !this.#reserved("then") || !this.#list()) return false;
    } while (this.#reserved("elif"));
    if (this.#reserved("else") && !this.#list()) return false;
    return this.#reserved("fi") && this.#redirections();
  }

  /** Assignments, a builtin with its words, and redirections among all these. */
  #simple(): boolean {
    const from = this.#at;
    const words: string[] = [];
    for (;;) {
      if (!this.#redirections()) return false;
      const word = this.#word();
      if (word === undefined) break;
      if (words.length === 0 && RESERVED.has(word)) return false;
      if (words.length > 0 || !ASSIGNMENT.test(word)) words.push(word);
      this.#at++;
    }
    return words.length === 0 ? this.#at > from : isBuiltin(words);
  }

  #redirections(): boolean {
    for (;;) {
      const kind = this.#tokens[this.#at]?.kind;
      if (kind !== "redirection" && kind !== "duplicate") return true;
      this.#at++;
      if (kind === "duplicate") continue;
      if (this.#word() === undefined) return false;
      this.#at++;
    }
  }

  #lines(): void {
    while (this.#operator("\n"));
  }

  #operator(text: string): boolean {
    const token = this.#tokens[this.#at];
    const is = token?.kind === "operator" && token.text === text;
    if (is) this.#at++;
    return is;
  }

  #reserved(text: string): boolean {
    const is = this.#word() === text;
    if (is) this.#at++;
    return is;
  }

  #word(): string | undefined {
    const token = this.#tokens[this.#at];
    return token?.kind === "word" ? token.text : undefined;
  }
}

function isBuiltin([name, ...words]: readonly string[]): boolean {
  // What a shell answers above 128 is told from a signal by nobody who waits for a copy of it.
  if (name === "exit") return words.length === 1 && /^\d\d?$/.test(words[0]!);
  if (name === "set") return words.length > 0 && words.every((word) => /^-[eu]+$/.test(word));
  // A name that is put together could be any of those above.
  if (name === "read") return words.every((word) => word === "-r" || NAME.test(word));
  return COMMANDS.has(name!);
}

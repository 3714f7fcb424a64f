// SQL as text, as far as it must be understood to perform it piece by piece: where statements end, and where a quoted name stands
// for an input. Strings, comments and dollar quotes are looked through. See PostgreSQL's manual, "Lexical Structure".

/** A piece of a statement as it is sent, and where in the text it stands. */
interface Piece {
  readonly sent: string;
  readonly at: number;
}

export interface Statement {
  /** What the server is sent. */
  readonly sent: string;
  /** Offset in the text of the character that is the n-th (from 1) of what is sent. */
  offsetOf(position: number): number;
  /** Offset of its first character. */
  readonly start: number;
}

const TOKEN =
  /--[^\n]*|\/\*|'|"(?:[^"]|"")*"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[\s\S]/gu;

/** The statements of a text. `schemaOf` gives the schema of the input that a quoted name "inputs/NAME" stands for. */
export function statementsOf(text: string, schemaOf: (name: string) => string): Statement[] {
  const statements: Statement[] = [];
  let pieces: Piece[] = [];
  let begun = 0;
  let from = 0;
  let isEmpty = true;
  const add = (to: number) => {
    if (to > from) pieces.push({ sent: text.slice(from, to), at: from });
    from = to;
  };
  const end = (at: number) => {
    add(at);
    if (!isEmpty) statements.push(statement(pieces, begun));
    [pieces, isEmpty, from] = [[], true, at + 1];
  };
  const token = new RegExp(TOKEN);
  let before = "";
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    const [word] = found;
    const at = found.index;
    if (word === ";") {
      end(at);
      before = "";
      continue;
    }
    if (/^\s$/.test(word) || word.startsWith("--")) {
      before = "";
      continue;
    }
    if (word === "/*") {
      token.lastIndex = afterComment(text, at);
      before = "";
      continue;
    }
    if (isEmpty) [begun, isEmpty] = [at, false];
    const name = /^"inputs\/(.*)"$/s.exec(word)?.[1];
    if (name !== undefined) {
      add(at);
      pieces.push({ sent: `"${schemaOf(name.replaceAll('""', '"'))}"`, at });
      from = at + word.length;
    } else if (word === "'") token.lastIndex = afterString(text, at, /^e$/i.test(before));
    else if (word.length > 1 && word.startsWith("$")) {
      const close = text.indexOf(word, at + word.length);
      token.lastIndex = close === -1 ? text.length : close + word.length;
    }
    before = word;
  }
  end(text.length);
  return statements;
}

function statement(pieces: readonly Piece[], start: number): Statement {
  const sent = pieces.map((piece) => piece.sent).join("");
  return {
    sent,
    start,
    offsetOf(position) {
      // The server counts characters, not halves of surrogate pairs.
      let at = [...sent].slice(0, position - 1).join("").length;
      for (const piece of pieces) {
        if (at < piece.sent.length) return piece.at + at;
        at -= piece.sent.length;
      }
      return start;
    },
  };
}

/** Comments lie within one another. */
function afterComment(text: string, from: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = from;
  let depth = 0;
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    depth += found[0] === "/*" ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return text.length;
}

function afterString(text: string, from: number, escapes: boolean): number {
  for (let at = from + 1; at < text.length; at++) {
    if (escapes && text[at] === "\\") at++;
    else if (text[at] === "'" && text[at + 1] === "'") at++;
    else if (text[at] === "'") return at + 1;
  }
  return text.length;
}

/** Line and column, both from 1, and the line itself. */
export function placeIn(
  text: string,
  offset: number,
): { readonly line: number; readonly column: number; readonly shown: string } {
  const before = text.slice(0, offset).split("\n");
  const line = before.length;
  return { line, column: [...before.at(-1)!].length + 1, shown: text.split("\n")[line - 1]! };
}

// Where statements end and which quoted names are inputs, whatever strings and comments look like.
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { placeIn, statementsOf } from "../../src/engine/sql-text.ts";

const schemaOf = (name: string) => `o_${name.length}`;
const sent = (text: string) => statementsOf(text, schemaOf).map((statement) => statement.sent.trim());

test("a semicolon ends a statement where it is one", () => {
  for (const one of [
    "SELECT ';', E'\\';', 'it''s;', \"a;\"\"b\"",
    "SELECT $$;$$, $a_1$;$$;$a_1$",
    "SELECT 1 -- ; no\n + 1",
    "SELECT /* ; /* ; */ ; */ 1",
    "SELECT '\\', ';'", // a backslash is none outside of E''
    "SELECT a$b, $1",
    "SELECT NAME'x;'",
    "SELECT é$;$$;$é FROM 'x'".replace("é$;$$;$é", "$é$;$$;$é$"),
  ]) {
    assert.deepEqual(sent(`${one};\n SELECT 2`), [one, "SELECT 2"]);
  }
  assert.deepEqual(sent(";; -- nothing\n/* ; */ ;"), []);
  assert.deepEqual(sent("SELECT 'open; "), ["SELECT 'open;"]);
  assert.deepEqual(sent("SELECT $$open; "), ["SELECT $$open;"]);
});

test("a quoted name that is an input's is its schema, and nothing else is", () => {
  assert.deepEqual(sent('SELECT * FROM "inputs/abc".t, "inputs/""q""".t'), [
    'SELECT * FROM "o_3".t, "o_3".t',
  ]);
  for (const other of [
    "SELECT '\"inputs/a\"'",
    'SELECT 1 -- "inputs/a"',
    '/* "inputs/a" */ SELECT 1',
    'SELECT $$"inputs/a"$$',
    'SELECT "my inputs/a", "inputs"',
  ])
    assert.deepEqual(sent(other), [other]);
});

test("a place in what is sent is one in the text", () => {
  const text = "-- days\nSELECT '🍒', \"inputs/a-long-name\".x,\n  oops FROM t;\n\n  SELECT 2";
  const [first, second] = statementsOf(text, () => "s");
  const position = [...first!.sent].join("").indexOf("oops") + 1;
  const counted = [...first!.sent.slice(0, position - 1)].length + 1; // as the server counts
  assert.deepEqual(placeIn(text, first!.offsetOf(counted)), { line: 3, column: 3, shown: "  oops FROM t;" });
  assert.deepEqual(placeIn(text, second!.start), { line: 5, column: 3, shown: "  SELECT 2" });
});

test("what is sent is the text, for any text without inputs", () => {
  const piece = fc.constantFrom(
    "'",
    '"',
    "$$",
    "$a$",
    ";",
    "--",
    "\n",
    "/*",
    "*/",
    "\\",
    "E",
    "x",
    " ",
    "🍒",
    "1",
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = pieces.join("");
      let from = 0;
      for (const statement of statementsOf(text, schemaOf)) {
        const at = text.indexOf(statement.sent, from);
        assert.notEqual(at, -1);
        assert.equal(statement.offsetOf(1), at);
        from = at + statement.sent.length;
      }
    }),
  );
});

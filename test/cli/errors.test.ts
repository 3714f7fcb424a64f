import assert from "node:assert/strict";
import test from "node:test";
import { jsonLine } from "../../src/bencode/as-json.ts";
import { bugText, errorJson, errorText } from "../../src/cli/errors.ts";
import { AlamodeError } from "../../src/errors.ts";

const error = new AlamodeError("output-missing", 'input "a" of task "b" is gone', {
  facts: { output: "6075b395", store: "/s", task: "b" },
  hint: "Run the pipeline that makes it.\nOr restore it.",
});

test("an error is its message, its facts aligned, and the way out indented", () => {
  assert.equal(
    errorText(error),
    [
      'input "a" of task "b" is gone',
      "  output  6075b395",
      "  store   /s",
      "  Run the pipeline that makes it.",
      "  Or restore it.",
    ].join("\n"),
  );
});

test("a fact is left out only where the message has it as a whole", () => {
  const shown = (message: string, value: string) =>
    errorText(new AlamodeError("x", message, { facts: { known: value } })).includes("\n");
  assert.ok(shown("postgres://127.0.0.1/x was written by a newer version", "1"));
  assert.ok(shown("/srv/a/b is gone", "/srv/a"));
  assert.ok(!shown("the record /srv/a.db is gone", "/srv/a.db"));
  assert.ok(!shown("it ends with b.", "b"));
});

test("only the message's first line is coloured", () => {
  const painted = errorText(new AlamodeError("x", "one\ntwo"), (text) => `<${text}>`);
  assert.equal(painted, "<one>\ntwo");
});

test("as JSON an error keeps its code and all its facts", () => {
  assert.deepEqual(JSON.parse(errorJson(error)), {
    event: "error",
    code: "output-missing",
    message: error.message,
    facts: { output: "6075b395", store: "/s", task: "b" },
    hint: error.hint,
  });
});

test("a bug asks for a report, and shows its trace only when told to", () => {
  const bug = new TypeError("x is undefined");
  assert.match(
    bugText(bug, false),
    /^alamode met an error of its own: TypeError: x is undefined\n {2}Please report/,
  );
  assert.doesNotMatch(bugText(bug, false), /errors\.test/);
  assert.match(bugText(bug, true), /errors\.test/);
});

test("JSON has a form for what it lacks", () => {
  const value = {
    big: 2n ** 64n,
    bytes: Buffer.from([0xff, 0]),
    plain: new Uint8Array([1]),
    map: new Map([["k", 1]]),
  };
  assert.equal(
    jsonLine(value),
    '{"big":{"$int":"18446744073709551616"},"bytes":{"$bytes":"/wA="},"plain":{"$bytes":"AQ=="},"map":{"k":1}}',
  );
});
